"""A web page with a run of known results behind it, and viewers made of bare sockets."""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from contextlib import contextmanager
from unittest import mock

import numpy as np
from PIL import Image

from edge_runtime.detector.detections import Detections
from edge_runtime.frame import Frame, Result
from edge_runtime.pipeline.stats import Stats
from edge_runtime.sinks.base import Context
from edge_runtime.sinks.web import server
from edge_runtime.sinks.web.address import Address
from edge_runtime.sinks.web.sink import WebSink
from edge_runtime.sources.base import Source, SourceOptions

DEADLINE = 30.0  # seconds until something that must happen counts as not happening
NAMES = ("cat", "dog <b>")
BOXES = ((60, 90, 360, 450), (540, 180, 900, 600))
GROUND = (60, 80, 120)


class RunningSource(Source):
    """As much of a source as `Stats` looks at."""

    state = "running"


class Run:
    """A page on a free port, and the results that it shows."""

    def __init__(self, token=None, port=0, host="127.0.0.1", frame_origins=()):
        self.stats = Stats(RunningSource("usb:0", SourceOptions((32, 48))))
        self.context = Context("models/pets.tflite", NAMES, "usb:0", snapshot=self.stats.snapshot)
        self.page = WebSink(Address(host, port), token, frame_origins=frame_origins)
        with mock.patch.object(server, "POLL_SECONDS", 0.02):  # closing takes no longer
            self.page.open(self.context)
        self.port = int(self.page.url.rstrip("/").rpartition(":")[2])
        self._number = 0

    def write(self, image=None):
        """One more result, the same two boxes in each."""
        if image is None:
            image = np.full((720, 960, 3), GROUND, np.uint8)
        found = Detections(np.array(BOXES), np.array([0.9, 0.6]), np.array([0, 1]), NAMES)
        frame = Frame(image.shape[:2], time.monotonic(), time.time(), self._number, image)
        result = Result(frame, found, {"inference": 5.0}, 0.0625)
        self._number += 1
        self.stats.add(result)
        self.page.write(result)

    @contextmanager
    def flowing(self, image=None, seconds=0.05):
        """Results all the time, from a thread."""
        stop = threading.Event()

        def flow():
            while not stop.wait(seconds):
                self.write(image)

        thread = threading.Thread(target=flow)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def get(self, path, method="GET", headers=None, body=None):
        """Status, headers, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return reply.status, reply.headers, reply.read()
        finally:
            connection.close()

    def connect(self, request=b"", receive_buffer=None):
        """A socket that has sent `request`."""
        viewer = socket.socket()
        if receive_buffer is not None:
            viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        viewer.settimeout(DEADLINE)
        viewer.connect(("127.0.0.1", self.port))
        viewer.sendall(request)
        return viewer


STREAM = b"GET /stream.mjpg HTTP/1.0\r\nHost: localhost\r\n\r\n"


class Viewer:
    """Reads the frames of a stream.

    Attributes:
        time: that the last frame says of its capture.
    """

    def __init__(self, run, receive_buffer=None):
        self.socket = run.connect(STREAM, receive_buffer)
        self._file = self.socket.makefile("rb")
        self.status = self._file.readline()
        self.headers = http.client.parse_headers(self._file)

    def frame(self):
        """The next JPEG file."""
        assert self._file.readline() == b"--edge-runtime-frame\r\n"
        headers = http.client.parse_headers(self._file)
        self.time = float(headers["X-Timestamp"])
        jpeg = self._file.read(int(headers["Content-Length"]))
        assert self._file.read(2) == b"\r\n"
        return jpeg

    def close(self):
        self._file.close()
        self.socket.close()


def ended(connection):
    """Whether the other end closes, now or within the deadline; what still comes is thrown away."""
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionError:
        pass  # a reset is an end as well
    return True


def pixels(jpeg):
    """(H, W, 3) of an image file."""
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))


def eventually(condition):
    """Waits until it is so. Returns: whether it was before the deadline."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
