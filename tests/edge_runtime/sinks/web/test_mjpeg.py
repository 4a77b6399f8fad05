"""Viewers of the live picture, quick, slow and gone: real sockets."""

import json
import threading
import time
from contextlib import ExitStack, closing

import numpy as np
import pytest

from edge_runtime.media.draw import class_color
from edge_runtime.sinks.web import handler, mjpeg
from edge_runtime.sinks.web.mjpeg import MjpegStream
from tests.edge_runtime.sinks.web.fixtures import (
    BOXES,
    DEADLINE,
    GROUND,
    STREAM,
    Run,
    Viewer,
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
    results, real = [], mjpeg.annotated_jpeg
    monkeypatch.setattr(
        mjpeg, "annotated_jpeg", lambda result: results.append(result) or real(result)
    )
    return results


@pytest.fixture(name="noise")
def noise_fixture():
    """An image whose JPEG is larger than what the system buffers for a viewer in a while."""
    return np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)


def test_a_viewer_sees_the_frame_and_its_boxes(run):
    with run.flowing(), closing(Viewer(run)) as viewer:
        assert b"200" in viewer.status
        image = pixels(viewer.frame())
    assert image.shape == (720, 960, 3)
    assert np.abs(image[700, 10].astype(int) - GROUND).max() < 12
    for class_id, (left, top, _, bottom) in enumerate(BOXES):
        line = image[(top + bottom) // 2, left + 1].astype(int)
        assert np.abs(line - class_color(class_id)).max() < 60  # JPEG frays thin lines


def test_nothing_is_drawn_without_a_viewer(run, encoded):
    for _ in range(5):
        run.write()
    assert run.get("/detections.json")[0] == 200 and not encoded


def test_twenty_viewers_get_frames_that_are_drawn_once(run, encoded):
    with run.flowing(), ExitStack() as stack:
        viewers = [stack.enter_context(closing(Viewer(run))) for _ in range(20)]
        for _ in range(4):
            assert all(pixels(viewer.frame()).shape == (720, 960, 3) for viewer in viewers)
        assert run.page.mjpeg.viewers == 20
    numbers = [result.frame.number for result in encoded]
    assert len(numbers) == len(set(numbers))


def test_who_never_reads_slows_nobody_and_is_let_go(run, noise, monkeypatch):
    monkeypatch.setattr(handler.Handler, "timeout", 0.5)
    with run.flowing(noise), closing(Viewer(run)) as viewer:
        with closing(run.connect(STREAM, receive_buffer=4096)):
            assert eventually(lambda: run.page.mjpeg.viewers == 2)
            for _ in range(3):
                viewer.frame()
            # Its thread waits for it, while the other one reads on.
            while run.page.mjpeg.viewers == 2:
                viewer.frame()
        for _ in range(3):
            viewer.frame()


def test_who_reads_slowly_gets_new_frames_and_not_all_of_them(run, noise):
    with run.flowing(noise, seconds=0.02), closing(Viewer(run, 4096)) as viewer:
        viewer.frame()
        before = run.stats.snapshot().results
        assert eventually(lambda: run.stats.snapshot().results > before + 30)  # not read meanwhile
        returned = time.time()
        frames = 0
        while not frames or viewer.time < returned:
            viewer.frame()
            frames += 1
    assert frames <= 5  # what was on its way, not what was seen


def test_a_frame_says_when_it_was_taken(run, monkeypatch):
    before = time.time()
    run.write()
    with closing(Viewer(run)) as viewer:
        assert viewer.headers["X-Accel-Buffering"] == "no"
        viewer.frame()
        first = viewer.time
        viewer.frame()  # the same again
        assert before - 0.01 <= first == viewer.time <= time.time()
    assert float(run.get("/snapshot.jpg")[1]["X-Timestamp"]) == first
    assert json.loads(run.get("/detections.json")[2])["time"] >= first


def test_a_clock_that_is_set_makes_no_frame_old(run, monkeypatch):
    run.write()
    later = time.time() + 1e6  # set since the capture
    monkeypatch.setattr(mjpeg.time, "time", lambda: later)
    assert abs(run.page.mjpeg.frame().time - later) < 100


def test_the_writer_never_waits_for_viewers(run, noise):
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(closing(run.connect(STREAM, receive_buffer=4096)))
        assert eventually(lambda: run.page.mjpeg.viewers == 5)
        run.write(noise)
        # All five threads get stuck in sending; a writer that waited for one would get stuck, too.
        writer = threading.Thread(target=lambda: [run.write(noise) for _ in range(500)])
        writer.start()
        writer.join(DEADLINE)
        assert not writer.is_alive()
        assert run.page.mjpeg.viewers == 5


def test_who_vanishes_is_forgotten(run, monkeypatch):
    monkeypatch.setattr(handler, "RESEND_SECONDS", 0.05)
    run.write()
    viewer = Viewer(run)
    viewer.frame()
    assert run.page.mjpeg.viewers == 1
    viewer.close()
    # No new frame comes: it is noticed all the same.
    assert eventually(lambda: run.page.mjpeg.viewers == 0)


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
    run.page.mjpeg.max_viewers = 2
    run.write()
    with closing(Viewer(run)), closing(Viewer(run)) as second:
        status, _, body = run.get("/stream.mjpg")
        assert status == 503 and b"2 viewers are watching already" in body
        assert json.loads(run.get("/detections.json")[2])["viewers"] == 2
        second.frame()
    assert eventually(lambda: run.page.mjpeg.viewers == 0 or run.write())


def test_json_knows_whose_stream_is_served(run):
    run.write()
    request = b"GET /stream.mjpg?viewer=abc HTTP/1.0\r\nHost: localhost\r\n\r\n"
    with closing(run.connect(request)) as viewer:
        assert viewer.recv(100)
        assert json.loads(run.get("/detections.json?viewer=abc")[2])["watching"] is True
        assert json.loads(run.get("/detections.json?viewer=other")[2])["watching"] is False


def test_no_more_frames_than_asked_for(encoded):
    stream = MjpegStream(max_fps=1e-3)
    run = Run()
    run.page.mjpeg = stream
    run.write()
    first = stream.frame()
    run.write()
    assert stream.frame() is first and len(encoded) == 1
    waiting = threading.Thread(target=lambda: stream.frame(first.number, 1000))
    waiting.start()
    stream.close()  # nobody is left waiting for his turn
    waiting.join(30)
    assert not waiting.is_alive()
    run.page.close()
