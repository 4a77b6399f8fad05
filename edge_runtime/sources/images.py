"""Images: one file, a folder or a glob, as a source."""

from __future__ import annotations

import glob
import logging
import os
import re
import threading
import time
from collections.abc import Iterator
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
AGAIN_SECONDS = 1.0  # between two looks at a folder without a picture


class Images(Source):
    """An image file, a folder or a pattern, in the order that people count in: 2.jpg before 10.jpg.

    With `loop` the folder is looked at anew each round. One that cannot be read is logged once and
    counted as dropped. Of one that holds several, an
    animation say, each is a frame.
    """

    fps = 1.0  # for what makes a film of them

    def __init__(self, text: str, options: SourceOptions) -> None:
        super().__init__(text, options)
        if options.realtime:
            raise ValueError(f"--realtime is for video files, got pictures: {text}")
        self._closing = threading.Event()
        self._paths: list[str] = []
        self._broken: set[str] = set()  # those that were named already
        self._lap = 0

    def open(self) -> None:
        """Raises: SourceError where there is no picture; OSError for an unreadable folder."""
        self._paths = self._list()
        self.state = "running"

    def __iter__(self) -> Iterator[Frame]:
        number = 0
        while not self._closing.is_set():
            readable = False
            for path in self._paths:
                if self._closing.is_set():
                    break
                for image in self._read(path):
                    if image is not None:
                        readable = True
                        height, width = image.shape[:2]
                        now = time.monotonic()
                        yield Frame((height, width), now, time.time(), number, image, name=path)
                    number += 1
            else:
                if not readable and not self._lap:
                    raise SourceError(f"{self.text}: not one picture of it can be read")
            if not self.options.loop:
                break
            self._look_again(readable)
        self.state = "closed" if self._closing.is_set() else "ended"

    def close(self) -> None:
        self._closing.set()
        self.state = "closed"

    def _read(self, path: str) -> Iterator[np.ndarray | None]:
        """(H, W, 3) RGB uint8 of each picture in a file, None for one that cannot be read."""
        try:
            yield from read_pictures(path, self.options)
        except (OSError, ValueError) as error:
            if self.options.loop and not Path(path).exists():  # deleted, which is no loss
                return
            self._dropped += 1
            if path not in self._broken:
                self._broken.add(path)
                log.warning("%s", error)
            yield None

    def _look_again(self, readable: bool) -> None:
        """A folder's pictures come and go between two rounds; without any, wait for one."""
        self._lap += 1
        if not readable:  # not as fast as the processor can
            self._closing.wait(AGAIN_SECONDS)
        try:
            self._paths = self._list(again=True)
        except (SourceError, OSError) as error:
            self._paths = []
            if readable:  # until now
                log.warning("%s; waiting for one", error)

    def _list(self, again: bool = False) -> list[str]:
        """The paths to read, in order. Raises: SourceError if there are none; OSError."""
        images, skipped = list_images(self.text)
        names = ", ".join(skipped[:NAMED]) + (", …" if len(skipped) > NAMED else "")
        if not images:
            has_video = any(Path(name).suffix.lower() in VIDEO_SUFFIXES for name in skipped)
            raise SourceError(
                f"no picture in {self.text}"
                + (f", only {names}" if skipped else "")
                + f"; their names end in {' '.join(sorted(IMAGE_SUFFIXES))}"
                + ("; name one video by itself" if has_video else "")
            )
        if skipped and not again:
            log.warning(
                "%s: %d files skipped, no pictures by their names: %s",
                *(self.text, len(skipped), names),
            )
        return images


def list_images(text: str) -> tuple[list[str], list[str]]:
    """Paths of a file, or of the images of a folder or a pattern by their suffix, in counting
    order; and the names of the others there. Raises: OSError."""
    path = Path(text)
    if path.is_file():
        return [text], []
    paths = path.iterdir() if path.is_dir() else _matches(text)
    visible = {path for path in paths if path.is_file() and not path.name.startswith(".")}
    real = {folder: folder.resolve() for folder in {path.parent for path in visible}}
    # Where links lead to a folder twice, the shorter way; a link to a file is one more.
    once = {
        (real[path.parent], path.name): path
        for path in sorted(visible, key=lambda path: len(path.parts), reverse=True)
    }
    files = sorted(once.values(), key=_counting_order)
    images = [str(path) for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    return images, [path.name for path in files if path.suffix.lower() not in IMAGE_SUFFIXES]


def read_pictures(path: str, options: SourceOptions) -> Iterator[np.ndarray]:
    """(H, W, 3) RGB uint8 of each picture in a file, turned as the options say.

    Raises: OSError, ValueError, naming the file.
    """
    pictures = _pictures(path, options)
    while True:
        try:
            image = next(pictures, None)
        except MemoryError as error:
            raise ValueError(f"{path}: too little memory for it; save it smaller") from error
        if image is None:
            return
        yield image


def _pictures(path: str, options: SourceOptions) -> Iterator[np.ndarray]:
    if not holds_many(path):
        yield turn(read_image(path), options.rotate, options.mirror)
        return
    with closing(PictureRow(path)) as row:
        while row.grab():
            image = row.image()
            if image is None:
                raise ValueError(f"{path} is damaged: not all of its pictures can be read")
            yield turn(image, options.rotate, options.mirror)


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


def _matches(pattern: str) -> Iterator[Path]:
    """What a pattern means; ** stands for any folders, each once, however many links lead to it."""
    before, deep, behind = pattern.partition("**")
    if not deep or not (before.endswith("/") or not before) or behind[:1] not in ("", "/"):
        yield from map(Path, glob.iglob(pattern))  # noqa: PTH207 - Path's: relative only
        return
    for folder in _folders_below(before.rstrip("/") or before or "."):
        yield from _matches(f"{glob.escape(folder)}/{behind.lstrip('/') or '*'}")


def _folders_below(pattern: str) -> Iterator[str]:
    """The folders that a pattern means, and all below them but hidden ones."""
    seen: set[tuple[int, int]] = set()
    for top in glob.iglob(pattern):  # noqa: PTH207
        for folder, below, _ in os.walk(top, followlinks=True):
            try:
                status = Path(folder).stat()
            except OSError:  # deleted since
                continue
            if (status.st_dev, status.st_ino) in seen:
                below.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            below[:] = [name for name in below if not name.startswith(".")]
            yield folder


def _counting_order(path: Path) -> tuple[list[int | str], str]:
    """Text and numbers take turns in a name, so that like is compared with like."""
    parts = re.split(r"(\d+)", str(path).casefold())
    return [int(part) if part.isdecimal() else part for part in parts], str(path)
