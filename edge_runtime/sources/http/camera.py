"""HTTP camera source: an MJPEG stream, a picture a request, or a video for OpenCV."""

from __future__ import annotations

import io
import logging
import ssl
import threading
import time
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from pathlib import Path

import numpy as np
from PIL import Image

from edge_runtime.frame import Frame
from edge_runtime.media.orientation import find_orientation, turn_upright
from edge_runtime.media.picture_rows import JPEG_START
from edge_runtime.sources.address import public_source, public_text
from edge_runtime.sources.base import Source, SourceError, SourceOptions
from edge_runtime.sources.diagnosis import why_no_stream
from edge_runtime.sources.http.client import CameraClient
from edge_runtime.sources.http.multipart import CHUNK_BYTES, MOST_BYTES, PictureParts
from edge_runtime.sources.opencv import ASK_SECONDS, MOST_DAMAGED, OPEN_SECONDS, OpenCvCamera
from edge_runtime.sources.pacing import next_wanted
from edge_runtime.sources.turning import turn

log = logging.getLogger(__name__)

SNAPSHOT_FPS = 1.0  # requests a second unless --max-fps says more: many cameras take longer
FIRST_PAUSE = 0.25  # seconds after a request that failed, doubled each time
PATIENCE = 0.8  # of the seconds after which the camera counts as stalled: a reason beats a kill
MOST_PIXELS = 50_000_000  # of a picture: 8K has 33 million
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "GIF")
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
            kind = _kind(answer)
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
        yield _read_picture(answer)
        self._client.seconds = min(OPEN_SECONDS, PATIENCE * patience)
        due = last = time.monotonic()
        pause = FIRST_PAUSE
        while not self._closing.is_set():
            due = max(due + interval, time.monotonic())
            self._closing.wait(due - time.monotonic())
            try:
                image = _read_picture(self._client.get())
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
        return f"it gives no picture: {str(error) or type(error).__name__}"


def decode(data: bytes) -> np.ndarray | None:
    """(H, W, 3) RGB uint8, upright, of a picture's bytes; None for what is none, or damaged."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                return None
            turned = image.format in ("JPEG", "MPO")
            orientation = find_orientation(image, Path()) if turned else 1
            rgb = image if image.mode == "RGB" else image.convert("RGB")
            return np.asarray(turn_upright(rgb, orientation))
    except MemoryError:
        raise
    except Exception:  # by damaged bytes Pillow can be made to raise nearly anything
        return None


def _kind(answer: HTTPResponse) -> str:
    """ "stream", "snapshot" or "video", by the Content-Type, and where that says nothing by the
    first bytes."""
    kind = answer.headers.get_content_maintype() if "Content-Type" in answer.headers else ""
    if kind == "multipart":
        return "stream"
    if kind == "image":
        return "snapshot"
    if answer.headers.get_content_type() in ("application/octet-stream", "text/plain"):
        begin = answer.peek(len(JPEG_START))
        if begin.startswith(JPEG_START):
            return "snapshot"
        if begin.startswith(b"--"):
            return "stream"
    if kind == "text":
        raise SourceError(
            f"it answers with a page ({answer.headers.get_content_type()}), not a picture; check "
            "path, user and password"
        )
    return "video"


def _read_picture(answer: HTTPResponse) -> np.ndarray:
    """Raises: ValueError for too many bytes, or no picture; OSError, HTTPException."""
    length = answer.headers.get("Content-Length", "")
    has_length = length.isascii() and length.isdigit()
    if has_length and (len(length) > 10 or int(length) > MOST_BYTES):
        raise ValueError(f"a picture of at most {MOST_BYTES >> 20} MB expected, got {length} bytes")
    data = bytearray()
    while chunk := answer.read1(CHUNK_BYTES):
        data += chunk
        if len(data) > MOST_BYTES:
            raise ValueError(f"a picture of at most {MOST_BYTES >> 20} MB expected, got more")
    if has_length and len(data) < int(length):
        raise ValueError(f"{length} bytes of a picture expected, got {len(data)}")
    image = decode(bytes(data))
    if image is None:
        kind = answer.headers.get("Content-Type", "no Content-Type")
        raise ValueError(f"a picture expected, got {len(data)} bytes ({kind}) that are none")
    return image
