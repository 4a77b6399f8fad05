"""Streams and webcams through OpenCV: the streams are real, the webcams are not there."""

import base64
import http.server
import io
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_runtime.sources import opencv
from edge_runtime.sources.base import SourceError, SourceOptions
from edge_runtime.sources.factory import kind_of, open_source
from edge_runtime.sources.opencv import OpenCvCamera
from tests.conftest import ROOT
from tests.edge_runtime.sources.numbered_video import draw, read_number

BOUNDARY = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
LOGIN = "Basic " + base64.b64encode(b"user:secret").decode()
SYSTEM_PYTHON = Path("/usr/bin/python3")


def options(**others) -> SourceOptions:
    return SourceOptions(input_hw=(32, 48), **others)


@pytest.fixture(autouse=True)
def _opencv(monkeypatch):
    pytest.importorskip("cv2", exc_type=ImportError, reason="the extra `opencv` is not installed")
    # What a source sets for OpenCV must not reach the next test.
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")


class Camera(http.server.ThreadingHTTPServer):
    """Serves numbered JPEGs at /endless, /short (12, then the line breaks) and /hangs (12, then
    nothing more comes); /login is the first for user and secret."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Stream)
        self.over = threading.Event()

    def handle_error(self, request, client_address) -> None:
        """A viewer that leaves is no error."""


class Stream(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/login" and self.headers.get("Authorization") != LOGIN:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        if self.path not in ("/endless", "/short", "/hangs", "/login"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for number in range(12 if self.path in ("/short", "/hangs") else 10**6):
            jpeg = encode(number % 256)
            self.wfile.write(BOUNDARY % len(jpeg) + jpeg + b"\r\n")
            if self.server.over.wait(0.02):
                return
        if self.path == "/hangs":
            self.server.over.wait()

    def log_message(self, *_) -> None:
        pass


def encode(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw(number)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.fixture
def address():
    """http://127.0.0.1:PORT of a `Camera`."""
    server = Camera()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_http_frames_in_order_and_in_color(address):
    with OpenCvCamera(f"{address}/endless", options()) as source:
        assert source.live and source.state == "running"
        frames = iter(source)
        seen = [next(frames) for _ in range(6)]
        frames.close()
    numbers = [read_number(frame.image) for frame in seen]
    assert numbers == list(range(numbers[0], numbers[0] + 6))
    assert [frame.number for frame in seen] == list(range(6))
    times = [frame.captured_at for frame in seen]
    assert times == sorted(times) and abs(times[-1] - time.monotonic()) < 60
    assert abs(seen[-1].time - time.time()) < 60
    assert seen[0].hw == (64, 128) and seen[0].image.flags.c_contiguous
    assert np.abs(seen[0].image[10, 10].astype(int) - (200, 0, 0)).max() < 16


def test_upside_down(address):
    with OpenCvCamera(f"{address}/endless", options(rotate=180)) as source:
        frame = next(iter(source))
    assert np.abs(frame.image[-10, -10].astype(int) - (200, 0, 0)).max() < 16


def test_frames_that_are_not_wanted_are_taken_from_the_camera(address):
    with OpenCvCamera(f"{address}/endless", options(max_fps=10)) as source:
        frames = iter(source)
        numbers = [read_number(next(frames).image) for _ in range(4)]
        frames.close()
    # 50 a second come: a reader that only waited would find 0, 1, 2, 3 in the buffer.
    assert numbers[-1] - numbers[0] > 6
    assert source.dropped == 0  # nobody wanted them


def test_a_stream_that_breaks_off(address):
    seen = []
    with (
        OpenCvCamera(f"{address}/short", options()) as source,
        pytest.raises(SourceError, match="it stopped delivering; unplugged"),
    ):
        seen.extend(read_number(frame.image) for frame in source)
    assert seen[-1] == 11 and source.state == "closed"


