"""Which source a path means, and pictures: one, a folder or a glob."""

from __future__ import annotations

import glob
import logging
import re
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from edge_runtime.frame import Frame
from edge_runtime.media.images import read_image
from edge_runtime.sources.base import Source, SourceError, SourceOptions, without_password
from edge_runtime.sources.video import Video

log = logging.getLogger(__name__)

PICTURE_SUFFIXES = frozenset(
    (".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
)
VIDEO_SUFFIXES = frozenset(
    (".avi", ".flv", ".h264", ".m4v", ".mjpg", ".mkv", ".mov", ".mp4", ".mpg", ".ts", ".webm")
)
SOURCES = (
    "picamera2[:N], usb:N, /dev/videoN, rtsp://…, http://…, a video file, a picture, a folder of "
    "pictures, or a pattern like 'folder/*.jpg' in quotes"
)
NAMED = 5  # skipped files in a message


def open_files(text: str, options: SourceOptions) -> Source:
    """A video file, or a picture, a folder or a pattern; not yet opened.

    Raises: FileNotFoundError for a path that is not there; ValueError for options that do not fit.
    """
    if text.startswith("~/"):  # in quotes no shell has done it
        text = str(Path(text).expanduser())
    if not Path(text).exists() and not glob.has_magic(text):
        raise FileNotFoundError(
            f"no file or folder {without_password(text)}; a source is {SOURCES}"
        )
    if Path(text).is_file() and not _is_picture(Path(text)):
        return Video(text, options)
    return Pictures(text, options)


class Pictures(Source):
    """A picture, a folder or a pattern, in the order that people count in: 2.jpg before 10.jpg.

    One that cannot be read is logged once and counted as dropped.
    """

    fps = 1.0  # for what makes a film of them

    def __init__(self, text: str, options: SourceOptions) -> None:
        super().__init__(text, options)
        if options.realtime:
            raise ValueError(f"--realtime is for video files, got pictures: {text}")
        self._closing = threading.Event()
        self._paths: list[str] = []

    def open(self) -> None:
        """Raises: SourceError where there is no picture; OSError for an unreadable folder."""
        path = Path(self.text)
        if path.is_file():
            self._paths = [self.text]
        else:
            self._paths = self._pictures(path.iterdir() if path.is_dir() else _matches(self.text))
        self.state = "running"

    def __iter__(self) -> Iterator[Frame]:
        number = 0
        broken: set[str] = set()
        while not self._closing.is_set():
            readable = False
            for path in self._paths:
                if self._closing.is_set():
                    break
                picture = self._read(path, broken)
                if picture is not None:
                    readable = True
                    hw = picture.shape[:2]
                    yield Frame(hw, time.monotonic(), time.time(), number, picture, name=path)
                number += 1
            else:
                if not readable:  # with `loop` this would go on for ever
                    raise SourceError(f"{self.text}: not one picture of it can be read")
            if not self.options.loop:
                break
        self.state = "closed" if self._closing.is_set() else "ended"

    def close(self) -> None:
        self._closing.set()
        self.state = "closed"

    def _read(self, path: str, broken: set[str]) -> np.ndarray | None:
        """(H, W, 3) RGB uint8, or None. broken: those that were named already."""
        try:
            picture = read_image(path)
        except (OSError, ValueError) as error:
            self.dropped += 1
            if path not in broken:
                broken.add(path)
                log.warning("%s", error)
            return None
        upside_down = self.options.rotate == 180
        return np.ascontiguousarray(picture[::-1, ::-1]) if upside_down else picture

    def _pictures(self, paths: Iterable[Path]) -> list[str]:
        """Those with a picture's suffix, sorted. Raises: SourceError if there are none."""
        files = {path for path in paths if path.is_file() and not path.name.startswith(".")}
        files = sorted(files, key=_counting_order)
        pictures = [str(path) for path in files if path.suffix.lower() in PICTURE_SUFFIXES]
        skipped = [path.name for path in files if path.suffix.lower() not in PICTURE_SUFFIXES]
        names = ", ".join(skipped[:NAMED]) + (", …" if len(skipped) > NAMED else "")
        if not pictures:
            raise SourceError(
                f"no picture in {self.text}"
                + (f", only {names}" if skipped else "")
                + f"; their names end in {' '.join(sorted(PICTURE_SUFFIXES))}"
                + ("; name one video by itself" if _has_video(files) else "")
            )
        if skipped:
            log.warning(
                "%s: %d files skipped, no pictures by their names: %s",
                *(self.text, len(skipped), names),
            )
        return pictures


def _is_picture(path: Path) -> bool:
    """By its suffix; where that says nothing, by its contents."""
    suffix = path.suffix.lower()
    if suffix in PICTURE_SUFFIXES or suffix in VIDEO_SUFFIXES:
        return suffix in PICTURE_SUFFIXES
    try:
        with Image.open(path):
            return True
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def _matches(pattern: str) -> Iterator[Path]:
    return map(Path, glob.iglob(pattern, recursive=True))  # noqa: PTH207 - Path's: relative only


def _has_video(files: list[Path]) -> bool:
    return any(path.suffix.lower() in VIDEO_SUFFIXES for path in files)


def _counting_order(path: Path) -> tuple:
    """Text and numbers take turns in a name, so that like is compared with like."""
    parts = re.split(r"(\d+)", str(path).casefold())
    return [int(part) if part.isdecimal() else part for part in parts], str(path)
