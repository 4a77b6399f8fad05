"""Sink interface: what a run calls, and the context that it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from edge_runtime.frame import Frame, Result
from edge_runtime.pipeline.snapshot import Snapshot


def _no_fps() -> float | None:
    return None


def _no_stop() -> None:
    return None


@dataclass(frozen=True)
class Context:
    """The run that a sink belongs to. Any thread may call its functions.

    Attributes:
        model: path of the model file.
        class_names: those that the run reports at its start, in the model's order.
        source: what the user wrote; of an address only scheme, host and port.
        fps: of the source, known once it is open: see `Source`.
        snapshot: state of the run now.
        stop: ends the run.
    """

    model: str
    class_names: tuple[str, ...]
    source: str
    fps: Callable[[], float | None] = _no_fps
    snapshot: Callable[[], Snapshot] = Snapshot
    stop: Callable[[], None] = _no_stop

    def moment(self, frame: Frame) -> float:
        """Time of a frame in seconds: of a live source on the clock of `captured_at`, of a
        recording from its beginning, however fast it is looked at."""
        fps = self.fps()
        return frame.number / fps if fps else frame.captured_at


@dataclass(frozen=True)
class SinkState:
    """State that only the sink itself knows.

    Attributes:
        error: what ails it, or None.
        counters: name → number, beside those of its thread.
    """

    error: str | None = None
    counters: Mapping[str, int] = field(default_factory=dict)


class Sink:
    """Takes results in a thread of its own, so that a slow one holds up nobody.

    `write`, `idle` and `close` are called in that thread. An OSError from `write` (a full disk,
    say) is counted and logged, and the next result is tried again; `SinkClosedError` ends the run
    in good order; anything else is a mistake in the program and ends it.

    Attributes:
        name: short, for counters and messages.
        needs_image: whether `write` looks at `result.frame.image`.
        newest_only: whether it wants the newest result and no queue, as a window does.
        idle_seconds: without a result, after which `idle` is called.
        finishes: whether a file is lost where `close` is not waited for, however long it takes.
    """

    name = "sink"
    needs_image = False
    newest_only = False
    idle_seconds = 1.0
    finishes = False

    def open(self, context: Context) -> None:
        """Open files, connections, windows: called once, in the main thread, before the source is
        opened.

        Raises: OSError, ValueError, ImportError: what was expected, what came, what to do.
        """

    def write(self, result: Result) -> bool | None:
        """Take one result. Returns: False where there was nothing to do with it."""
        raise NotImplementedError

    def idle(self) -> None:
        """Do what is due without a result: called each time none has come for `idle_seconds`."""

    def state(self) -> SinkState:
        """Counters of its own, and what ails it. Called from any thread, once it is open."""
        return SinkState()

    def hurry(self) -> None:
        """Have a `write` that takes long leave off, for `close` to come: the run is to end. Called
        from another thread, any number of times."""

    def close(self) -> None:
        """Finish files and connections, within a second. Called once, after the last `write`."""


class SinkClosedError(Exception):
    """Nobody reads any more: the window was closed, or the pipe's other end, which is said in the
    message, as results may be missed there."""


def whole_image(frame: Frame) -> np.ndarray:
    """Whole image of a frame, (H, W, 3) RGB uint8: there for every sink that `needs_image`."""
    assert frame.image is not None, "a sink that needs images says so in needs_image"
    return frame.image
