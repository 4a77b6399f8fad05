"""Video files that appear when they are whole, under a name that nothing has."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import numpy as np

from edge_runtime.system import optional_imports as extras

log = logging.getLogger(__name__)

# Those that every build of OpenCV has. An .mp4 does not play without its end.
CODECS = {".mp4": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}


class VideoFile:
    """One file being written: NAME.partial.mp4, renamed when it is finished.

    Attributes:
        size_wh: (width, height) of its pictures.
        count: pictures written.
        partial: the path until then.
    """

    def __init__(self, target: Path, fps: float, size_wh: tuple[int, int]) -> None:
        """Raises: OSError."""
        cv2 = extras.require("cv2", "opencv")
        self.size_wh = size_wh
        self.count = 0
        self._to_bgr = lambda picture: cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
        self._target = target
        self.partial = partial_of(target)
        self.partial.parent.mkdir(parents=True, exist_ok=True)
        codec = cv2.VideoWriter_fourcc(*CODECS[target.suffix.lower()])
        self._writer = cv2.VideoWriter(str(self.partial), codec, fps, size_wh)
        if not self._writer.isOpened():
            self.partial.unlink(missing_ok=True)
            raise OSError(
                f"OpenCV cannot write {self.partial} ({size_wh[0]}x{size_wh[1]} at {fps:g} a "
                "second); check the rights of its folder"
            )

    def write(self, picture: np.ndarray, times: int = 1) -> None:
        """Write an (H, W, 3) RGB uint8 picture of `size_wh` one or more times."""
        bgr = self._to_bgr(picture)
        for _ in range(times):
            self._writer.write(bgr)
        self.count += times

    def finish(self) -> Path:
        """Make it playable and give it its name. Returns: the path. Raises: OSError."""
        self._writer.release()
        # Not synced: the last minutes would take a card longer than a run may take to end.
        self.partial.replace(self._target)
        return self._target


def partial_of(target: Path) -> Path:
    """door.mp4 → door.partial.mp4: a suffix that OpenCV and players know."""
    return target.with_name(f"{target.stem}.partial{target.suffix}")


def next_target(path: Path, numbered: bool) -> Path:
    """door.mp4, or the next of door-0001.mp4 … if that is taken or `numbered`."""
    if not numbered and not path.exists() and not partial_of(path).exists():
        return path
    number = 1 + max((number for number, _ in _numbered(path)), default=0)
    return path.with_name(f"{path.stem}-{number:04d}{path.suffix}")


def warn_of_leftovers(path: Path) -> None:
    """Say which files an earlier run did not finish."""
    left = [file for _, file in _numbered(path) if ".partial" in file.name]
    left += [partial_of(path)] if partial_of(path).exists() else []
    for file in left:
        advice = (
            "an .mp4 does not play without its end: delete it; an .mkv would"
            if path.suffix.lower() == ".mp4"
            else "it plays up to there, rename it"
        )
        log.warning("%s is of a run that was killed; %s", file, advice)


def _numbered(path: Path) -> list[tuple[int, Path]]:
    """Number and path of each door-N.mp4 and door-N.partial.mp4."""
    pattern = re.compile(
        rf"{re.escape(path.stem)}-(\d{{4,}})(?:\.partial)?{re.escape(path.suffix)}"
    )
    files = path.parent.iterdir() if path.parent.is_dir() else ()
    matches = ((pattern.fullmatch(file.name), file) for file in files)
    return [(int(match[1]), file) for match, file in matches if match]
