"""HTTP camera source: an MJPEG stream, a picture a request, or a video for OpenCV."""

from __future__ import annotations

import logging
import reprlib
import ssl
import threading
import time
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse, IncompleteRead, InvalidURL

import numpy as np

from edge_runtime.frame import Frame
from edge_runtime.sources.address import public_source, public_text
from edge_runtime.sources.base import Source, SourceError, SourceOptions
from edge_runtime.sources.diagnosis import why_no_stream
from edge_runtime.sources.http.answers import decode, kind_of_answer, read_picture
from edge_runtime.sources.http.client import CameraClient
from edge_runtime.sources.http.multipart import PictureParts
from edge_runtime.sources.opencv import ASK_SECONDS, MOST_DAMAGED, OPEN_SECONDS, OpenCvCamera
from edge_runtime.sources.pacing import next_wanted
from edge_runtime.sources.turning import turn

log = logging.getLogger(__name__)

SNAPSHOT_FPS = 1.0  # requests a second unless --max-fps says more: many cameras take longer
FIRST_PAUSE = 0.25  # seconds after a request that failed, doubled each time
PATIENCE = 0.8  # of the seconds after which the camera counts as stalled: a reason beats a kill
FAILURES = (OSError, HTTPException, ValueError, SourceError)


class HttpCamera(Source):
    """http:// and https://, told apart by what the camera answers, not by the address.

    A picture: it is asked for again and again, `max_fps` times a second. A stream of them (MJPEG):
    the newest is taken. Anything else is a video, and OpenCV's to read.
    """

    live = True

    def __init__(self, text: str, options: SourceOptions) -> None:
        super().__init__(text, options)
        self._name = public_source(text)
        self._closing = threading.Event()
        self._client: CameraClient | None = None
        self._inner: OpenCvCamera | None = None
        self._images: Iterator[np.ndarray] = iter(())
        self._first: np.ndarray | None = None
        self._iterating = False

    @property
    def dropped(self) -> int:
        """Pictures that were damaged."""
        return self._dropped + (self._inner.dropped if self._inner else 0)

    def open(self) -> None:
        """Returns after the first frame. Raises: SourceError; ImportError for a video without
        OpenCV."""
        self.state = "starting"
        self._client = CameraClient(self.text, OPEN_SECONDS)
        try:
            answer = self._client.get()
            kind = kind_of_answer(answer)
            if kind == "video":
                self._client.close()
                self._inner = OpenCvCamera(self.text, self.options)
                self._inner.open()
            else:
                make = self._stream if kind == "stream" else self._snapshots
                self._images = make(answer)
                first = next(self._images, None)
                if first is None:
                    raise SourceError("it gives no picture: the stream ended at once")
                self._first = first
        except FAILURES as error:
            self.close()
            raise SourceError(self._why(error)) from error
        self.state = "running"

    def __iter__(self) -> Iterator[Frame]:
        if self._inner is not None:
            yield from self._inner
            return
        number = 0
        image, self._first = self._first, None
        self._iterating = True
        try:
            while image is not None and not self._closing.is_set():
                now = time.monotonic()
                image = turn(image, self.options.rotate, self.options.mirror)
                height, width = image.shape[:2]
                yield Frame((height, width), now, time.time(), number, image)
                number += 1
                image = next(self._images, None)
            if not self._closing.is_set():
                raise SourceError("the stream ended; switched off or out of reach?")
        except FAILURES as error:
            if not self._closing.is_set():  # else `close` has cut the line
                raise SourceError(f"it stopped delivering: {self._why(error)}") from error
        finally:
            if self._client is not None:
                self._client.close()
            self.state = "closed" if self._closing.is_set() else "ended"

    def close(self) -> None:
        self._closing.set()
        if self._client is not None:
            self._client.interrupt()
            if not self._iterating:  # else the iteration does it, in its thread
                self._client.close()
        if self._inner is not None:
            self._inner.close()
        self.state = "closed"

    def _stream(self, answer: HTTPResponse) -> Iterator[np.ndarray]:
        """Pictures of an MJPEG stream, as many as are wanted."""
        interval = 1 / self.options.max_fps if self.options.max_fps else 0.0
        due, damaged = 0.0, 0
        for data in PictureParts(answer.read1):
            now = time.monotonic()
            if now < due:  # taken from the camera all the same: else its buffer would age
                continue
            image = decode(data)
            damaged = damaged + 1 if image is None else 0
            if image is not None:
                due = next_wanted(due, now, interval)
                yield image
            else:
                self._dropped += 1
            if damaged == MOST_DAMAGED:
                raise SourceError(f"{damaged} pictures in a row are damaged")

    def _snapshots(self, answer: HTTPResponse) -> Iterator[np.ndarray]:
        """A picture a request, for ever; the first answer is there. Single failures are got over:
        where they last, it is for the supervisor to wait and to say so."""
        assert self._client is not None  # `open` has made it
        patience = self.options.stall_after
        interval = min(1 / SNAPSHOT_FPS, patience / 2)
        if self.options.max_fps:
            interval = 1 / self.options.max_fps
        image = read_picture(answer)
        self._client.close()  # a few leave the line open, or go on sending
        yield image
        self._client.seconds = min(OPEN_SECONDS, PATIENCE * patience)
        due = last = time.monotonic()
        pause = FIRST_PAUSE
        while not self._closing.is_set():
            due = max(due + interval, time.monotonic())
            self._closing.wait(due - time.monotonic())
            try:
                image = read_picture(self._client.get())
                self._client.close()
            except FAILURES as error:
                self._dropped += 1
                due = time.monotonic() + pause - interval
                if due + interval - last > PATIENCE * (patience + interval):
                    raise SourceError(self._why(error)) from error
                log.info("%s: %s", self._name, public_text(str(error)))
                pause *= 2
                continue
            pause, last = FIRST_PAUSE, time.monotonic()
            yield image

    def _why(self, error: BaseException) -> str:
        if isinstance(error, SourceError):
            return str(error)
        if isinstance(error, ssl.SSLError):
            return f"it does not speak TLS as we do ({error}); http:// may do"
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            asked = self.text if self._client is None else self._client.asked
            return why_no_stream(asked, ASK_SECONDS)
        if isinstance(error, IncompleteRead):
            return "it gives no picture: its answer breaks off"
        if isinstance(error, HTTPException) and not isinstance(error, InvalidURL):
            return f"it gives no picture: its answer is no HTTP ({reprlib.repr(str(error))})"
        return f"it gives no picture: {str(error) or type(error).__name__}"
