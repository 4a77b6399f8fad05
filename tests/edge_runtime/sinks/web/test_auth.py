"""Access to the page: tokens, cookies, names."""

import base64
import hmac
import logging
import time

import pytest

from edge_runtime.commands.run import add_parser
from edge_runtime.sinks.base import Context
from edge_runtime.sinks.web import auth, handler
from edge_runtime.sinks.web.address import Address
from edge_runtime.sinks.web.auth import Access, Auth, read_token
from edge_runtime.sinks.web.sink import FLAGS, WebSink, create
from tests.edge_runtime.sinks.web.fixtures import Run

TOKEN = "correct-horse-battery:staple"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
GUARDED = ("/", "/stream.mjpg", "/snapshot.jpg", "/detections.json", "/metrics")


@pytest.fixture(name="run")
def run_fixture(monkeypatch):
    monkeypatch.setattr(handler, "PENALTY_SECONDS", 0.0)
    run = Run(TOKEN)
    run.write()
    yield run
    run.page.close()


def basic(password, user="anybody"):
    user = user if isinstance(user, bytes) else user.encode()
    pair = base64.b64encode(user + f":{password}".encode())
    return {"Authorization": f"Basic {pair.decode()}"}


def log_in(run, token=TOKEN):
    return run.get("/login", "POST", FORM, f"token={token}")


def cookie_of(headers):
    return headers["Set-Cookie"].partition(";")[0]


def test_nothing_but_health_without_a_token(run):
    for path in GUARDED[1:]:
        status, headers, body = run.get(path)
        assert (status, body) == (401, b"a token is needed\n"), path
        # FFmpeg, and all that is made of it, knows the first only, and one to a header.
        schemes = [value.split()[0] for value in headers.get_all("WWW-Authenticate")]
        assert schemes == ["Basic", "Bearer"], path
    status, headers, _ = run.get("/")
    assert (status, headers["Location"]) == (303, "./login")
    assert run.get("/login")[0] == 200
    assert run.get("/healthz")[:3:2] == (200, b"ok\n")


def test_the_browsers_own_box_stays_away_from_the_page(run):
    challenge = run.get("/detections.json", headers={"X-Requested-With": "page"})[1]
    assert challenge.get_all("WWW-Authenticate") == ['Bearer realm="edge-runtime"']
    app = {"X-Requested-With": "io.homeassistant.companion.android"}  # as each WebView says
    assert len(run.get("/stream.mjpg", headers=app)[1].get_all("WWW-Authenticate")) == 2


@pytest.mark.parametrize(
    "headers", [{"Authorization": f"Bearer {TOKEN}"}, {"Authorization": f"bearer  {TOKEN}"},
                basic(TOKEN), basic(TOKEN, ""), {"Authorization": f"Bearer\t{TOKEN}"},
                {"Authorization": basic(TOKEN)["Authorization"].replace(" ", "  ")},
                {"Authorization": basic(TOKEN, "abc")["Authorization"].rstrip("=")},
                basic(TOKEN, b"caf\xe9")]
)  # fmt: skip
def test_the_token_opens_everything(run, headers):
    for path in ("/", "/snapshot.jpg", "/detections.json", "/metrics"):
        assert run.get(path, headers=headers)[0] == 200, path


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Digest {TOKEN}"},
        {"Authorization": "Basic %%%"},
        {"Authorization": "Basic /////w=="},  # not UTF-8
        basic("wrong"),
        basic("x", TOKEN),  # as the user's name
        {"Cookie": f"edge_runtime_PORT={TOKEN}"},
        {"Cookie": "edge_runtime_PORT=9999999999."},
        {"Cookie": "edge_runtime_PORT=9999999999." + "0" * 64},
        {"Cookie": "=;=,;\\"},
        {"Cookie": "edge_runtime_PORT=\xff.\xff"},
    ],
)
def test_what_opens_nothing(run, headers):
    headers = {name: value.replace("PORT", str(run.port)) for name, value in headers.items()}
    for path in GUARDED:
        assert run.get(path, headers=headers)[0] in (401, 303), path


