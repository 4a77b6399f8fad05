"""Source factory: a table of the kinds of source, from a text on the command line to its class."""

from __future__ import annotations

import argparse
import glob
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from edge_runtime.arguments import positive_number, size_wh
from edge_runtime.media.many_pictures import holds_many
from edge_runtime.sources.address import (
    HIDDEN,
    check_address,
    looks_like_address,
    public_source,
    tidied_source,
)
from edge_runtime.sources.base import Source, SourceOptions
from edge_runtime.sources.images import is_image
from edge_runtime.sources.turning import ROTATIONS
from edge_runtime.system.paths import is_there


def _like(pattern: str) -> Callable[[str], bool]:
    return lambda text: re.fullmatch(pattern, text, re.DOTALL) is not None


def _always(text: str) -> bool:
    return True


def _never(text: str) -> bool:
    return False


def _is_video_file(text: str) -> bool:
    path = Path(text)
    return is_there(path) and path.is_file() and not is_image(path)


def _is_opencv_film(text: str) -> bool:
    return not holds_many(text)


def _is_images(text: str) -> bool:
    # An address of another kind is full of a pattern's letters.
    return is_there(text) or (glob.has_magic(text) and not looks_like_address(text))


@dataclass(frozen=True)
class Kind:
    """One kind of source.

    Attributes:
        written: how the user names one, for messages.
        recognizes: whether a text on the command line means this kind.
        made_by: "module:class" of edge_runtime.sources; imported when a source is made.
        live: whether frames come at their own pace; then it runs in a process of its own, which
            can be killed when it hangs.
        watched_by: the same for --watch; empty where it does not apply.
        sizable: whether --size applies.
        valid: a pattern that a recognized text must match in full.
        expected: for the message where it does not.
        opencv_decodes: whether OpenCV decodes the frames of a recognized text, so far as that can
            be told before it is opened.
    """

    written: str
    recognizes: Callable[[str], bool]
    made_by: str
    live: bool = False
    sizable: bool = False
    watched_by: str = ""
    valid: str = r"(?s).*"
    expected: str = ""
    opencv_decodes: Callable[[str], bool] = _never

    def make(self, text: str, options: SourceOptions) -> Source:
        """The source, in this process and not yet opened. Raises: as `Source`."""
        module, name = (self.watched_by if options.watch else self.made_by).split(":")
        source: Source = getattr(import_module(f"edge_runtime.sources.{module}"), name)(
            text, options
        )
        return source


# The first that recognizes a text has it.
KINDS = (
    Kind(
        "picamera2[:N]",
        _like(r"picamera2(:.*)?"),
        "picamera:PiCamera",
        live=True,
        sizable=True,
        valid=r"picamera2(:\d*)?",
        expected="picamera2:N expected, N the camera's number from 0",
    ),
    Kind(
        "usb:N",
        _like(r"usb(:.*)?"),
        "opencv:OpenCvCamera",
        live=True,
        sizable=True,
        valid=r"usb:\d+",
        expected="usb:N expected, N the camera's number from 0",
        opencv_decodes=_always,
    ),
    # Below /dev/v4l/by-id/ a camera has a name that outlives replugging.
    Kind(
        "/dev/videoN",
        _like(r"/dev/(video|v4l/).*"),
        "opencv:OpenCvCamera",
        live=True,
        sizable=True,
        opencv_decodes=_always,
    ),
    Kind(
        "rtsp://…",
        _like(r"rtsps?://.*"),
        "opencv:OpenCvCamera",
        live=True,
        opencv_decodes=_always,
    ),
    # What it answers decides: nearly all send JPEGs, which Pillow decodes.
    Kind("http://…", _like(r"https?://.*"), "http.camera:HttpCamera", live=True),
    Kind("a video file", _is_video_file, "video:Video", opencv_decodes=_is_opencv_film),
    Kind(
        "a picture, a folder of pictures, or a pattern like 'folder/*.jpg' in quotes",
        _is_images,
        "images:Images",
        watched_by="watched:WatchedImages",
    ),
)


