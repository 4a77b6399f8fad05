"""The web page's server, seen through real sockets."""

import json
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, closing

import numpy as np
import pytest

from edge_runtime.draw import class_color
from edge_runtime.sinks.web import WebPage
from edge_runtime.web import broadcast, handler, server
from edge_runtime.web.address import Address, is_loopback, parse_address
from edge_runtime.web.broadcast import Broadcast
from tests.conftest import ROOT
from tests.web_fixtures import (
    BOXES,
    DEADLINE,
    GROUND,
    STREAM,
    Run,
    Viewer,
    ended,
    eventually,
    pixels,
)


@pytest.fixture(name="run")
def run_fixture():
    run = Run()
    yield run
    run.page.close()


@pytest.fixture(name="encoded")
def encoded_fixture(monkeypatch):
    """The results that were drawn and encoded."""
    results, real = [], broadcast.annotated_jpeg
    monkeypatch.setattr(
        broadcast, "annotated_jpeg", lambda result: results.append(result) or real(result)
    )
    return results


@pytest.fixture(name="noise")
def noise_fixture():
    """A picture whose JPEG is larger than what the system buffers for a viewer in a while."""
    return np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)


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


def test_a_viewer_sees_the_frame_and_its_boxes(run):
    with run.flowing(), closing(Viewer(run)) as viewer:
        assert b"200" in viewer.status
        picture = pixels(viewer.frame())
    assert picture.shape == (720, 960, 3)
    assert np.abs(picture[700, 10].astype(int) - GROUND).max() < 12
    for class_id, (left, top, _, bottom) in enumerate(BOXES):
        line = picture[(top + bottom) // 2, left + 1].astype(int)
        assert np.abs(line - class_color(class_id)).max() < 60  # JPEG frays thin lines


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


def test_nothing_is_drawn_without_a_viewer(run, encoded):
    for _ in range(5):
        run.write()
    assert run.get("/detections.json")[0] == 200 and not encoded


def test_twenty_viewers_get_frames_that_are_drawn_once(run, encoded):
    with run.flowing(), ExitStack() as stack:
        viewers = [stack.enter_context(closing(Viewer(run))) for _ in range(20)]
        for _ in range(4):
            assert all(pixels(viewer.frame()).shape == (720, 960, 3) for viewer in viewers)
        assert run.page.broadcast.viewers == 20
    numbers = [result.frame.number for result in encoded]
    assert len(numbers) == len(set(numbers))


def test_who_never_reads_slows_nobody_and_is_let_go(run, noise, monkeypatch):
    monkeypatch.setattr(handler.Handler, "timeout", 0.5)
    with run.flowing(noise), closing(Viewer(run)) as viewer:
        with closing(run.connect(STREAM, receive_buffer=4096)):
            assert eventually(lambda: run.page.broadcast.viewers == 2)
            for _ in range(3):
                viewer.frame()
            # Its thread waits for it, while the other one reads on.
            while run.page.broadcast.viewers == 2:
                viewer.frame()
        for _ in range(3):
            viewer.frame()


def test_the_writer_never_waits_for_viewers(run, noise):
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(closing(run.connect(STREAM, receive_buffer=4096)))
        assert eventually(lambda: run.page.broadcast.viewers == 5)
        run.write(noise)
        # All five threads get stuck in sending; a writer that waited for one would get stuck, too.
        writer = threading.Thread(target=lambda: [run.write(noise) for _ in range(500)])
        writer.start()
        writer.join(DEADLINE)
        assert not writer.is_alive()
        assert run.page.broadcast.viewers == 5


def test_who_vanishes_is_forgotten(run, monkeypatch):
    monkeypatch.setattr(handler, "RESEND_SECONDS", 0.05)
    run.write()
    viewer = Viewer(run)
    viewer.frame()
    assert run.page.broadcast.viewers == 1
    viewer.close()
    # No new frame comes: it is noticed all the same.
    assert eventually(lambda: run.page.broadcast.viewers == 0)


def test_the_stream_goes_on_where_frames_stop(run, monkeypatch):
    monkeypatch.setattr(handler, "AGAIN_SECONDS", 0.02)
    monkeypatch.setattr(handler, "RESEND_SECONDS", 0.02)
    run.write()
    with closing(Viewer(run)) as viewer:
        first = viewer.frame()
        assert [viewer.frame() for _ in range(3)] == [first] * 3
        run.write(np.zeros((720, 960, 3), np.uint8))
        assert eventually(lambda: viewer.frame() != first)


def test_one_viewer_too_many_is_told(run):
    run.page.broadcast.max_viewers = 2
    run.write()
    with closing(Viewer(run)), closing(Viewer(run)) as second:
        status, _, body = run.get("/stream.mjpg")
        assert status == 503 and b"2 viewers are watching already" in body
        assert json.loads(run.get("/detections.json")[2])["viewers"] == 2
        second.frame()
    assert eventually(lambda: run.page.broadcast.viewers == 0 or run.write())


def test_json_knows_whose_stream_is_served(run):
    run.write()
    request = b"GET /stream.mjpg?viewer=abc HTTP/1.0\r\nHost: localhost\r\n\r\n"
    with closing(run.connect(request)) as viewer:
        assert viewer.recv(100)
        assert json.loads(run.get("/detections.json?viewer=abc")[2])["watching"] is True
        assert json.loads(run.get("/detections.json?viewer=other")[2])["watching"] is False


def test_connections_are_bounded(run, monkeypatch):
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 2)
    first, second = run.connect(b"GET"), run.connect(b"GET")
    with closing(first), closing(second), closing(run.connect()) as third:
        assert b"503" in third.recv(100)
    assert eventually(lambda: run.get("/")[0] == 200)


