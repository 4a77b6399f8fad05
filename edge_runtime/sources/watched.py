"""Watched images: pictures that a camera uploads into a folder, as they come."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edge_runtime.frame import Frame
from edge_runtime.sources.base import WATCHING, Source, SourceOptions
from edge_runtime.sources.images import list_images, read_pictures

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0  # between two looks, of which two must agree about a file
DAMAGED_SECONDS = 30.0  # without a change, after which one that cannot be read is given up
OLDEST_SECONDS = 3600.0  # of a file's time; older, it is of another clock
REWRITTEN_LOOKS = 3  # at which a file was written anew; it is read then, or it never would be
REMEMBERED = 20_000  # files that are gone, and would be no news if they came back


class Stamp(NamedTuple):
    """What changes when a file is written. when: of its last change, Unix time in nanoseconds."""

    when: int
    size: int
    inode: int


class WatchedImages(Source):
    """A folder, a pattern or a file: its pictures as they are written, oldest first.

    What is there at the start is not. A file that still grows, or that cannot be read yet, is left
    until it is whole; a new one in place of an old one is news, and one that is written anew faster
    than this looks is taken as it is; deleted ones are forgotten. Never ends by itself.
    """

    def __init__(self, text: str, options: SourceOptions) -> None:
        super().__init__(text, options)
        self._closing = threading.Event()
        self._done: OrderedDict[str, Stamp] = OrderedDict()  # the longest unseen first
        self._growing: dict[str, Stamp] = {}  # as of the last look
        self._rewritten: dict[str, int] = {}  # looks at which a file was another, since it was news
        self._tried: dict[str, tuple[Stamp, float]] = {}  # not readable at that moment
        self._trouble: str | None = None

    def open(self) -> None:
        """Raises: OSError for a folder that cannot be read."""
        self._done.update(self._stamps())
        self.state = WATCHING

    def __iter__(self) -> Iterator[Frame]:
        number = 0
        while not self._closing.is_set():
            for path, stamp in self._settled():
                if self._closing.is_set():
                    break
                for frame in self._frames(path, stamp, number):
                    self.state = "running"
                    yield frame
                    number += 1
            if not self._closing.is_set():
                self.state = WATCHING
            self._closing.wait(LOOK_SECONDS)
        self.state = "closed"

    def close(self) -> None:
        self._closing.set()
        self.state = "closed"

    def _settled(self) -> list[tuple[str, Stamp]]:
        """New files that have not changed since the last look, oldest first."""
        try:
            found = self._stamps()
        except OSError as error:  # a disk that was pulled out, a share that is away
            if self._trouble is None:
                log.warning("%s: %s; looking again", self.text, error)
            self._trouble = str(error)
            return []
        if self._trouble is not None:
            self._trouble = None
            log.warning("%s is there again", self.text)
        for path in found.keys() & self._done.keys():
            self._done.move_to_end(path)
        while len(self._done) > REMEMBERED + len(found):
            self._done.popitem(last=False)
        news = {path: stamp for path, stamp in found.items() if self._done.get(path) != stamp}
        self._rewritten = {
            path: self._rewritten.get(path, 0) + _is_rewritten(self._growing.get(path), stamp)
            for path, stamp in news.items()
        }
        settled = [
            (path, stamp)
            for path, stamp in news.items()
            if self._growing.get(path) == stamp or self._rewritten[path] >= REWRITTEN_LOOKS
        ]
        self._growing = news
        self._tried = {path: tried for path, tried in self._tried.items() if path in news}
        return sorted(settled, key=lambda item: item[1].when)  # stable: else in counting order

    def _frames(self, path: str, stamp: Stamp, number: int) -> Iterator[Frame]:
        tried = self._tried.get(path)
        now = time.monotonic()
        if tried is not None and tried[0] == stamp and now - tried[1] < DAMAGED_SECONDS:
            return
        try:
            for image in read_pictures(path, self.options):
                self._done[path] = stamp
                height, width = image.shape[:2]
                captured_at, moment = _times(stamp)
                yield Frame((height, width), captured_at, moment, number, image, name=path)
                number += 1
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            if tried is None or tried[0] != stamp:
                self._tried[path] = (stamp, now)  # an upload that pauses, perhaps
                return
            self._dropped += 1
            log.warning("%s", error)
        self._done[path] = stamp

    def _stamps(self) -> dict[str, Stamp]:
        """Of the pictures that are there now, in counting order. Raises: OSError."""
        stamps: dict[str, Stamp] = {}
        for path in list_images(self.text)[0]:
            try:
                status = Path(path).stat()
            except FileNotFoundError:  # deleted since
                continue
            stamps[path] = Stamp(status.st_mtime_ns, status.st_size, status.st_ino)
        return stamps


def _is_rewritten(last: Stamp | None, stamp: Stamp) -> bool:
    """Whether a file was begun anew between two looks; one that is being uploaded only grows."""
    if last is None or last == stamp:
        return False
    return last.inode != stamp.inode or stamp.size <= last.size


def _times(stamp: Stamp) -> tuple[float, float]:
    """(captured_at, time) of a `Frame`, by the file's own time where that can be."""
    monotonic, now = time.monotonic(), time.time()
    age = now - stamp.when / 1e9
    if not 0 <= age <= OLDEST_SECONDS:
        age = 0.0
    return monotonic - age, now - age