def test_no_token_in_addresses(run):
    assert run.get(f"/snapshot.jpg?token={TOKEN}")[0] == 401
    assert run.get(f"/login?token={TOKEN}", "POST", FORM, "")[0] == 403


def test_the_form_gives_a_cookie_that_is_not_the_token(run):
    status, headers, _ = log_in(run, TOKEN.replace(":", "%3A"))
    assert (status, headers["Location"]) == (303, "./")
    assert "HttpOnly" in headers["Set-Cookie"] and "SameSite=Lax" in headers["Set-Cookie"]
    assert TOKEN not in headers["Set-Cookie"]
    cookie = {"Cookie": f"other=1; {cookie_of(headers)}"}
    assert run.get("/", headers=cookie)[0] == run.get("/snapshot.jpg", headers=cookie)[0] == 200
    again = Run(TOKEN)  # on another port: cookies do not know ports
    assert again.get("/metrics", headers=cookie)[0] == 401
    again.page.close()


@pytest.mark.parametrize(
    "others",
    [
        'settings={"v":1}; OURS',
        "foo[bar]=1; OURS",
        "; ;=; OURS ;",
        'a="b; OURS',
        "OURS; a=b\\",
        "\xe4=\xfc,x; OURS",
        "OURS; path=/; $Version=1",
        "edge_runtime_PORT=old; OURS",
        "a=1;OURS",
        "a=1, OURS, b=2",  # as some proxies join them
        "a=\x01\x1b[0m\x7f; OURS",
        "big=" + "\\" * 60000 + "; OURS",
        "big=" + '"' * 60000 + "; OURS",
    ],
    ids=lambda text: text[:20],
)
def test_cookies_of_other_programs_do_not_hide_ours(run, others):
    cookie = others.replace("OURS", cookie_of(log_in(run)[1])).replace("PORT", str(run.port))
    assert run.get("/metrics", headers={"Cookie": cookie})[0] == 200


@pytest.mark.parametrize("others", [basic("proxys", "admin"), {"Authorization": "Negotiate YII="}])
def test_a_proxys_own_passwords_do_not_hide_our_cookie(run, others):
    status, headers, _ = run.get("/", headers=others)
    assert (status, headers["Location"]) == (303, "./login")  # not a box that asks for the proxy's
    assert run.get("/login", headers=others)[0] == 200
    cookie = {"Cookie": cookie_of(log_in(run)[1])}
    assert run.get("/metrics", headers=others | cookie)[0] == 200


def test_who_is_logged_in_is_not_asked_again(run):
    cookie = {"Cookie": cookie_of(log_in(run)[1])}
    for headers in (cookie, basic(TOKEN)):
        status, answer, _ = run.get("/login", headers=headers)
        assert (status, answer["Location"]) == (303, "./")
    assert run.get("/login", headers=basic("wrong"))[0] == 200


def test_a_form_of_another_page_is_refused(run):
    sent = {**FORM, "Sec-Fetch-Site": "cross-site"}
    status, headers, _ = run.get("/login", "POST", sent, f"token={TOKEN}")
    assert status == 403 and "Set-Cookie" not in headers


def test_a_frame_of_another_site_has_a_cookie_behind_tls_only():
    for framed, encrypted, rules in (
        (False, True, "SameSite=Lax"),
        (True, False, "SameSite=Lax"),
        (True, True, "SameSite=None; Secure; Partitioned"),
    ):
        auth = Auth(TOKEN, "x", 1, framed)
        cookie = auth.new_cookie(encrypted)
        assert cookie.endswith(f"HttpOnly; {rules}")
        assert auth.check({"Cookie": cookie.partition(";")[0]}) is Access.ALLOWED


