"""Source: the interface of cameras, streams, video files and folders of images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

from edge_runtime.frame import Frame

WATCHING = "watching"  # the state of a source that may be well for hours without a frame


class SourceError(RuntimeError):
    """A source that cannot be opened, or that ended with an error: what, why, what to do."""


@dataclass(frozen=True)
class SourceOptions:
    """Options of a source: what the rest of the pipeline wants of it.

    Attributes:
        input_hw: (height, width) of the network's input.
        needs_image: whether a sink shows the whole image; if not, a camera whose processor can
            shrink need not deliver it.
        size_wh: of a camera's image; None for the source's own default.
        max_fps: frames a second that are wanted at most; None for all.
        loop: begin again where a file ends.
        watch: wait for new pictures in a folder.
        realtime: deliver a video file at its own pace, as a camera would.
        rotate: 0, 90, 180 or 270 degrees clockwise, for a camera that hangs otherwise.
        mirror: exchange left and right, after turning.
        stall_after: seconds without a frame after which a camera counts as stalled.
        wait: whether a camera that is not there at the start is waited for.
        keeps_aspect: whether the network wants pictures scaled by one factor, not stretched.
    """

    input_hw: tuple[int, int]
    needs_image: bool = True
    size_wh: tuple[int, int] | None = None
    max_fps: float | None = None
    loop: bool = False
    watch: bool = False
    realtime: bool = False
    rotate: int = 0
    mirror: bool = False
    stall_after: float = 5.0
    wait: bool = False
    keeps_aspect: bool = False


class Source:
    """A context manager and iterator of frames; iterate once, in one thread.

    The iteration ends where a file does. `close` may be called from another thread, any number of
    times: an iteration that waits then ends within a second.

    Attributes:
        live: whether frames come at their own pace, so that old ones are worth nothing. A file's
            frames all count, and wait for the reader.
        fps: frames a second of a recording, once it is open, so that frame N belongs to second
            N / fps of it; 1 for pictures. None for a live source, whose frames come when they come.
        restarts: how often a camera was opened again after it failed or stalled.
        state: "closed", "starting", "running", "stalled", "waiting" (for a camera to come back),
            WATCHING or "ended".
    """

    live = False
    fps: float | None = None
    restarts = 0
    state = "closed"

    def __init__(self, text: str, options: SourceOptions) -> None:
        """`text`: what the user wrote. Raises: ValueError for options that do not fit."""
        self.text = text
        self.options = options
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Frames that the source itself left out."""
        return self._dropped

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
