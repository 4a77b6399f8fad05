"""Late sink: one whose disk is not there at the start, and that is opened once it is."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable

from edge_runtime.frame import Result
from edge_runtime.sinks.base import Context, Sink, SinkState

log = logging.getLogger(__name__)

AGAIN_SECONDS = 30.0
# What a disk says that is worn out, full, not mounted yet, or away; not a wrong path or right.
PASSING = frozenset(
    getattr(errno, name)
    for name in (
        *("EROFS", "EIO", "ENOSPC", "EDQUOT", "ENODEV", "ENXIO"),
        *("ESTALE", "ENOTCONN", "EHOSTDOWN", "ETIMEDOUT"),
    )
)


class LateSink(Sink):
    """Runs another sink, or counts what it loses until that can be opened.

    A card that is read-only after a power cut must not take the page and the broker with it.
    """

    def __init__(self, sink: Sink, clock: Callable[[], float] = time.monotonic) -> None:
        self._sink = sink
        self._clock = clock
        self._context: Context | None = None
        self._tried_at = float("-inf")
        self.error: OSError | None = None
        self.name = sink.name
        self.needs_image = sink.needs_image
        self.newest_only = sink.newest_only
        self.idle_seconds = sink.idle_seconds
        self.finishes = sink.finishes

    def open(self, context: Context) -> None:
        self._context = context
        try:
            self._sink.open(context)
        except OSError as error:
            if error.errno not in PASSING:
                raise
            self.error = error
            self._tried_at = self._clock()

    def write(self, result: Result) -> bool | None:
        self._try_again()
        if self.error is not None:
            raise self.error
        return self._sink.write(result)

    def idle(self) -> None:
        self._try_again()
        if self.error is None:
            self._sink.idle()

    def state(self) -> SinkState:
        if self.error is not None:
            return SinkState(error=str(self.error))
        return self._sink.state()

    def hurry(self) -> None:
        self._sink.hurry()

    def close(self) -> None:
        if self.error is None:
            self._sink.close()

    def _try_again(self) -> None:
        if self.error is None or self._clock() - self._tried_at < AGAIN_SECONDS:
            return
        self._tried_at = self._clock()
        assert self._context is not None  # `open` comes first
        try:
            self._sink.open(self._context)
        except (OSError, ValueError) as error:
            self.error = error if isinstance(error, OSError) else OSError(str(error))
        else:
            self.error = None
            log.warning("%s: can be written at last", self.name)


def check_some_open(sinks: list[LateSink]) -> None:
    """Raises: OSError where no sink at all could be opened: there is nothing to run for."""
    if sinks and all(sink.error is not None for sink in sinks):
        assert sinks[0].error is not None
        raise sinks[0].error
    for sink in sinks:
        if sink.error is not None:
            log.error("%s: %s; the others go on", sink.name, sink.error)
