"""The interface of every sink."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from edge_runtime.frame import Frame, Result


@dataclass(frozen=True)
class Context:
    """What a sink may know of the run that it belongs to.

    Attributes:
        model: path of the model file.
        class_names: those that the run reports, in the model's order.
        source: what the user wrote, with a password in it blotted out.
        fps: of the source, once it is open: see `Source`.
        snapshot: JSON-ready state of the run, from `Stats.snapshot`; callable from any thread.
        stop: ends the run, from any thread.
    """

    model: str
    class_names: tuple[str, ...]
    source: str
    fps: Callable[[], float | None] = field(default=lambda: None)
    snapshot: Callable[[], dict] = field(default=dict)
    stop: Callable[[], None] = field(default=lambda: None)

    def moment(self, frame: Frame) -> float:
        """When a frame was taken, in seconds: of a live source on the clock of `captured_at`, of a
        recording from its beginning, however fast it is looked at."""
        fps = self.fps()
        return frame.number / fps if fps else frame.captured_at


class Sink:
    """Takes results in a thread of its own, so that a slow one holds up nobody.

    `write`, `idle` and `close` are called in that thread. An OSError from `write` (a full disk,
    say) is counted and said, and the next result is tried again; `SinkClosedError` ends the run in
    good order; anything else is a mistake in the program and ends it.

    Attributes:
        name: short, for counters and messages.
        needs_image: whether `write` looks at `result.frame.image`.
        newest_only: whether it wants the newest result and no queue, as a window does.
        idle_seconds: without a result, after which `idle` is called.
    """

    name = "sink"
    needs_image = False
    newest_only = False
    idle_seconds = 1.0

    def open(self) -> None:
        """Called once in the main thread before the first frame.

        Raises: OSError, ValueError, ImportError: what was expected, what came, what to do.
        """

    def write(self, result: Result) -> None:
        """Take one result."""
        raise NotImplementedError

    def idle(self) -> None:
        """Called when no result has come for `idle_seconds`, again and again."""

    def state(self) -> dict:
        """JSON-ready counters of its own, beside the runner's; "error" is what ails it, or None.

        Called from any thread.
        """
        return {}

    def close(self) -> None:
        """Finish files and connections, within a second. Called once, after the last `write`."""


class SinkClosedError(Exception):
    """Nobody reads any more: the pipe's other end or the window was closed."""