def open_source(text: str, options: SourceOptions) -> Source:
    """The source that `text` means (see KINDS), not yet opened.

    Raises: ValueError for options that do not fit, FileNotFoundError for a path that is not there.
    """
    if not text:  # which a path would take for the folder where the program happens to run
        raise ValueError("--source: a source expected, got nothing; is a variable not set?")
    text = _meant(text)
    kind = kind_of(text)
    _check_options(text, kind, options)
    if kind is None:
        known = ", ".join(kind.written for kind in KINDS)
        shown = public_source(text)
        if shown == HIDDEN:
            shown = "of that name, and an address begins with rtsp:// or http://"
        raise FileNotFoundError(f"no file or folder {shown}; a source is {known}")
    if kind.live:
        from edge_runtime.sources.isolated.supervisor import SupervisedSource

        return SupervisedSource(text, options)
    return kind.make(text, options)


def is_decoded_by_opencv(text: str) -> bool:
    """Whether OpenCV decodes the frames of a source; False for a path that is not there.

    Raises: ValueError as `kind_of`.
    """
    text = _meant(text)
    kind = kind_of(text)
    return kind is not None and kind.opencv_decodes(text)


def _meant(text: str) -> str:
    if text.startswith("~/"):  # in quotes no shell has done it
        text = str(Path(text).expanduser())
    return tidied_source(text)


def open_here(text: str, options: SourceOptions) -> Source:
    """A live source in this very process: what the camera's own process runs.

    Raises: ValueError for a text that means none.
    """
    kind = kind_of(text)
    if kind is None or not kind.live:
        raise ValueError(f"a camera or stream expected, got {public_source(text)}")
    return kind.make(text, options)


def kind_of(text: str) -> Kind | None:
    """The kind of source that `text` means; None for a path that is not there.

    Raises: ValueError for a camera's number that is none, and for an address that is none.
    """
    text = tidied_source(text)
    kind = next((kind for kind in KINDS if kind.recognizes(text)), None)
    if kind is not None and not re.fullmatch(kind.valid, text):
        raise ValueError(f"{kind.expected}, got {public_source(text)!r}")
    if kind is not None and "://" in kind.written:
        check_address(text)
    return kind


def _check_options(text: str, kind: Kind | None, options: SourceOptions) -> None:
    if kind is not None and kind.live and (options.loop or options.realtime):
        flag = "--loop" if options.loop else "--realtime"
        raise ValueError(f"{flag} is for files, got {public_source(text)}; leave it out")
    if options.watch and options.loop:
        raise ValueError(
            "--watch waits for new pictures, --loop shows old ones again; leave one out"
        )
    if options.watch and kind is not None and not kind.watched_by:
        raise ValueError(
            f"--watch is for a folder to which pictures are written, got {public_source(text)}; "
            "leave it out"
        )
    if options.size_wh is not None and not (kind is not None and kind.sizable):
        raise ValueError(
            f"--size is for picamera2 and usb:N, got {public_source(text)}; files and streams "
            "have the size that they were made with"
        )


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    """The flags that `SourceOptions` and `open_source` need."""
    parser.add_argument(
        "--source",
        # Not shown as the default: the environment is where an address with a password belongs.
        default=os.environ.get("EDGE_RUNTIME_SOURCE") or "picamera2",
        metavar="SOURCE",
        help="picamera2[:N], usb:N, rtsp://…, http://… (MJPEG, or a picture a request), a video "
        "file, a folder or glob of pictures "
        "(default: that in $EDGE_RUNTIME_SOURCE, or picamera2)",
    )
    _add_picture_arguments(parser)
    _add_file_arguments(parser)
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


def _add_picture_arguments(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument(
        "--size", type=size_wh, metavar="WxH", help="of a camera's picture (default: 1280x720)"
    )
    parser.add_argument(
        "--max-fps",
        type=positive_number,
        metavar="F",
        help="frames a second at most (default: all; 1 from a camera that gives a picture a "
        "request)",
    )
    parser.add_argument(
        "--rotate",
        type=int,
        choices=ROTATIONS,
        default=0,
        help="degrees clockwise, for a camera upside down or on its side; boxes and saved "
        "pictures are of the turned picture (default: %(default)s)",
    )
    parser.add_argument(
        "--mirror", action="store_true", help="exchange left and right, after --rotate"
    )


def _add_file_arguments(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument(
        "--loop", action="store_true", help="begin files again at their end; look at a folder anew"
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="wait for pictures that a camera uploads to the folder; those that are there already "
        "are left out",
    )
    parser.add_argument(
        "--realtime",
        action="store_true",
        help="take a video file at its own pace and drop frames, as from a camera",
    )
