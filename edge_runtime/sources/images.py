"""Images: one file, a folder or a glob, as a source."""

from __future__ import annotations

import glob
import logging
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from PIL import Image

from edge_runtime.frame import Frame
from edge_runtime.media.images import read_image
from edge_runtime.media.many_pictures import PictureRow, holds_many
from edge_runtime.sources.base import Source, SourceError, SourceOptions
from edge_runtime.sources.turning import turn

log = logging.getLogger(__name__)

IMAGE_SUFFIXES = frozenset(
    (".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
)
_VIDEO_SUFFIXES = ".avi .flv .h264 .m4v .mjpeg .mjpg .mkv .mov .mp4 .mpg .ts .webm"
VIDEO_SUFFIXES = frozenset(_VIDEO_SUFFIXES.split())
NAMED = 5  # skipped files in a message


class Images(Source):
    """An image file, a folder or a pattern, in the order that people count in: 2.jpg before 10.jpg.

    One that cannot be read is logged once and counted as dropped. Of one that holds several, an
    animation say, each is a frame.
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
            self._paths = self._image_files(
                path.iterdir() if path.is_dir() else _matches(self.text)
            )
        self.state = "running"

    def __iter__(self) -> Iterator[Frame]:
        number = 0
        broken: set[str] = set()
        while not self._closing.is_set():
            readable = False
            for path in self._paths:
                if self._closing.is_set():
                    break
                for image in self._read(path, broken):
                    if image is not None:
                        readable = True
                        height, width = image.shape[:2]
                        now = time.monotonic()
                        yield Frame((height, width), now, time.time(), number, image, name=path)
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

    def _read(self, path: str, broken: set[str]) -> Iterator[np.ndarray | None]:
        """(H, W, 3) RGB uint8 of each picture in a file, None for one that cannot be read.

        broken: files that were named already.
        """
        images = _pictures_of(path)
        while True:
            try:
                image = next(images, None)
            except (OSError, ValueError) as error:
                self._dropped += 1
                if path not in broken:
                    broken.add(path)
                    log.warning("%s", error)
                yield None
                return
            if image is None:
                return
            yield turn(image, self.options.rotate, self.options.mirror)

    def _image_files(self, paths: Iterable[Path]) -> list[str]:
        """Those with an image's suffix, sorted. Raises: SourceError if there are none."""
        visible = {path for path in paths if path.is_file() and not path.name.startswith(".")}
        files = sorted(visible, key=_counting_order)
        images = [str(path) for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
        skipped = [path.name for path in files if path.suffix.lower() not in IMAGE_SUFFIXES]
        names = ", ".join(skipped[:NAMED]) + (", …" if len(skipped) > NAMED else "")
        if not images:
            raise SourceError(
                f"no picture in {self.text}"
                + (f", only {names}" if skipped else "")
                + f"; their names end in {' '.join(sorted(IMAGE_SUFFIXES))}"
                + ("; name one video by itself" if _has_video(files) else "")
            )
        if skipped:
            log.warning(
                "%s: %d files skipped, no pictures by their names: %s",
                *(self.text, len(skipped), names),
            )
        return images


def is_image(path: Path) -> bool:
    """True for a file of one image: by its suffix; where that says nothing, by its contents."""
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES or holds_many(path):
        return False
    if suffix in IMAGE_SUFFIXES:
        return True
    try:
        with Image.open(path):
            return True
    except Exception:  # by a damaged file Pillow can be made to raise nearly anything
        return False


def _pictures_of(path: str) -> Iterator[np.ndarray]:
    """(H, W, 3) RGB uint8 of each picture in a file. Raises: OSError, ValueError, naming it."""
    if not holds_many(path):
        yield read_image(path)
        return
    with closing(PictureRow(path)) as row:
        while row.grab():
            image = row.image()
            if image is None:
                raise ValueError(f"{path} is damaged: not all of its pictures can be read")
            yield image


def _matches(pattern: str) -> Iterator[Path]:
    return map(Path, glob.iglob(pattern, recursive=True))  # noqa: PTH207 - Path's: relative only


def _has_video(files: list[Path]) -> bool:
    return any(path.suffix.lower() in VIDEO_SUFFIXES for path in files)


def _counting_order(path: Path) -> tuple[list[int | str], str]:
    """Text and numbers take turns in a name, so that like is compared with like."""
    parts = re.split(r"(\d+)", str(path).casefold())
    return [int(part) if part.isdecimal() else part for part in parts], str(path)
