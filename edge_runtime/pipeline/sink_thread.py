"""Sink thread: runs one sink, so that a slow or failing one holds up nobody."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress

from edge_runtime.frame import Result
from edge_runtime.latest_queue import ClosedError, LatestQueue
from edge_runtime.pipeline.snapshot import SinkCounters
from edge_runtime.sinks.base import Sink, SinkClosedError, SinkState
from edge_runtime.system.log_limit import LogLimit

log = logging.getLogger(__name__)

# What may wait for one sink. Results that lie with several sinks share their image: of 1280x720 it
# has 2.8 MB, of 3840x2160 24.9 MB.
QUEUE = 8
QUEUE_BYTES = 50_000_000


class SinkThread:
    """Runs one sink. `put` never waits where results are live.

    Attributes:
        name, finishes: of the sink.
        written: results that the sink took.
        failed: results that it could not take.
    """

    def __init__(self, sink: Sink, live: bool, fail: Callable[[BaseException], None]) -> None:
        """fail: told of `SinkClosedError` and of mistakes in the program, which end the run."""
        self.name = sink.name
        self.finishes = sink.finishes
        self.written = 0
        self.failed = 0
        self._stored = 0  # of `written`, those that were no business of the sink's left out
        self._closed = False  # in good order
        self._live = live
        self._sink = sink
        self._error: str | None = None
        self._log_limit = LogLimit()  # a full disk fails thirty times a second
        self._broken = False  # whether that was logged, so that the cure is too
        self._fail = fail
        size = 1 if sink.newest_only else QUEUE
        self._queue: LatestQueue[Result] = LatestQueue(
            size,
            wait=not live and not sink.newest_only,
            bytes_of=lambda result: result.frame.nbytes,
            most_bytes=QUEUE_BYTES,
        )
        self._thread = threading.Thread(target=self._work, name=f"sink {sink.name}", daemon=True)

    def start(self) -> None:
        """Begin; the sink is open."""
        self._thread.start()

    def put(self, result: Result) -> None:
        """Queue one result; dropped and counted where a live sink does not keep up."""
        with suppress(ClosedError):  # the run is ending
            self._queue.put(result if self._sink.needs_image else result.without_image)

    def close(self, discard: bool = False) -> None:
        """Take no more results; write those that wait, unless `discard`, which also hurries the
        sink on."""
        self._queue.close(discard)
        if discard:
            self._sink.hurry()

    def join(self, timeout: float | None) -> bool:
        """Wait for the sink to close. Returns: whether it did."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def counters(self) -> SinkCounters:
        """Results of the sink so far, and what it counts itself."""
        started = self._thread.ident is not None  # and so the sink is open
        own = self._sink.state() if started else SinkState()
        return SinkCounters(
            written=self.written,
            dropped=self._queue.dropped,
            failed=self.failed,
            error=self._error or own.error,
            own=own.counters,
        )

    def loss(self) -> str | None:
        """What is lost for good, once the run has ended: everything, or some of a recording, all
        of whose frames count; else None."""
        if self.failed and not self._stored:
            return f"{self.name}: nothing was written ({self._error})"
        if self.failed and not self._live:
            return f"{self.name}: {self.failed} of {self.failed + self.written} results are lost"
        return None

    def has_lost(self) -> bool:
        """True where `loss` says so, or the sink did not close in good order."""
        return not self._closed or self.loss() is not None

    def _work(self) -> None:
        try:
            while True:
                try:
                    result = self._queue.get(self._sink.idle_seconds)
                except ClosedError:
                    break
                if result is None:
                    self._sink.idle()
                else:
                    self._write(result)
        except BaseException as error:
            self._queue.close(discard=True)
            self._fail(error)
        finally:
            try:
                self._sink.close()
                self._closed = True
            except Exception as error:  # the others still want to close their files
                log.error("%s: did not close in good order: %s", self.name, error)

    def _write(self, result: Result) -> None:
        try:
            stored = self._sink.write(result)
        except SinkClosedError:
            raise
        except OSError as error:
            self.failed += 1
            self._error = str(error)
            if self._log_limit.is_due():
                self._broken = True
                log.error("%s: %s (%d lost so far)", self.name, error, self.failed)
        else:
            self.written += 1
            if stored is False:  # which does not show that it works again
                return
            self._stored += 1
            self._error = None
            if self._broken:
                self._broken = False
                log.warning("%s: works again after %d lost", self.name, self.failed)