def test_a_cookie_outlives_a_restart_but_not_the_token(run):
    cookie = {"Cookie": cookie_of(log_in(run)[1])}
    assert Auth(TOKEN, "x", run.port).check(cookie) is Access.ALLOWED
    assert Auth(TOKEN + "2", "x", run.port).check(cookie) is Access.MISSING


def test_a_cookie_ends(run, monkeypatch):
    cookie = {"Cookie": cookie_of(log_in(run)[1])}
    now = time.time()
    monkeypatch.setattr(auth.time, "time", lambda: now + auth.COOKIE_SECONDS - 5)
    assert run.get("/metrics", headers=cookie)[0] == 200
    later = cookie["Cookie"].replace("=", "=1", 1)  # a later end, under the old signature
    monkeypatch.setattr(auth.time, "time", lambda: now + auth.COOKIE_SECONDS + 5)
    assert run.get("/metrics", headers=cookie)[0] == 401
    assert run.get("/metrics", headers={"Cookie": later})[0] == 401


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], "%FF%00", "<script>"])
def test_the_form_refuses(run, token):
    status, headers, body = log_in(run, token)
    assert status == 403 and "Set-Cookie" not in headers
    assert b"That is not the token." in body and b"<script>" not in body


@pytest.mark.parametrize("length", ["-1", "x", "99999999", "9" * 5000])
def test_the_form_takes_no_more_than_a_form(run, length):
    assert run.get("/login", "POST", {**FORM, "Content-Length": length}, "token=")[0] == 413


def test_comparisons_take_the_same_time(run, monkeypatch):
    compared, real = [], hmac.compare_digest
    monkeypatch.setattr(
        auth.hmac, "compare_digest", lambda a, b: compared.append((a, b)) or real(a, b)
    )
    run.get("/metrics", headers={"Authorization": "Bearer guess"})
    log_in(run, "guess")
    assert compared == [(b"guess", TOKEN.encode())] * 2


def test_a_wrong_token_waits_and_others_do_not(run, monkeypatch):
    waiting, reported = [], []
    monkeypatch.setattr(handler, "PENALTY_SECONDS", 7.0)
    server = run.page._server
    monkeypatch.setattr(server.closing, "wait", waiting.append)
    monkeypatch.setattr(server, "report_wrong_token", reported.append)
    run.get("/metrics", headers=basic("wrong"))
    log_in(run, "wrong")
    assert waiting == [7.0, 7.0] and reported == ["127.0.0.1"] * 2
    run.get("/metrics")  # to have none is no guess
    run.get("/metrics", headers=basic(TOKEN))
    assert len(waiting) == 2


def test_nothing_of_it_is_logged(run, caplog):
    caplog.set_level(logging.DEBUG)
    run.get(f"/metrics?secret={TOKEN}", headers={"Authorization": f"Bearer {TOKEN}"})
    cookie = cookie_of(log_in(run)[1])
    run.get("/metrics", headers={"Cookie": cookie, **basic(TOKEN + "x")})
    log_in(run, TOKEN + "x")
    run.get(f"/nothing?{TOKEN}")
    with run.connect(f"GET {TOKEN} too many words\r\n\r\n".encode()) as bad:
        assert b"400" in bad.recv(1000)
    assert "'/metrics' 200" in caplog.text and "wrong token from 127.0.0.1" in caplog.text
    assert caplog.text.count("wrong token") == 1  # and not as often as somebody guesses
    for secret in (TOKEN, cookie.partition("=")[2], basic(TOKEN)["Authorization"].split()[1]):
        assert secret not in caplog.text


