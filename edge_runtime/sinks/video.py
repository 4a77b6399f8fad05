"""Video sink: the images with their boxes as a video file that plays at true speed."""

from __future__ import annotations

import argparse
import logging
import math
import re
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from edge_runtime.arguments import local_path, positive_number, size_wh
from edge_runtime.frame import Result
from edge_runtime.media.draw import draw_detections
from edge_runtime.media.opencv_paths import opencv_path
from edge_runtime.sinks.base import Context, Sink, whole_image
from edge_runtime.sinks.disk import check_writable, missing_bytes, with_cause
from edge_runtime.sinks.flags import SinkFlags
from edge_runtime.system.optional_imports import require

log = logging.getLogger(__name__)

# Those that every build of OpenCV has. An .mp4 does not play without its end.
CODECS = {".mp4": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}
# MPEG-4 has 16 bits for the parts of a second in which it counts; above 600 frames a second FFmpeg
# reads fewer frames from an .avi than it wrote.
MOST_PARTS = 65535
MOST_FPS = {".mp4": float(MOST_PARTS), ".mkv": float(MOST_PARTS), ".avi": 600.0}
LEAST_FPS = 0.01
LIVE_FPS = 15.0
MOST_GAP_SECONDS = 10.0  # a longer pause of the camera is left out of the video
ROOM_SECONDS = 1.0  # between looks at the disk
AGAIN_SHARE = 0.5  # of the reserve, in addition: or a full disk would be filled with short files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --save-video and what belongs to it."""
    group = parser.add_argument_group("video")
    group.add_argument(
        "--save-video",
        metavar="FILE",
        type=local_path,
        help="the pictures with boxes, as door.mp4, or door.mkv, which survives a power cut; one "
        "that is there is kept and door-0001.mp4 is next",
    )
    group.add_argument(
        "--video-fps",
        type=positive_number,
        metavar="F",
        help="pictures a second: frames are repeated or left out so that it plays at true speed "
        f"(default: a file's own, {LIVE_FPS:g} from a camera)",
    )
    group.add_argument(
        "--video-size",
        type=size_wh,
        metavar="WxH",
        help="at most: larger pictures are scaled down (default: as they come)",
    )
    group.add_argument(
        "--video-segment",
        type=positive_number,
        metavar="MINUTES",
        help="begin a new file so often: door-0001.mp4 and so on (default: one file)",
    )


def create(args: argparse.Namespace) -> Sink:
    """The sink that the flags ask for."""
    return VideoSink(args.save_video, args.video_fps, args.video_segment, args.video_size)


FLAGS = SinkFlags("--save-video", add_arguments, create, writes=("--save-video",))