def test_a_stream_that_breaks_off_is_taken_up_again(address):
    with open_source(f"{address}/short", options()) as source:
        for frame in source:
            assert 0 <= read_number(frame.image) < 12
            if source.restarts:
                break
    assert source.restarts == 1


def test_a_stream_that_hangs(address, monkeypatch):
    monkeypatch.setattr(opencv, "READ_SECONDS", 1.0)
    seen = []
    with (
        OpenCvCamera(f"{address}/hangs", options(stall_after=0.5)) as source,
        pytest.raises(SourceError, match="it stopped delivering"),
    ):
        seen.extend(read_number(frame.image) for frame in source)
    assert seen and seen == list(range(seen[0], seen[-1] + 1))


def test_closing_while_another_thread_reads(address):
    source = OpenCvCamera(f"{address}/endless", options())
    source.open()
    first = threading.Event()
    reader = threading.Thread(target=lambda: [first.set() for _ in source])
    reader.start()
    assert first.wait(10)
    source.close()
    reader.join(10)
    assert not reader.is_alive() and source.state == "closed"


def test_a_login(address):
    url = f"{address}/login".replace("//", "//user:secret@")
    with OpenCvCamera(url, options()) as source:
        next(iter(source))
    with pytest.raises(SourceError, match="check path, user and password") as caught:
        OpenCvCamera(url.replace("secret", "wrong"), options()).open()
    assert "wrong" not in str(caught.value)


def test_a_path_that_is_not_there(address):
    with pytest.raises(SourceError, match=r"answers at port \d+, but gives no video; check path"):
        OpenCvCamera(f"{address}/nowhere", options()).open()


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_nobody_listens(scheme):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(SourceError, match=f"127.0.0.1 refuses port {port}") as caught:
            OpenCvCamera(f"{scheme}://user:secret@127.0.0.1:{port}/x", options()).open()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("users", [None, "rtsp_transport;udp"])
def test_rtsp_goes_over_tcp_unless_the_user_says_otherwise(monkeypatch, users):
    variable = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
    monkeypatch.delenv(variable)
    if users is not None:
        monkeypatch.setenv(variable, users)
    with pytest.raises(SourceError):
        OpenCvCamera("rtsp://127.0.0.1:1/x", options()).open()
    assert os.environ[variable] == (users or "rtsp_transport;tcp")


