"""The web page's server, seen through real sockets."""

import json
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, closing

import pytest

from edge_runtime.media.draw import class_color
from edge_runtime.sinks.web import handler, mjpeg, places
from edge_runtime.sinks.web.address import Address, is_loopback, parse_address
from edge_runtime.sinks.web.auth import Auth
from edge_runtime.sinks.web.sink import WebSink
from tests.conftest import ROOT
from tests.edge_runtime.sinks.web.fixtures import Run, Viewer, ended, eventually, pixels


@pytest.fixture(name="run")
def run_fixture():
    run = Run()
    yield run
    run.page.close()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("8080", Address("127.0.0.1", 8080)),  # a port alone opens nothing to the network
        (":8080", Address("127.0.0.1", 8080)),
        ("0.0.0.0:80", Address("0.0.0.0", 80)),
        ("pi-4.local:8080", Address("pi-4.local", 8080)),
        ("[::1]:0", Address("::1", 0)),
        ("[fe80::1%eth0]:8080", Address("fe80::1%eth0", 8080)),
    ],
)
def test_addresses(text, address):
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text", ["", "localhost", "host:", "host:65536", "::1:8080", "http://host:80", "a b:80"]
)
def test_what_is_no_address(text):
    with pytest.raises(ValueError, match="HOST:PORT"):
        parse_address(text)


def test_loopback():
    assert is_loopback("127.0.0.1") and is_loopback("127.0.1.1") and is_loopback("::1")
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.5", "fe80::1%eth0")))


def test_before_the_first_frame(run, monkeypatch):
    monkeypatch.setattr(handler, "FIRST_SECONDS", 0.05)
    for path in ("/stream.mjpg", "/snapshot.jpg", "/healthz"):
        status, headers, body = run.get(path)
        assert (status, body, headers["Retry-After"]) == (503, b"no frame yet\n", "5"), path
    status, _, body = run.get("/detections.json")
    assert status == 200 and json.loads(body)["result"] is None


def test_snapshot_and_json(run):
    run.write()
    status, headers, body = run.get("/snapshot.jpg")
    assert (status, headers["Content-Type"]) == (200, "image/jpeg")
    assert pixels(body).shape == (720, 960, 3)
    answer = json.loads(run.get("/detections.json")[2])
    assert [row["class"] for row in answer["result"]["detections"]] == ["cat", "dog <b>"]
    assert answer["colors"]["cat"] == "#{:02x}{:02x}{:02x}".format(*class_color(0))
    assert answer["run"]["latency_ms"] == {"median": 62.5, "p90": 62.5}
    assert answer["run"]["healthy"] and run.get("/healthz")[2] == b"ok\n"


def test_healthz_says_since_when(run):
    run.write()
    run.stats._clock = lambda: run.stats._captured_at + 100
    status, _, body = run.get("/healthz")
    assert (status, body) == (503, b"no frame for 100 s\n")


def test_every_answer_has_the_careful_headers(run):
    run.write()
    for path in ("/", "/snapshot.jpg", "/detections.json", "/metrics", "/healthz", "/nothing"):
        headers = run.get(path)[1]
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["Cache-Control"] == "no-store", path
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], path
        assert headers["X-Frame-Options"] == "DENY", path
        assert "Python" not in headers["Server"], path


def test_other_methods_and_paths(run):
    run.write()
    assert run.get("/nothing")[0] == 404
    assert run.get("/../etc/passwd")[0] == 404
    assert run.get("/", "POST", body=b"x")[0] == 405
    assert run.get("/", "DELETE")[0] == 501
    status, headers, body = run.get("/snapshot.jpg", "HEAD")
    assert status == 200 and int(headers["Content-Length"]) > 0 and body == b""
    assert run.get("/stream.mjpg", "HEAD")[0] == 200
    with closing(run.connect(b"\r\nGET /healthz HTTP/1.0\r\n\r\n")) as old:
        assert b" 200 " in old.recv(100)


def test_named_origins_may_frame_it():
    run = Run(frame_origins=["http://hass.local:8123", "https://b"])
    headers = run.get("/")[1]
    assert headers["Content-Security-Policy"].endswith(
        "; frame-ancestors http://hass.local:8123 https://b"
    )
    assert "X-Frame-Options" not in headers
    run.page.close()


def test_connections_are_bounded(run, monkeypatch):
    monkeypatch.setattr(places, "MAX_CONNECTIONS", 2)
    monkeypatch.setattr(places, "SPARE_SECONDS", 0.1)
    run.write()
    first, second = run.connect(b"GET"), run.connect(b"GET")
    with closing(first), closing(second), closing(run.connect()) as third:
        assert run.get("/")[0] == 503  # but a watchdog is answered
        assert run.get("/healthz?x")[::2] == (200, b"ok\n")
        assert b"503" in third.recv(100)
    assert eventually(lambda: run.get("/")[0] == 200)


