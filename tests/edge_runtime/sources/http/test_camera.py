"""Cameras over HTTP, told apart by what they answer."""

import hashlib
import sys
import threading
import time

import numpy as np
import pytest

from edge_runtime.sources.base import SourceError, SourceOptions
from edge_runtime.sources.factory import kind_of, open_source
from edge_runtime.sources.http import answers, camera, client, multipart
from edge_runtime.sources.http.camera import HttpCamera
from edge_runtime.sources.http.login import Login
from edge_runtime.sources.isolated import supervisor
from tests.edge_runtime.sources.http.cameras import started, stop
from tests.edge_runtime.sources.numbered_video import RED, read_number


@pytest.fixture
def cameras():
    server, thread = started()
    yield server
    stop(server, thread)


@pytest.fixture(autouse=True)
def _without_opencv(monkeypatch):
    """Nothing here needs it."""
    monkeypatch.setitem(sys.modules, "cv2", None)


def options(**others) -> SourceOptions:
    return SourceOptions(**({"input_hw": (32, 48), "max_fps": 100} | others))


def take(url, count=4, **others) -> list:
    with HttpCamera(url, options(**others)) as source:
        assert source.live and source.state == "running"
        frames = iter(source)
        seen = [next(frames) for _ in range(count)]
        frames.close()
    return seen


@pytest.mark.parametrize(
    "path", ["snap.jpg", "cgi/image?size=1&n=a b", "untyped", "moved", "odd-length"]
)
def test_a_picture_a_request(cameras, path):
    seen = take(f"{cameras.url}/{path}")
    numbers = [read_number(frame.image) for frame in seen]
    assert numbers == [0, 1, 2, 3] and [frame.number for frame in seen] == numbers
    assert seen[0].hw == (64, 128)
    assert np.abs(seen[0].image[10, 10].astype(int) - RED).max() < 16
    times = [frame.captured_at for frame in seen]
    assert times == sorted(times) and 0 <= time.monotonic() - times[-1] < 60


@pytest.mark.parametrize(
    "path", ["png", "called-a-page", "left-open", "too-long-a-length", "chunks-without-end"]
)
def test_a_picture_under_wrong_headers(cameras, path):
    assert [read_number(frame.image) for frame in take(f"{cameras.url}/{path}")] == [0, 1, 2, 3]
    assert cameras.asked[f"/{path}"] >= 4


def test_its_rate(cameras, monkeypatch):
    waits = []
    source = HttpCamera(f"{cameras.url}/snap.jpg", options(max_fps=0.5, stall_after=60))
    monkeypatch.setattr(source._closing, "wait", waits.append)
    with source:
        frames = iter(source)
        for _ in range(3):
            next(frames)
        frames.close()
    assert len(waits) == 2 and 1 < waits[0] <= 2
    source = HttpCamera(f"{cameras.url}/snap.jpg", options(max_fps=None))
    monkeypatch.setattr(source._closing, "wait", waits.append)
    with source:
        frames = iter(source)
        for _ in range(2):
            next(frames)
        frames.close()
    assert 0 < waits[2] <= 1


def test_turned(cameras):
    (frame,) = take(f"{cameras.url}/snap.jpg", 1, rotate=90)
    assert frame.hw == (128, 64)


@pytest.mark.parametrize("path", ["basic", "digest"])
def test_a_login(cameras, path):
    assert len(take(f"{cameras.url_with_login}/{path}", 3)) == 3
    assert cameras.asked[f"/{path}"] == 4  # the first without a word, to be asked for it
    for url in (cameras.url, cameras.url_with_login.replace("user", "other")):
        with pytest.raises(SourceError, match="it answers 401") as caught:
            HttpCamera(f"{url}/{path}", options()).open()
        assert "cret" not in str(caught.value)
        assert "path, user and password" in str(caught.value) or "wants a login" in str(
            caught.value
        )