def test_a_server_that_never_answers(monkeypatch):
    monkeypatch.setattr(opencv, "OPEN_SECONDS", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(SourceError, match=r"gives no video.*OPTIONS='rtsp_transport;udp'"):
            OpenCvCamera(f"rtsp://127.0.0.1:{silent.getsockname()[1]}/x", options()).open()


@pytest.mark.parametrize("text", ["usb:99", "/dev/video99"])
def test_no_such_camera(text):
    with pytest.raises(SourceError, match=r"^there is no /dev/video99; ") as caught:
        OpenCvCamera(text, options()).open()
    assert "--source picamera2" in str(caught.value) or "there are /dev/video" in str(caught.value)


class Webcam:
    """Stands for cv2.VideoCapture of a webcam, which this machine cannot have: what is asked of it,
    and frames that may be damaged."""

    def __init__(self, frames: list) -> None:
        self.frames = frames  # True, False (damaged); the end: nothing more comes
        self.asked = []
        self.released = False

    def open(self, *where) -> bool:
        self.asked.append(where)
        return True

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def set(self, what, value) -> bool:
        self.asked.append((what, value))
        return True

    def grab(self) -> bool:
        return bool(self.frames)

    def retrieve(self):
        whole = self.frames.pop(0)
        return whole, np.zeros((480, 640, 3), np.uint8) if whole else None

    def release(self) -> None:
        self.released = True


def webcam(monkeypatch, frames, **others) -> tuple[Webcam, OpenCvCamera]:
    import cv2

    stand_in = Webcam(frames)
    monkeypatch.setattr(cv2, "VideoCapture", lambda: stand_in)
    return stand_in, OpenCvCamera("usb:3", options(**others))


@pytest.mark.parametrize(
    ("size", "expected", "compressed"),
    [
        (None, (1280, 720), True),
        ((640, 480), (640, 480), False),
        ((1920, 1080), (1920, 1080), True),
    ],
)
def test_what_a_webcam_is_asked_for(monkeypatch, size, expected, compressed):
    import cv2

    stand_in, source = webcam(monkeypatch, [True], size_wh=size)
    source.open()
    backend = cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY
    assert stand_in.asked[0] == (3, backend)
    asked = dict(stand_in.asked[1:])
    assert (asked[cv2.CAP_PROP_FRAME_WIDTH], asked[cv2.CAP_PROP_FRAME_HEIGHT]) == expected
    assert (asked.get(cv2.CAP_PROP_FOURCC) == cv2.VideoWriter_fourcc(*"MJPG")) == compressed


def test_a_size_that_the_webcam_has_not_is_said(monkeypatch, caplog):
    with caplog.at_level(logging.INFO):
        webcam(monkeypatch, [True], size_wh=(800, 600))[1].open()
    assert "usb:3 does not offer 800x600, it delivers 640x480" in caplog.text
    caplog.clear()
    webcam(monkeypatch, [True])[1].open()
    assert "does not offer" not in caplog.text


def test_a_webcam_that_is_open_but_delivers_nothing(monkeypatch):
    for frames in ([], [False] * 50):
        stand_in, source = webcam(monkeypatch, frames)
        with pytest.raises(SourceError, match="/dev/video3"):
            source.open()
        assert stand_in.released and source.state == "closed"


def test_damaged_frames_of_a_webcam_are_dropped(monkeypatch):
    frames = [False, True, *[True, False, False] * 3]  # the first two go into opening
    stand_in, source = webcam(monkeypatch, frames)
    seen = []
    with source, pytest.raises(SourceError, match="stopped delivering"):
        seen.extend(frame.number for frame in source)
    assert seen == [0, 1, 2] and source.dropped == 6 and stand_in.released


def test_a_webcam_with_nothing_but_damaged_frames_any_more(monkeypatch):
    _, source = webcam(monkeypatch, [True] + [False] * 1000)
    with source, pytest.raises(SourceError, match="stopped delivering"):
        list(source)
    assert source.dropped == opencv.MOST_DAMAGED


def test_without_opencv_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ImportError, match=r"pip install 'opencv-python.*\(the extra `opencv`\)"):
        OpenCvCamera("usb:0", options()).open()


def test_a_camera_by_its_lasting_name():
    assert kind_of("/dev/v4l/by-id/usb-HD_Webcam-video-index0").live


@contextmanager
def rtsp_server():
    """Yields: the port of tests/doubles/rtsp_server.py, and its process."""
    if not SYSTEM_PYTHON.exists():
        pytest.skip("no /usr/bin/python3 for GStreamer's RTSP server")
    command = [str(SYSTEM_PYTHON), str(ROOT / "tests" / "doubles" / "rtsp_server.py")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        try:
            port = process.stdout.readline().strip()
            if not port:
                reason = process.stderr.read().strip().splitlines()[-1]
                pytest.skip(f"GStreamer's RTSP server is not installed: {reason}")
            yield int(port), process
        finally:
            process.kill()


@pytest.mark.parametrize("codec", ["h264", "mjpeg"])
def test_rtsp_and_a_server_that_goes_away(codec):
    with rtsp_server() as (port, process):
        url = f"rtsp://user:secret@127.0.0.1:{port}/{codec}"
        with OpenCvCamera(url, options()) as source:
            frames = iter(source)
            seen = [next(frames) for _ in range(5)]
            process.kill()
            with pytest.raises(SourceError, match="stopped delivering") as caught:
                list(frames)
    assert "secret" not in str(caught.value)
    assert seen[0].hw == (240, 320)
    red = seen[-1].image.reshape(-1, 3).mean(axis=0)
    assert red[0] > 200 and red[1] < 40 and red[2] < 40