def test_who_drips_makes_room(run, monkeypatch):
    """A hundred connections of one address, none of which has said what it wants."""
    monkeypatch.setattr(places, "GRACE_SECONDS", 0.0)
    monkeypatch.setattr(places, "REQUEST_SECONDS", 1e6)
    run.write()
    with ExitStack() as stack:
        dripping = [stack.enter_context(closing(run.connect(b"GET / H"))) for _ in range(100)]
        for path in ("/healthz", "/", "/snapshot.jpg"):
            assert run.get(path)[0] == 200
        assert b"503" in dripping[0].recv(100)  # the first had to go


def test_watchdogs_and_guests_are_answered_before_others_make_room(monkeypatch):
    monkeypatch.setattr(places, "GRACE_SECONDS", 1e6)
    token = "a-token-of-some-length"
    run = Run(token)
    run.write()
    cookie = {"Cookie": Auth(token, "", run.port).new_cookie().partition(";")[0]}
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(closing(run.connect(b"GET / H")))
        assert run.get("/healthz")[0] == 200
        assert run.get("/snapshot.jpg", headers=cookie)[0] == 200
        assert run.get("/snapshot.jpg")[0] == run.get("/login")[0] == 503
        guess = {"Authorization": f"Bearer {token}"}  # nobody guesses there, not at full speed
        assert run.get("/snapshot.jpg", headers=guess)[0] == 503
    run.page.close()


def test_who_drips_his_request_is_cut_off(run, monkeypatch):
    monkeypatch.setattr(places, "REQUEST_SECONDS", 0.3)
    with run.flowing(), closing(Viewer(run)) as viewer:
        with closing(run.connect(b"GET / HTTP/1.0\r\n")) as slow, pytest.raises(OSError):
            while viewer.frame():  # each line comes in time for a limit on single reads
                slow.sendall(b"x: y\r\n")
        assert viewer.frame()  # a stream may last longer than a request


def test_a_form_that_drips_is_told(monkeypatch):
    monkeypatch.setattr(places, "REQUEST_SECONDS", 0.2)
    run = Run("a-token-of-some-length")
    with closing(run.connect(b"POST /login HTTP/1.0\r\nContent-Length: 99\r\n\r\ntok")) as slow:
        assert slow.recv(100).startswith(b"HTTP/1.0 408")
    run.page.close()


def test_close_ends_viewers_and_threads():
    before = set(threading.enumerate())
    run = Run()
    run.write()
    with closing(Viewer(run)) as viewer, closing(run.connect(b"GET /")) as half:
        viewer.frame()
        run.page.close()
        assert ended(viewer.socket) and ended(half)
    assert eventually(lambda: set(threading.enumerate()) <= before)
    again = Run(port=run.port)  # the port is free at once
    again.page.close()


def test_a_port_that_is_taken(run):
    other = WebSink(Address("127.0.0.1", run.port), None)
    with pytest.raises(OSError, match="another program has this port"):
        other.open(run.context)
    other.close()


def test_an_address_that_is_not_ours(run):
    with pytest.raises(OSError, match="no address of this computer"):
        WebSink(Address("192.0.2.1", 0), "t" * 20).open(run.context)
    with pytest.raises(OSError, match=r"cannot find nowhere\.invalid"):
        WebSink(Address("nowhere.invalid", 0), "t" * 20).open(run.context)


def test_ipv6(run):
    page = WebSink(Address("::1", 0), None)
    try:
        page.open(run.context)
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    port = int(page.url.rstrip("/").rpartition(":")[2])
    with closing(socket.create_connection(("::1", port), 10)) as viewer:
        viewer.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert viewer.recv(100).startswith(b"HTTP/1.0 503")
    page.close()


def test_a_mistake_is_said_and_the_page_goes_on(run, monkeypatch, caplog):
    run.write()
    monkeypatch.setattr(mjpeg, "draw_detections", lambda *_: 1 / 0)
    with closing(run.connect(b"GET /snapshot.jpg HTTP/1.0\r\nHost: localhost\r\n\r\n")) as viewer:
        assert ended(viewer)
    assert eventually(lambda: "ZeroDivisionError" in caplog.text)
    assert run.get("/healthz")[0] == 200


def test_a_run_with_a_page_ends_at_sigterm(tmp_path):
    command = [sys.executable, "-m", "edge_runtime", "run", "models/digits_int8.tflite"]
    command += ["--source", "docs/detections.jpg", "--loop", "--web", "127.0.0.1:0"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = next(line for line in process.stderr if "web page is at" in line)
            run = type("Live", (), {"connect": Run.connect, "port": int(line.split(":")[-1][:-2])})
            with closing(Viewer(run())) as viewer:
                assert pixels(viewer.frame()).ndim == 3
                process.send_signal(signal.SIGTERM)
                assert ended(viewer.socket)
            assert process.wait(30) == 0
        finally:
            process.kill()
