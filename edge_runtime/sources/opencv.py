"""OpenCV sources: webcams and network cameras, and the base that video files share."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

from edge_runtime.frame import Frame
from edge_runtime.media.opencv_paths import opencv_path
from edge_runtime.sources.address import check_address, public_source
from edge_runtime.sources.base import Source, SourceError, SourceOptions
from edge_runtime.sources.diagnosis import RTSP_VARIABLE, why_no_device, why_no_stream
from edge_runtime.sources.pacing import next_wanted
from edge_runtime.sources.turning import turn_with_opencv, turned_hw
from edge_runtime.system.optional_imports import require

log = logging.getLogger(__name__)

USUAL_SIZE_WH = (1280, 720)
# In all less than the capture process is given for its first frame: a reason beats a kill.
OPEN_SECONDS = 8.0  # some network cameras wake up first
READ_SECONDS = 8.0  # a stream is entered between two whole pictures, which may be far apart
ASK_SECONDS = 2.0  # why it does not open
MOST_DAMAGED = 10  # frames in a row; a webcam's first ones often are


def retrieve(cv2: ModuleType, capture: Any, options: SourceOptions) -> np.ndarray | None:
    """The frame that was grabbed last, as (H, W, 3) RGB uint8 of its own memory, turned as the
    options say. Returns: None where the frame is damaged."""
    try:
        whole, bgr = capture.retrieve()
        if not whole:
            return None
        rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    except cv2.error:  # what a webcam sends over a bad cable is not always a JPEG
        return None
    return turn_with_opencv(cv2, rgb, options.rotate, options.mirror)


class OpenCvSource(Source):
    """A source that reads a `cv2.VideoCapture`.

    `open` sets `_capture`; the iteration takes it, and alone releases it: OpenCV crashes when that
    happens under a read. `close` only says so.
    """

    def __init__(self, text: str, options: SourceOptions) -> None:
        super().__init__(text, options)
        self._closing = threading.Event()
        self._capture: Any = None

    def close(self) -> None:
        self._closing.set()
        self._capture = None  # gone by this where nothing iterates
        self.state = "closed"

    def _take(self) -> Any:
        """The capture, for the thread that iterates; None after `close`."""
        capture, self._capture = self._capture, None
        return capture

    def _let_go(self, capture: Any) -> None:
        """Call at the end of the iteration, in its thread."""
        if capture is not None:
            capture.release()
        self.state = "closed" if self._closing.is_set() else "ended"


class OpenCvCamera(OpenCvSource):
    """usb:N, /dev/videoN, rtsp://, and http:// for a video.

    It always delivers the whole image: only a camera's own processor shrinks for nothing.
    A read that hangs cannot be ended by `close`: run it in a process that can be killed.
    """

    live = True

    def __init__(self, text: str, options: SourceOptions) -> None:
        super().__init__(text, options)
        (check_address if "://" in text else opencv_path)(text)
        self._name = public_source(text)

    def open(self) -> None:
        """Returns after the first frame, for which a stream may take OPEN_SECONDS + READ_SECONDS.

        Raises: SourceError, which leaves it to `SupervisedSource` to say whose fault it is;
            ImportError.
        """
        self._cv2 = require("cv2", "opencv")
        self.state = "starting"
        is_stream = "://" in self.text
        capture = self._open_stream() if is_stream else self._open_device()
        # isOpened() is true of devices that cannot deliver: only a frame tells.
        image = self._first(capture) if capture.isOpened() else None
        if image is None:
            capture.release()
            self.state = "closed"
            why = why_no_stream(self.text, ASK_SECONDS) if is_stream else why_no_device(self.text)
            raise SourceError(why)
        self._check_size(image)
        self._capture = capture
        self.state = "running"

    def __iter__(self) -> Iterator[Frame]:
        capture = self._take()
        number = damaged = 0
        interval = 1 / self.options.max_fps if self.options.max_fps else 0.0
        due = 0.0
        try:
            while capture is not None and not self._closing.is_set():
                if not capture.grab() or damaged == MOST_DAMAGED:
                    raise SourceError(
                        "it stopped delivering; unplugged, switched off or out of reach?"
                    )
                now = time.monotonic()
                if now < due:  # taken from the camera all the same: else its buffer would age
                    continue
                image = retrieve(self._cv2, capture, self.options)
                if image is None:
                    self._dropped += 1
                    damaged += 1
                    continue
                damaged = 0
                due = next_wanted(due, now, interval)
                height, width = image.shape[:2]
                yield Frame((height, width), now, time.time(), number, image)
                number += 1
        finally:
            self._let_go(capture)

    def _open_device(self) -> Any:
        cv2 = self._cv2
        capture = cv2.VideoCapture()
        kind, _, number = self.text.partition(":")
        device = int(number) if kind == "usb" else opencv_path(self.text)
        if capture.open(device, cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY):
            width, height = self.options.size_wh or USUAL_SIZE_WH
            if width * height > 640 * 480:  # raw, USB 2 has room for 5 frames a second of 1280x720
                capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter_fourcc(*"MJPG"))
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
            # One is filled while the other is read; with a single one, USB loses every other frame.
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 2)
        return capture

    def _open_stream(self) -> Any:
        cv2 = self._cv2
        if self.text.startswith("rtsp"):  # over UDP, pictures smear with every packet lost
            os.environ.setdefault(RTSP_VARIABLE, "rtsp_transport;tcp")
        read_seconds = max(READ_SECONDS, self.options.stall_after)
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(1000 * OPEN_SECONDS)]
        limits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(1000 * read_seconds)]
        capture = cv2.VideoCapture()
        capture.open(self.text, cv2.CAP_FFMPEG, limits)
        return capture

    def _first(self, capture: Any) -> np.ndarray | None:
        for _ in range(MOST_DAMAGED):
            if not capture.grab():
                break
            image = retrieve(self._cv2, capture, self.options)
            if image is not None:
                return image
        return None

    def _check_size(self, image: np.ndarray) -> None:
        height, width = turned_hw((image.shape[0], image.shape[1]), self.options.rotate)
        log.info("%s delivers %dx%d", self._name, width, height)
        wanted = self.options.size_wh
        if wanted is not None and wanted != (width, height):
            log.warning(
                "%s does not offer %dx%d, it delivers %dx%d",
                *(self._name, *wanted, width, height),
            )