def test_digest_as_rfc_7616_computes_it(monkeypatch):
    monkeypatch.setattr(
        "secrets.token_hex", lambda _: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    )
    login = Login("Mufasa", "Circle of Life")
    nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
    for algorithm, response in (
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
    ):
        challenge = f'Digest realm="http-auth@example.org", qop="auth, auth-int", nonce="{nonce}"'
        assert login.take_challenge([f"{challenge}, algorithm={algorithm}"])
        assert f'response="{response}"' in login.header("GET", "/dir/index.html")


def test_a_challenge_of_one_long_word_is_soon_read():
    """Without the boundary in its pattern it took half a minute of a processor."""
    login = Login("user", "secret")
    assert not login.take_challenge(["Digest " + "a" * 60_000])
    assert login.header("GET", "/") is None


def test_digest_of_what_is_not_ascii(monkeypatch):
    """A realm is hashed as its bytes came, which http.client shows as latin-1; ours are UTF-8."""
    monkeypatch.setattr("secrets.token_hex", lambda _: "c")
    login = Login("Jäger", "paß")
    assert login.take_challenge(['Digest realm="T\xfcr", qop="auth", nonce="n"'])
    secret = hashlib.md5("Jäger:".encode() + b"T\xfcr:" + "paß".encode()).hexdigest()
    request = hashlib.md5(b"GET:/").hexdigest()
    response = hashlib.md5(f"{secret}:n:00000001:c:auth:{request}".encode()).hexdigest()
    header = login.header("GET", "/").encode("latin-1")  # as http.client sends it
    assert f'response="{response}"'.encode() in header
    assert 'username="Jäger"'.encode() in header and b'realm="T\xfcr"' in header


def test_a_password_goes_to_no_other_host(cameras):
    url = cameras.url_with_login
    with pytest.raises(SourceError, match="answers 401"):
        HttpCamera(f"{url}/elsewhere", options()).open()
    assert "Authorization" not in cameras.headers["/basic"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("round-and-round", "redirects more than 5 times"),
        ("to-a-file", "redirects to an address of file"),
        ("to-no-port", "redirects to what is no address"),
        ("to-nobody", r"127\.0\.0\.1 refuses port 1;"),
        ("page", r"answers with a page \(text/html\)"),
        ("huge", "a picture of at most 32 MB expected, got 1000000000 bytes"),
        ("endless", "a picture of at most 1 MB expected, got more"),
        ("broken-chunk", "its answer .*breaks off"),
        ("no-http", r"its answer is no HTTP \('\\x1b\[2J"),
        ("damaged", "10 pictures in a row are damaged"),
    ],
)
def test_what_is_no_camera(cameras, path, message, monkeypatch):
    if path == "endless":
        monkeypatch.setattr(answers, "MOST_BYTES", 1 << 20)
    with pytest.raises(SourceError, match=message) as caught:
        HttpCamera(f"{cameras.url}/{path}", options()).open()
    assert "hunter2" not in str(caught.value)


def test_one_that_does_not_answer(cameras, monkeypatch):
    monkeypatch.setattr(camera, "OPEN_SECONDS", 0.3)
    with pytest.raises(SourceError, match="gives no picture: timed out"):
        HttpCamera(f"{cameras.url}/silent", options()).open()
    cameras.over.set()


@pytest.mark.parametrize("url", ["http://admin:pa/ss@host/x", "http://", "http://host:port/"])
def test_no_address(url):
    with pytest.raises(SourceError, match=r"no such address.*%23 %3F %2F %40") as caught:
        HttpCamera(url, options()).open()
    assert "pa/ss" not in str(caught.value)


def test_single_failures_are_got_over(cameras, monkeypatch):
    monkeypatch.setattr(camera, "FIRST_PAUSE", 0.01)
    seen = take(f"{cameras.url}/every-other", 5)
    assert [read_number(frame.image) for frame in seen] == [0, 2, 4, 6, 8]