def test_who_drips_his_request_is_cut_off(run, monkeypatch):
    monkeypatch.setattr(server, "REQUEST_SECONDS", 0.3)
    with run.flowing(), closing(Viewer(run)) as viewer:
        with closing(run.connect(b"GET / HTTP/1.0\r\n")) as slow, pytest.raises(OSError):
            while viewer.frame():  # each line comes in time for a limit on single reads
                slow.sendall(b"x: y\r\n")
        assert viewer.frame()  # a stream may last longer than a request


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
    other = WebPage(run.context, Address("127.0.0.1", run.port), None)
    with pytest.raises(OSError, match="another program has this port"):
        other.open()
    other.close()


def test_an_address_that_is_not_ours(run):
    with pytest.raises(OSError, match="no address of this computer"):
        WebPage(run.context, Address("192.0.2.1", 0), "t" * 20).open()
    with pytest.raises(OSError, match=r"cannot find nowhere\.invalid"):
        WebPage(run.context, Address("nowhere.invalid", 0), "t" * 20).open()


def test_ipv6(run):
    page = WebPage(run.context, Address("::1", 0), None)
    try:
        page.open()
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    port = int(page.url.rstrip("/").rpartition(":")[2])
    with closing(socket.create_connection(("::1", port), 10)) as viewer:
        viewer.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert viewer.recv(100).startswith(b"HTTP/1.0 503")
    page.close()


def test_no_more_pictures_than_asked_for(encoded):
    pictures = Broadcast(max_fps=1e-3)
    run = Run()
    run.page.broadcast = pictures
    run.write()
    first = pictures.picture()
    run.write()
    assert pictures.picture() is first and len(encoded) == 1
    waiting = threading.Thread(target=lambda: pictures.picture(first.number, 1000))
    waiting.start()
    pictures.close()  # nobody is left waiting for his turn
    waiting.join(30)
    assert not waiting.is_alive()
    run.page.close()


def test_a_mistake_is_said_and_the_page_goes_on(run, monkeypatch, caplog):
    run.write()
    monkeypatch.setattr(broadcast, "draw_detections", lambda *_: 1 / 0)
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
