"""The interface of every source, and which one a text on the command line means."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

from edge_runtime.arguments import positive_number
from edge_runtime.frame import Frame


class SourceError(RuntimeError):
    """A source that cannot be opened, or that ended with an error: what, why, what to do."""


@dataclass(frozen=True)
class SourceOptions:
    """What the rest of the pipeline wants of a source.

    Attributes:
        input_hw: (height, width) of the network's input.
        needs_picture: whether a sink shows the whole picture; if not, a camera whose processor can
            shrink need not deliver it.
        size_wh: of a camera's picture; None for the source's own default.
        max_fps: frames a second that are wanted at most; None for all.
        loop: begin again where a file ends.
        realtime: deliver a video file at its own pace, as a camera would.
        rotate: 0 or 180 degrees, for a camera that hangs upside down.
        stall_after: seconds without a frame after which a camera counts as stalled.
        wait: whether a camera that is not there at the start is waited for.
    """

    input_hw: tuple[int, int]
    needs_picture: bool = True
    size_wh: tuple[int, int] | None = None
    max_fps: float | None = None
    loop: bool = False
    realtime: bool = False
    rotate: int = 0
    stall_after: float = 5.0
    wait: bool = False


class Source:
    """A context manager and iterator of frames; iterate once, in one thread.

    The iteration ends where a file does. `close` may be called from another thread, any number of
    times: an iteration that waits then ends within a second.

    Attributes:
        live: whether frames come at their own pace, so that old ones are worth nothing. A file's
            frames all count, and wait for the reader.
        fps: frames a second of a recording, once it is open, so that frame N belongs to second
            N / fps of it; 1 for pictures. None for a live source, whose frames come when they come.
        dropped: frames that the source itself left out.
        restarts: how often a camera was opened again after it failed or stalled.
        state: "closed", "starting", "running", "stalled", "waiting" (for a camera to come back) or
            "ended".
    """

    live = False
    fps: float | None = None
    dropped = 0
    restarts = 0
    state = "closed"

    def __init__(self, text: str, options: SourceOptions) -> None:
        """`text`: what the user wrote. Raises: ValueError for options that do not fit."""
        self.text = text
        self.options = options

    def open(self) -> None:
        """Raises: SourceError; ImportError with the line that installs what is missing."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Frame]:
        raise NotImplementedError

    def close(self) -> None:
        """Let go of camera, file and process. Never raises."""

    def __enter__(self) -> Source:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_source(text: str, options: SourceOptions) -> Source:
    """The source that `text` means, not yet opened.

    "picamera2" or "picamera2:N"; "usb:N", "/dev/videoN" or "/dev/v4l/by-id/…", a name that outlives
    replugging; "rtsp://…", "http://…" (MJPEG); a video file; a picture, a folder or a glob of
    pictures. Cameras and streams run in a process of their own, which can be killed when it hangs.

    Raises: ValueError for options that do not fit, FileNotFoundError for a path that is not there.
    """
    from edge_runtime.sources.images import open_files
    from edge_runtime.sources.isolated.supervisor import ProcessSource

    _check_options(text, options)
    if is_camera(text):
        return ProcessSource(text, options)
    return open_files(text, options)


def open_here(text: str, options: SourceOptions) -> Source:
    """A camera or stream in this very process: what the capture process runs."""
    if text.split(":")[0] == "picamera2":
        from edge_runtime.sources.picamera import PiCamera

        return PiCamera(text, options)
    from edge_runtime.sources.opencv import OpenCvCamera

    return OpenCvCamera(text, options)


def is_camera(text: str) -> bool:
    """Whether `text` means a live source. Raises: ValueError for a number that is none."""
    kind, _, number = text.partition(":")
    if kind in ("picamera2", "usb"):
        if (kind == "usb" or number) and not number.isdecimal():
            raise ValueError(f"{kind}:N expected, N the camera's number from 0, got {text!r}")
        return True
    streams = ("rtsp://", "rtsps://", "http://", "https://")
    return text.startswith((*streams, "/dev/video", "/dev/v4l/"))


def _check_options(text: str, options: SourceOptions) -> None:
    if is_camera(text) and (options.loop or options.realtime):
        flag = "--loop" if options.loop else "--realtime"
        raise ValueError(f"{flag} is for files, got {without_password(text)}; leave it out")
    if options.size_wh is not None and ("://" in text or not is_camera(text)):
        raise ValueError(
            f"--size is for picamera2 and usb:N, got {without_password(text)}; files and streams "
            "have the size that they were made with"
        )


def without_password(text: str) -> str:
    """An address fit for messages and pages: rtsp://user:secret@host → rtsp://user:***@host.

    Cameras take passwords behind the question mark as well: …?user=admin&password=***.
    """
    text = re.sub(r"(://[^/@:]*):[^/]*@", r"\1:***@", text)
    text = re.sub(r"(://)[^/@:]+@", r"\1***@", text)  # a token alone
    return re.sub(r"(?i)((?:pass|pwd|token|key|secret|auth)[^=&/]*=)[^&/]*", r"\1***", text)


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    """The flags that `SourceOptions` and `open_source` need."""
    parser.add_argument(
        "--source",
        # Not shown as the default: the environment is where an address with a password belongs.
        default=os.environ.get("EDGE_RUNTIME_SOURCE") or "picamera2",
        metavar="SOURCE",
        help="picamera2[:N], usb:N, rtsp://…, a video file, a folder or glob of pictures "
        "(default: that in $EDGE_RUNTIME_SOURCE, or picamera2)",
    )
    parser.add_argument(
        "--size", type=parse_size, metavar="WxH", help="of a camera's picture (default: 1280x720)"
    )
    parser.add_argument(
        "--max-fps",
        type=positive_number,
        metavar="F",
        help="frames a second at most (default: all)",
    )
    parser.add_argument(
        "--rotate", type=int, choices=(0, 180), default=0, help="for a camera upside down"
    )
    parser.add_argument("--loop", action="store_true", help="begin files again at their end")
    parser.add_argument(
        "--realtime",
        action="store_true",
        help="take a video file at its own pace and drop frames, as from a camera",
    )
    parser.add_argument(
        "--stall-after",
        type=positive_number,
        default=5.0,
        metavar="S",
        help="seconds without a frame until a camera is started again (default: %(default)s)",
    )
    parser.add_argument(
        "--wait",
        action="store_true",
        help="for a camera that is not there yet, instead of ending; a service always does",
    )


def parse_size(text: str) -> tuple[int, int]:
    """An argparse type: "1280x720". Raises: argparse.ArgumentTypeError."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match or not all(16 <= int(side) <= 8192 for side in match.groups()):
        raise argparse.ArgumentTypeError(f"WIDTHxHEIGHT in pixels expected, got {text}")
    return int(match[1]), int(match[2])