def test_on_loopback_only_its_own_names_are_answered():
    run = Run()  # as a page of the Internet would ask, whose name was pointed at 127.0.0.1
    run.write()
    for host in ("localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.2:80", "[::1]:8080",
                 "[::ffff:7f00:1]", "pi.localhost", "localhost."):  # fmt: skip
        assert run.get("/snapshot.jpg", headers={"Host": host})[0] == 200, host
    for host in ("evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", "[", "0x7f.1",
                 "localhost.evil.example", "192.168.1.5", "evillocalhost",
                 "localhost@evil"):  # fmt: skip
        status, _, body = run.get("/snapshot.jpg", headers={"Host": host})
        assert status == 403 and b"localhost" in body, host
    # A client that takes us for a proxy names the host twice; the first counts.
    for first, status in (("127.0.0.1", b" 200 "), ("evil.example", b" 403 ")):
        line = f"GET http://{first}/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        with run.connect(line) as client:
            assert status in client.recv(100)
    run.page.close()


def test_the_name_that_was_given_is_answered():
    assert Auth(None, "Raspi", 1).check({"Host": "raspi:8080"}) is Access.ALLOWED
    assert Auth(None, "127.0.0.1", 1).check({"Host": "raspi:8080"}) is Access.FOREIGN


def test_beyond_loopback_a_token_is_demanded(tmp_path):
    context = Context("model", ("cat",), "usb:0")
    for host in ("0.0.0.0", "::"):
        page = WebSink(Address(host, 0), None)
        with pytest.raises((ValueError, OSError), match=r"token_urlsafe|cannot") as caught:
            page.open(context)
        page.close()
        if isinstance(caught.value, OSError):
            assert host == "::"  # a computer without IPv6
    page = WebSink(Address("0.0.0.0", 0), TOKEN)
    page.open(context)
    page.close()


def test_tokens_from_file_and_environment(tmp_path, caplog):
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o600)
    other = {auth.ENVIRONMENT: "another-token-of-some-length"}
    assert read_token(None, {}) is None and read_token(None, {auth.ENVIRONMENT: " "}) is None
    assert read_token(None, other) == "another-token-of-some-length"
    assert read_token(str(file), other) == TOKEN and not caplog.text
    file.chmod(0o644)
    assert read_token(str(file), {}) == TOKEN
    assert f"chmod 600 {file}" in caplog.text and TOKEN not in caplog.text


@pytest.mark.parametrize(
    "bad", ["short", "fifteen-letters", "with a space in between", "ümläute" * 3]
)
def test_tokens_that_do_not_do(tmp_path, bad):
    file = tmp_path / "token"
    file.write_text(bad)
    file.chmod(0o600)
    with pytest.raises(ValueError, match="at least 16 ASCII characters") as caught:
        read_token(str(file), {})
    assert bad not in str(caught.value)
    with pytest.raises(ValueError, match="EDGE_RUNTIME_WEB_TOKEN"):
        read_token(None, {auth.ENVIRONMENT: bad})


def test_a_token_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_token(str(tmp_path / "none"), {})


def test_flags(monkeypatch, tmp_path, capsys):
    import argparse

    monkeypatch.delenv(auth.ENVIRONMENT, raising=False)
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())

    def page(*flags):
        return create(parser.parse_args(["run", "model.tflite", *flags]))

    assert not FLAGS.is_asked_for(parser.parse_args(["run", "model.tflite"]))
    assert page("--web")._address == Address("127.0.0.1", 8080)
    assert page("--web", "0.0.0.0:81")._address == Address("0.0.0.0", 81)
    framed = page("--web", "--web-frame-origin=http://A:8123/", "--web-frame-origin=https://b")
    assert framed._frame_origins == ["http://a:8123", "https://b"]
    for flags in (["--web", "model.tflite"], ["--web", ":0", "--web-fps", "0"]):
        with pytest.raises(SystemExit):
            page(*flags)
    for origin in ("*", "http://*", "a", "ftp://a", "http://a/b", "http://a:99999", "http://[::1]",
                   "http://a 'self'", "http://a; img-src *", "http://u@a", "null", ""):  # fmt: skip
        with pytest.raises(SystemExit):
            page("--web", f"--web-frame-origin={origin}")
        assert "the origin of the page around it expected" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        page("--web", "model.tflite")
    assert "MODEL comes before --web" in capsys.readouterr().err
