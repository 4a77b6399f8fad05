"""Video files as a source, as fast as they are read or in real time."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

from edge_runtime.frame import Frame
from edge_runtime.media.many_pictures import holds_many
from edge_runtime.media.opencv_paths import opencv_path
from edge_runtime.sources.base import SourceError, SourceOptions
from edge_runtime.sources.films import Film, OpenCvFilm, PictureFilm
from edge_runtime.sources.opencv import OpenCvSource
from edge_runtime.sources.pacing import Pace

log = logging.getLogger(__name__)

CUT_OFF = 0.05  # the part that may be missing without a word: a file's length is often an estimate


class Video(OpenCvSource):
    """A video file, or one of many pictures, frame by frame; with `realtime` at its own pace, and
    live: frames whose time has passed are skipped, and counted as dropped. A frame's number is its
    place in the film.

    Attributes:
        fps: frames a second of the file, once it is open; None where it is live.
    """

    fps: float | None = None

    def __init__(self, text: str, options: SourceOptions) -> None:
        super().__init__(text, options)
        # FFmpeg takes what stands before a colon for a protocol, unless a slash comes first.
        self._path = str(Path(text).absolute())
        opencv_path(self._path)
        self.live = options.realtime
        self._pace = Pace(options.max_fps, self._closing.wait) if options.realtime else None
        self._number = 0

    @property
    def dropped(self) -> int:
        """Frames that were damaged, or whose time had passed."""
        return self._dropped + (self._pace.late if self._pace else 0)

    def open(self) -> None:
        """Raises: SourceError, naming the file, where it gives no frame; ImportError."""
        film = self._begin()
        self._capture = film
        self.fps = None if self.live else film.fps
        self.state = "running"

    def __iter__(self) -> Iterator[Frame]:
        film: Film | None = self._take()
        try:
            while film is not None:
                yield from self._lap(film)
                film.release()
                again = self.options.loop and not self._closing.is_set()
                # Opened again, not wound back: not every format finds its first frame again.
                film = self._begin() if again else None
        finally:
            self._let_go(film)

    def _begin(self) -> Film:
        """The file, with its first frame grabbed. Raises: SourceError."""
        try:
            kind = PictureFilm if holds_many(self._path) else OpenCvFilm
            return kind(self._path, self.options)
        except SourceError as error:
            raise SourceError(f"{self.text} {error}") from error

    def _lap(self, film: Film) -> Iterator[Frame]:
        """The frames from the one that is grabbed to the end of the file."""
        step = 1 / film.fps
        first, damaged = self._number, self._dropped
        if self._pace:
            self._pace.begin_lap()
        more = True
        while more and not self._closing.is_set():
            position = film.position()
            if self._pace is None or self._pace.wants(position, step):
                yield from self._frame(film)
            self._number += 1
            more = film.grab()
        if more:  # closed
            return
        if self._dropped - damaged == self._number - first:
            raise SourceError(f"{self.text}: not one frame can be decoded; is the file damaged?")
        if first == 0 and self._dropped > damaged:
            log.warning(
                "%s: %d of %d frames are damaged, or in colors that cannot be read; left out",
                *(self.text, self._dropped - damaged, self._number),
            )
        end = position + step
        if first == 0 and film.seconds - end > max(CUT_OFF * film.seconds, 2 * step):
            log.warning(
                "%s ends after %.1f of %.1f seconds: cut off or damaged",
                *(self.text, end, film.seconds),
            )

    def _frame(self, film: Film) -> Iterator[Frame]:
        image = film.image()
        if image is None:
            self._dropped += 1
            return
        now = time.monotonic()
        height, width = image.shape[:2]
        yield Frame((height, width), now, time.time(), self._number, image)
        if self._pace:
            self._pace.shown()