def test_lasting_failures_are_the_supervisors(cameras, monkeypatch):
    monkeypatch.setattr(camera, "FIRST_PAUSE", 0.01)
    with HttpCamera(f"{cameras.url}/flaky", options(stall_after=0.5)) as source:
        frames = iter(source)
        next(frames)
        cameras.failing = True
        with pytest.raises(SourceError, match="stopped delivering: it answers 503"):
            list(frames)
    assert 2 < source.dropped < 20  # with longer and longer pauses


def test_a_stream_with_empty_parts_is_one_stream(cameras):
    seen = take(f"{cameras.url}/stream", 6, max_fps=None)
    numbers = [read_number(frame.image) for frame in seen]
    assert numbers == list(range(numbers[0], numbers[0] + 6)) and numbers[0] == 0
    assert cameras.asked["/stream"] == 1


def test_a_stream_without_lengths(cameras):
    seen = take(f"{cameras.url}/without-lengths", 6, max_fps=None)
    assert [read_number(frame.image) for frame in seen] == list(range(6))


@pytest.mark.parametrize("path", ["bare", "nonsense-lengths"])
def test_a_stream_whose_pictures_end_where_they_end(cameras, path):
    seen = take(f"{cameras.url}/{path}", 6, max_fps=None)
    assert [read_number(frame.image) for frame in seen] == list(range(6))
    assert cameras.asked[f"/{path}"] == 1


def test_a_stream_whose_lengths_are_wrong_goes_on_at_the_next_boundary(cameras):
    seen = []
    with (
        HttpCamera(f"{cameras.url}/short-lengths", options(max_fps=None)) as source,
        pytest.raises(SourceError, match="the stream ended"),
    ):
        seen.extend(read_number(frame.image) for frame in source)
    assert seen[::2] == [0, 2, 4, 6, 8, 10] or seen == [0, 2, 4, 6, 8, 10]


def test_frames_that_are_not_wanted_are_taken_from_the_camera(cameras):
    seen = take(f"{cameras.url}/stream", 4, max_fps=10)
    assert read_number(seen[-1].image) > 6


@pytest.mark.slow
def test_what_comes_through_a_process_of_its_own(cameras, monkeypatch):
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.01)
    assert kind_of(f"{cameras.url}/x").live
    for path in ("snap.jpg", "stops"):
        with open_source(f"{cameras.url}/{path}", options()) as source:
            for count, frame in enumerate(source):
                assert frame.hw == (64, 128)
                if count > 2:
                    break
        assert bool(source.restarts) == (path == "stops")


@pytest.mark.slow
def test_a_slow_rate_is_no_stall(cameras):
    with open_source(f"{cameras.url}/snap.jpg", options(max_fps=1, stall_after=0.4)) as source:
        frames = iter(source)
        for _ in range(3):
            next(frames)
        assert source.restarts == 0


def test_closing_while_another_thread_reads(cameras):
    for path in ("stream", "snap.jpg"):
        source = HttpCamera(f"{cameras.url}/{path}", options(max_fps=2))
        source.open()
        first = threading.Event()
        reader = threading.Thread(target=lambda s=source, f=first: [f.set() for _ in s])
        reader.start()
        assert first.wait(10)
        source.close()
        reader.join(10)
        assert not reader.is_alive() and source.state == "closed"


def test_limits_are_what_messages_say():
    assert multipart.MOST_BYTES == 32 << 20 and client.MOST_REDIRECTS == 5


@pytest.mark.parametrize(
    "stream",
    [
        b"x" * 10_000,
        b"--f\r\nContent-Length: 99999999999\r\n\r\n",
        b"--f\r\n" + b"y" * 100_000,
        b"--f\r\nContent-Length: 10\r\n\r\nabc",
    ],
)
def test_no_stream(stream, monkeypatch):
    monkeypatch.setattr(multipart, "MOST_BYTES", 5000)
    data = [stream]
    parts = multipart.PictureParts(lambda _: data.pop() if data else b"")
    with pytest.raises(ValueError, match=r"MJPEG stream|a picture of at most|ended inside"):
        list(parts)
