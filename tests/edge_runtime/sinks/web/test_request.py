"""The head of an HTTP request: what is taken, what is refused, and what it costs."""

import gc
import io
import sys

import pytest

from edge_runtime.sinks.web.address import forwarded_client
from edge_runtime.sinks.web.auth import Auth
from edge_runtime.sinks.web.request import BadRequestError, read_head

LINE = b"GET / HTTP/1.1\r\n"


def head_of(data):
    file = io.BytesIO(data)
    return read_head(file.readline(), file)


def test_a_head():
    head = head_of(b"GET /a?b=c HTTP/1.1\r\nHost: pi:80\r\nX-Empty:\r\ncookie:\ta=1 \n\r\nbody")
    assert head[:2] == ("GET", "/a?b=c")
    assert head.headers.get("HOST") == "pi:80" and head.headers.get("Cookie") == "a=1"
    assert "x-empty" in head.headers and "other" not in head.headers
    assert head.headers.get("other", "x") == "x"
    odd = head_of(LINE + b"Cookie: a=\x01\x1b\x7f\xff; b=2\r\n\r\n")  # of other programs
    assert odd.headers.get("cookie") == "a=\x01\x1b\x7f\xff; b=2"


@pytest.mark.parametrize(
    ("target", "path", "host"),
    [
        (b"http://pi:80/a?b=c", "/a?b=c", "pi:80"),
        (b"HTTPS://pi", "/", "pi"),
        (b"http://pi?b", "/?b", "pi"),
        (b"/http://pi", "/http://pi", "other"),
    ],
)
def test_a_target_that_names_its_host(target, path, host):
    head = head_of(b"GET " + target + b" HTTP/1.1\r\nHost: other\r\n\r\n")
    assert (head.target, head.headers.get("host")) == (path, host)


def test_cookies_that_a_proxy_has_split():
    assert head_of(LINE + b"Cookie: a=1\r\nCookie: b=2\r\n\r\n").headers.get("cookie") == "a=1; b=2"


def test_lists_that_proxies_add_to():
    """HAProxy adds a header of its own below what a client has made up."""
    lines = b"X-Forwarded-For: 203.0.113.9\r\nX-Other: a\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
    forwarded = head_of(LINE + lines).headers.get("x-forwarded-for")
    assert forwarded_client("127.0.0.1", forwarded) == "192.0.2.1"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /\r\n\r\n", 400),
        (b"\r\n", 400),
        (b"GET  / HTTP/1.1\r\n\r\n", 400),
        (b"get / HTTP/1.1\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1 \r\n\r\n", 400),
        (b"GET / HTTP/9\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\n", 505),
        (LINE + b"no colon\r\n\r\n", 400),
        (LINE + b": nameless\r\n\r\n", 400),
        (LINE + b"Host : a\r\n\r\n", 400),
        (LINE + b"a: b\r\n folded\r\n\r\n", 400),
        (LINE + b"a: \x00\r\n\r\n", 400),
        (LINE + b"a: b\rc: d\r\n\r\n", 400),
        (LINE + b"Host: a\r\nHost: b\r\n\r\n", 400),
        (LINE + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (LINE + b"Host: a", 400),
        (LINE, 400),
        (LINE + b"a: b\r\n" * 101 + b"\r\n", 431),
        (LINE + b"a: " + b"b" * 70000 + b"\r\n\r\n", 431),
        (LINE + (b"a: " + b"b" * 60000 + b"\r\n") * 3 + b"\r\n", 431),
    ],
)
def test_what_is_refused(data, status):
    with pytest.raises(BadRequestError) as caught:
        head_of(data)
    assert caught.value.status == status


def calls_of(work):
    """Lines of Python and calls into C that `work` takes: the same on every machine, and whatever
    else it does."""
    counted = 0

    def count(frame, event, argument):
        nonlocal counted
        counted += 1

    gc.disable()  # what other tests left behind may have callbacks, which would be counted
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return counted


@pytest.mark.parametrize("name", ["Cookie", "Content-Type", "Host", "Authorization", "X-Other"])
@pytest.mark.parametrize(
    "part",
    [b"\\", b";", b'"', b"a=", b"=;", b"edge_runtime_1=x;", b"%", b"[", b":", b".", b"Basic "],
)
def test_the_cost_grows_with_the_length_and_no_faster(name, part):
    """A call's work grows with its text: so there may be no more calls for a longer header, but for
    those that look at one cookie each."""

    def answer(length):
        value = b"multipart/x;" + part * (length // len(part))
        data = LINE + name.encode() + b": " + value + b"\r\n\r\n"

        def work():
            for auth in (Auth("a-token-of-some-length", "x", 1), Auth(None, "x", 1)):
                auth.check(head_of(data).headers)

        return calls_of(work)

    short, long = answer(5_000), answer(50_000)
    assert long < 11 * short if name == "Cookie" else long == short
