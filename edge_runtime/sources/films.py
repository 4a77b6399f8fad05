"""Films: what a video source reads, through OpenCV, or through Pillow where that is enough."""

from __future__ import annotations

import math
import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from edge_runtime.media.many_pictures import PictureRow
from edge_runtime.media.opencv_paths import opencv_path
from edge_runtime.sources.base import SourceError, SourceOptions
from edge_runtime.sources.opencv import retrieve
from edge_runtime.sources.turning import turn
from edge_runtime.system.optional_imports import require

USUAL_FPS = 25.0  # where a file does not say
MOST_BOXES = 16  # kinds; at the top of a file there are five
MOST_FPS = 1000.0  # a file that says more says how it counts time, not how often it has a frame


# Codecs, by their four letters, that not every build of FFmpeg decodes.
NOT_ALWAYS_DECODED = {b"AV01": "AV1", b"VVC1": "H.266", b"VVI1": "H.266"}


class Film(Protocol):
    """A film that is open, with its first frame grabbed. Belongs to one thread.

    Attributes:
        fps: frames a second.
        seconds: that it lasts, as it says itself.
    """

    fps: float
    seconds: float

    def position(self) -> float:
        """Seconds from the beginning to the frame that was grabbed."""

    def grab(self) -> bool:
        """Go on to the next frame. Returns: False at the end."""

    def image(self) -> np.ndarray | None:
        """The frame that was grabbed, (H, W, 3) RGB uint8; None where it is damaged."""

    def release(self) -> None:
        """Close the file."""


class OpenCvFilm:
    """A film that FFmpeg reads, see `Film`."""

    def __init__(self, path: str, options: SourceOptions) -> None:
        """Raises: SourceError, to be read behind the file's name; ImportError without OpenCV."""
        self._cv2 = require("cv2", "opencv")
        self._options = options
        self._capture: Any = self._cv2.VideoCapture()
        opened = self._capture.open(opencv_path(path), self._cv2.CAP_FFMPEG)
        if not opened or not self._capture.grab():
            why = self._why_no_frame(path, opened)
            self._capture.release()
            raise SourceError(why)
        # Phones film sideways, and say so in the file.
        self._capture.set(self._cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        self.fps = _plausible(float(self._capture.get(self._cv2.CAP_PROP_FPS)))
        self.seconds = float(self._capture.get(self._cv2.CAP_PROP_FRAME_COUNT)) / self.fps

    def position(self) -> float:
        return float(self._capture.get(self._cv2.CAP_PROP_POS_MSEC)) / 1000

    def grab(self) -> bool:
        return bool(self._capture.grab())

    def image(self) -> np.ndarray | None:
        return retrieve(self._cv2, self._capture, self._options)

    def release(self) -> None:
        self._capture.release()

    def _why_no_frame(self, path: str, opened: bool) -> str:
        code = int(self._capture.get(self._cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True)
        if opened and code.upper() in NOT_ALWAYS_DECODED:
            return (
                f"is a film in {NOT_ALWAYS_DECODED[code.upper()]}, for which this OpenCV has no "
                "decoder, or the board none; convert it (ffmpeg -i FILM -c:v libx264 film.mp4), or "
                "have the camera record H.264"
            )
        why = "is no video that OpenCV can read, or holds no frame"
        if lacks_index(path):
            why += (
                "; an .mp4 whose recording was interrupted lacks its index and cannot be read "
                "(record .mkv instead)"
            )
        return why


class PictureFilm:
    """An animation, or JPEGs one after another, see `Film`; needs no OpenCV."""

    def __init__(self, path: str, options: SourceOptions) -> None:
        """Raises: OSError; SourceError, to be read behind the file's name, without a picture."""
        self._options = options
        try:
            self._row = PictureRow(path)
        except ValueError as error:
            raise SourceError(f"is no film: {error}") from error
        self._times = self._row.fps is not None
        self.fps = _plausible(self._row.fps or 0.0)
        self.seconds = self._row.seconds
        self._number = -1
        if not self.grab():
            self._row.close()
            raise SourceError("holds no picture that can be read")

    def position(self) -> float:
        return self._row.position if self._times else self._number / self.fps

    def grab(self) -> bool:
        self._number += 1
        return self._row.grab()

    def image(self) -> np.ndarray | None:
        image = self._row.image()
        return None if image is None else turn(image, self._options.rotate, self._options.mirror)

    def release(self) -> None:
        self._row.close()


def _plausible(fps: float) -> float:
    return fps if math.isfinite(fps) and 0 < fps <= MOST_FPS else USUAL_FPS


def lacks_index(path: str) -> bool:
    """True for an MPEG-4 file (ISO/IEC 14496-12) without its "moov" box, which is written last."""
    with suppress(OSError), Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        position = 0
        seen: set[bytes] = set()
        while position + 8 <= size and len(seen) < MOST_BOXES:
            file.seek(position)
            length, kind = struct.unpack(">I4s", file.read(8))
            if length == 1:
                (length,) = struct.unpack(">Q", file.read(8).ljust(8, b"\0"))
            length = length or size - position  # 0: to the end of the file
            position += max(length, 8)
            if position <= size or kind != b"moov":
                seen.add(kind)
        return b"ftyp" in seen and b"moov" not in seen
    return False