class VideoSink(Sink):
    """Writes a video that plays at true speed whatever pace the results come at.

    Stops writing while the disk is as good as full: the file so far is finished, and a new one
    begun when there is room again.
    """

    name = "video"
    needs_image = True
    finishes = True
    _context: Context  # from `open` on

    def __init__(
        self,
        path: str | Path,
        fps: float | None = None,
        segment_minutes: float | None = None,
        most_wh: tuple[int, int] | None = None,
    ) -> None:
        """fps: of the video; None for the recording's own, or 15 from a live source. most_wh:
        (width, height) that larger images are scaled down to."""
        self._path = Path(path)
        self._fps = fps
        self._segment_minutes = segment_minutes
        self._most_wh = most_wh
        self._hurry = threading.Event()
        self._file: VideoFile | None = None
        self._rate = 0.0  # places for frames in a second
        self._start = 0.0  # moment of the file's first frame
        self._looked = 0.0
        self._was_full = False

    def open(self, context: Context) -> None:
        self._context = context
        if self._path.suffix.lower() not in CODECS:
            raise ValueError(
                f"--save-video: a name that ends in {', '.join(CODECS)} expected, got {self._path}"
            )
        opencv_path(self._path)  # before anything is opened
        require("cv2", "opencv")
        folder = self._path.parent
        try:
            check_writable(folder)
        except OSError as error:
            raise with_cause(
                f"--save-video: cannot write into {folder} ({error.strerror}); name another folder "
                "or change its rights",
                error,
            ) from error
        warn_of_leftovers(self._path)

    def write(self, result: Result) -> bool:
        moment = self._context.moment(result.frame)
        if self._file is not None and time.monotonic() - self._looked >= ROOM_SECONDS:
            self._check_room()
        file = self._file or self._begin(result, moment)
        # The nearest place; what lies half way always goes the same way, for an even rhythm.
        due = math.floor((moment - self._start) * self._rate + 0.499)
        if abs(due - file.count) > MOST_GAP_SECONDS * self._rate:
            due = file.count
            self._start = moment - due / self._rate
        if due < file.count:
            return False
        file.repeat(due - file.count, self._hurry)
        if self._hurry.is_set():
            return False
        if self._most_wh is not None:
            result = result.fitted(self._most_wh)
        file.write(draw_detections(whole_image(result.frame), result.detections))
        if self._segment_minutes and file.count >= self._segment_minutes * 60 * file.fps:
            self._finish()
        return True

    def hurry(self) -> None:
        self._hurry.set()

    def close(self) -> None:
        self._finish()

    def _begin(self, result: Result, moment: float) -> VideoFile:
        self._check_room()
        own = None if self._fps else self._context.fps()
        fps = encodable_fps(own or self._fps or LIVE_FPS, self._path.suffix.lower())
        self._rate = own or fps  # each frame of a recording has its place, whatever was rounded
        target = next_target(self._path, numbered=self._segment_minutes is not None)
        if self._most_wh is not None:
            result = result.fitted(self._most_wh)
        height, width = whole_image(result.frame).shape[:2]
        self._file = VideoFile(target, fps, (width, height))
        if target != self._path and self._segment_minutes is None:
            log.warning("%s is there already and is kept: the video becomes %s", self._path, target)
        self._start = moment
        return self._file

    def _check_room(self) -> None:
        """Check that the disk has room and is there, which OpenCV's own writer does not say.

        Raises: OSError, with the file finished, where it has none or is gone.
        """
        self._looked = time.monotonic()
        folder = self._path.parent
        try:
            missing = missing_bytes(folder, AGAIN_SHARE if self._was_full else 0.0)
            if self._file is not None:
                self._file.partial.stat()
        except OSError:
            self._finish()
            raise
        self._was_full = missing > 0
        if self._was_full:
            self._finish()
            raise OSError(
                f"no video is written while the disk of {folder} is as good as full "
                f"({missing / 1e6:.1f} MB too little); free some space"
            )

    def _finish(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            if path := file.finish():
                log.info("%s is finished", path)


class VideoFile:
    """One video file being written: NAME.partial.mp4, renamed when it is finished.

    Attributes:
        fps: frames a second.
        count: frames written.
        partial: the path until it is finished.
    """

    def __init__(self, target: Path, fps: float, size_wh: tuple[int, int]) -> None:
        """Begin the file. Raises: OSError."""
        self._cv2 = require("cv2", "opencv")
        self._target = target
        self._size_wh = size_wh
        self._last: np.ndarray | None = None
        self.fps = fps
        self.count = 0
        self.partial = partial_of(target)
        self.partial.parent.mkdir(parents=True, exist_ok=True)
        codec = self._cv2.VideoWriter_fourcc(*CODECS[target.suffix.lower()])
        self._writer = self._cv2.VideoWriter(opencv_path(self.partial), codec, fps, size_wh)
        if not self._writer.isOpened():
            self.partial.unlink(missing_ok=True)
            raise OSError(
                f"OpenCV cannot write {self.partial} ({size_wh[0]}x{size_wh[1]} at {fps:g} a "
                "second); check the rights of its folder, or try another suffix, .avi say"
            )

    def write(self, image: np.ndarray) -> None:
        """Write an (H, W, 3) RGB uint8 image, fitted in where its size is another."""
        if image.shape[1::-1] != self._size_wh:
            # Images of a folder may differ in size, those in a video may not.
            image = np.asarray(ImageOps.pad(Image.fromarray(image), self._size_wh))
        self._last = self._cv2.cvtColor(image, self._cv2.COLOR_RGB2BGR)
        self.repeat(1)

    def repeat(self, times: int, hurry: threading.Event | None = None) -> None:
        """Write the last image so many times more, or until `hurry` is set."""
        for _ in range(times):
            if hurry is not None and hurry.is_set():
                return
            self._writer.write(self._last)
            self.count += 1

    def finish(self) -> Path | None:
        """Make it playable and give it its name.

        Returns: the path; None without a frame, and then there is no file. Raises: OSError.
        """
        self._writer.release()
        if self.count == 0:
            self.partial.unlink(missing_ok=True)
            return None
        # Not synced: the last minutes would take a card longer than a run may take to end.
        self.partial.replace(self._target)
        return self._target


def encodable_fps(fps: float, suffix: str) -> float:
    """The rate closest to `fps` that a file can say.

    OpenCV makes it a fraction over 1, 10, 100 or 1000, whichever comes within 0.001 first, whose
    numerator becomes the encoder's parts of a second.

    suffix: of CODECS.
    """
    fps = min(max(fps, LEAST_FPS), MOST_FPS[suffix])
    decimals = next(digits for digits in (3, 2, 1, 0) if fps * 10**digits <= MOST_PARTS)
    return round(fps, decimals)


def partial_of(target: Path) -> Path:
    """Path while it is written, door.mp4 → door.partial.mp4: OpenCV and players know the suffix."""
    return target.with_name(f"{target.stem}.partial{target.suffix}")


def next_target(path: Path, numbered: bool) -> Path:
    """Path of the next video: door.mp4, or the next of door-0001.mp4 … if that is taken or
    `numbered`."""
    if not numbered and not path.exists() and not partial_of(path).exists():
        return path
    number = 1 + max((number for number, _ in _numbered(path)), default=0)
    return path.with_name(f"{path.stem}-{number:04d}{path.suffix}")


def warn_of_leftovers(path: Path) -> None:
    """Warn of files that an earlier run did not finish."""
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
