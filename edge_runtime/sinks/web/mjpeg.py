"""MJPEG stream: the newest annotated frame, encoded once for all viewers."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from PIL import Image

from edge_runtime.frame import Result
from edge_runtime.media.draw import draw_detections
from edge_runtime.sinks.base import whole_image

JPEG_QUALITY = 80  # half the bytes of 95, and labels stay sharp
VIEW_WH = (1920, 1920)  # more than a page shows; to encode 4K takes longer than the detector
MAX_VIEWERS = 30  # each costs a thread and, at 15 frames/s of 1280x720, some 15 Mbit/s


class TooManyViewersError(Exception):
    """Refusal of one more viewer: all places are taken."""


class JpegFrame(NamedTuple):
    """One frame of the stream, a JPEG file.

    Attributes:
        number: rises from 1, with gaps.
        time: of its capture, seconds since 1970 by the clock at its encoding: a Pi sets its clock
            some time after the start.
    """

    number: int
    jpeg: bytes
    time: float = 0.0


class MjpegStream:
    """Keeps the newest result; draws and encodes it once, and only if somebody asks.

    The first viewer that wants a frame encodes it in its own thread and the others take the same
    bytes, so `put` does nothing but keep a reference, and without a viewer nothing is drawn.
    """

    def __init__(self, max_fps: float = 15.0, max_viewers: int = MAX_VIEWERS) -> None:
        """max_fps: frames encoded a second at most."""
        self.max_viewers = max_viewers
        self._interval = 1 / max_fps
        self._changed = threading.Condition()
        self._newest: Result | None = None
        self._number = 0
        self._closed = False
        self._viewers: list[str] = []
        self._encoding = threading.Lock()
        self._frame = JpegFrame(0, b"")
        self._due = float("-inf")

    def put(self, result: Result) -> None:
        """Offer the newest result. Never waits for a viewer."""
        with self._changed:
            self._newest = result
            self._number += 1
            self._changed.notify_all()

    def close(self) -> None:
        """End the stream for all viewers: `frame` no longer waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """True if the stream has ended."""
        return self._closed

    @property
    def newest(self) -> Result | None:
        """The result that the next frame will show."""
        return self._newest

    def frame(self, after: int = 0, timeout: float = 0.0) -> JpegFrame | None:
        """The newest frame above number `after`, at most one interval of `max_fps` old.

        Returns: None where none comes within `timeout` seconds, or after `close`.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._number > after, timeout)
            if self._closed or self._number <= after:
                return None
        with self._encoding:
            if self._frame.number <= after:
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, self._due - time.monotonic())
            if time.monotonic() >= self._due:
                self._encode()
            return None if self._closed else self._frame

    def _encode(self) -> None:
        with self._changed:
            number, result = self._number, self._newest
        if number != self._frame.number and result is not None:
            self._due = time.monotonic() + self._interval
            captured = time.time() - (time.monotonic() - result.frame.captured_at)
            self._frame = JpegFrame(number, annotated_jpeg(result), captured)

    @contextmanager
    def viewer(self, name: str = "") -> Iterator[None]:
        """A place among the viewers. Raises: TooManyViewersError."""
        with self._changed:
            if len(self._viewers) >= self.max_viewers:
                raise TooManyViewersError
            self._viewers.append(name)
        try:
            yield
        finally:
            with self._changed:
                self._viewers.remove(name)

    @property
    def viewers(self) -> int:
        """Number of viewers now."""
        return len(self._viewers)

    def has_viewer(self, name: str) -> bool:
        """True if a stream that was asked for under this name is served."""
        with self._changed:
            return name in self._viewers


def annotated_jpeg(result: Result) -> bytes:
    """The whole image of a result with its boxes, at most of VIEW_WH, as a JPEG file."""
    result = result.fitted(VIEW_WH)
    file = io.BytesIO()
    drawn = draw_detections(whole_image(result.frame), result.detections)
    Image.fromarray(drawn).save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()
