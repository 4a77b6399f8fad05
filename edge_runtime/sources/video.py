"""Video files as a source, as fast as they are read or in real time."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_runtime.frame import Frame
from edge_runtime.sources.base import SourceError, SourceOptions
from edge_runtime.sources.opencv import OpenCvSource, retrieve
from edge_runtime.sources.pacing import Pace
from edge_runtime.system.optional_imports import require
from edge_runtime.system.paths import c_path

log = logging.getLogger(__name__)

USUAL_FPS = 25.0  # where a file does not say
CUT_OFF = 0.05  # the part that may be missing without a word: a file's length is often an estimate


class Video(OpenCvSource):
    """A video file, frame by frame; with `realtime` at its own pace, and live: frames whose time
    has passed are skipped, and counted as dropped. A frame's number is its place in the film.

    Attributes:
        fps: frames a second of the file, once it is open; None where it is live.
    """

    fps: float | None = None

    def __init__(self, text: str, options: SourceOptions) -> None:
        super().__init__(text, options)
        self.live = options.realtime
        self._pace = Pace(options.max_fps, self._closing.wait) if options.realtime else None
        self._number = 0

    @property
    def dropped(self) -> int:
        """Frames that were damaged, or whose time had passed."""
        return self._dropped + (self._pace.late if self._pace else 0)

    def open(self) -> None:
        """Raises: SourceError, naming the file, where it gives no frame; ValueError for a name that
        OpenCV does not take; ImportError."""
        self._cv2 = require("cv2", "opencv")
        self._capture = self._begin()
        self.fps = None if self.live else self._frame_rate(self._capture)
        self.state = "running"

    def __iter__(self) -> Iterator[Frame]:
        capture = self._take()
        try:
            while capture is not None:
                yield from self._lap(capture)
                capture.release()
                again = self.options.loop and not self._closing.is_set()
                # Opened again, not wound back: not every format finds its first frame again.
                capture = self._begin() if again else None
        finally:
            self._let_go(capture)

    def _begin(self) -> Any:
        """The file, with its first frame grabbed. Raises: SourceError."""
        # FFmpeg takes what stands before a colon for a protocol, unless a slash comes first.
        path = c_path(Path(self.text).absolute())
        capture = self._cv2.VideoCapture()
        if not capture.open(path, self._cv2.CAP_FFMPEG) or not capture.grab():
            raise SourceError(
                f"{self.text} is no video that OpenCV can read, or holds no frame; an .mp4 whose "
                "recording was interrupted lacks its index and cannot be read (record .mkv instead)"
            )
        # Phones film sideways, and say so in the file.
        capture.set(self._cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        return capture

    def _frame_rate(self, capture: Any) -> float:
        fps = float(capture.get(self._cv2.CAP_PROP_FPS))
        return fps if math.isfinite(fps) and fps > 0 else USUAL_FPS

    def _lap(self, capture: Any) -> Iterator[Frame]:
        """The frames from the one that is grabbed to the end of the file."""
        fps = self._frame_rate(capture)
        length = capture.get(self._cv2.CAP_PROP_FRAME_COUNT) / fps
        first, damaged = self._number, self._dropped
        if self._pace:
            self._pace.begin_lap()
        more = True
        while more and not self._closing.is_set():
            position = capture.get(self._cv2.CAP_PROP_POS_MSEC) / 1000
            if self._pace is None or self._pace.wants(position, 1 / fps):
                yield from self._frame(capture)
            self._number += 1
            more = capture.grab()
        if more:  # closed
            return
        if self._dropped - damaged == self._number - first:
            raise SourceError(f"{self.text}: not one frame can be decoded; is the file damaged?")
        end = position + 1 / fps
        if first == 0 and length - end > max(CUT_OFF * length, 2 / fps):
            log.warning(
                "%s ends after %.1f of %.1f seconds: cut off or damaged", self.text, end, length
            )

    def _frame(self, capture: Any) -> Iterator[Frame]:
        image = retrieve(self._cv2, capture, self.options.rotate)
        if image is None:
            self._dropped += 1
            return
        now = time.monotonic()
        height, width = image.shape[:2]
        yield Frame((height, width), now, time.time(), self._number, image)
        if self._pace:
            self._pace.shown()
