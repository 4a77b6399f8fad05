"""Source factory: from a text on the command line to the source it means, and its flags."""

from __future__ import annotations

import argparse
import os

from edge_runtime.arguments import positive_number, size_wh
from edge_runtime.sources.base import Source, SourceOptions, without_password


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
        "--size", type=size_wh, metavar="WxH", help="of a camera's picture (default: 1280x720)"
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
