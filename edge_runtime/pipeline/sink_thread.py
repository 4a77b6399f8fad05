"""A thread for each sink."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from edge_runtime.frame import Result
from edge_runtime.latest_queue import ClosedError, LatestQueue
from edge_runtime.sinks.base import Sink, SinkClosedError

log = logging.getLogger(__name__)

QUEUE = 8  # results; a whole picture of 1280x720 is 2.8 MB, and each sink may hold so many
SAY_AGAIN = 60.0  # seconds: a full disk is said once a minute, not thirty times a second


class SinkRunner:
    """Runs one sink. `put` never waits where results are live.

    Attributes:
        written: results that the sink took.
        failed: results that it could not take.
    """

    def __init__(self, sink: Sink, live: bool, fail: Callable[[BaseException], None]) -> None:
        """fail: told of `SinkClosedError` and of mistakes in the program, which end the run."""
        self.sink = sink
        self.written = 0
        self.failed = 0
        self._error: str | None = None
        self._said = float("-inf")
        self._broken = False  # whether that was said, so that the cure is too
        self._fail = fail
        size = 1 if sink.newest_only else QUEUE
        self._box: LatestQueue[Result] = LatestQueue(size, wait=not live and not sink.newest_only)
        self._thread = threading.Thread(target=self._work, name=f"sink {sink.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, result: Result) -> None:
        """Queue one result; dropped and counted where a live sink does not keep up."""
        with suppress(ClosedError):  # the run is ending
            self._box.put(result)

    def close(self, discard: bool = False) -> None:
        """Take no more results; write those that wait, unless `discard`."""
        self._box.close(discard)

    def join(self, timeout: float | None) -> bool:
        """Wait for the sink to close. Returns: whether it did."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def counters(self) -> dict:
        """written, dropped, failed, the last error or None, and what the sink itself counts."""
        own = self.sink.state()
        return own | {
            "written": self.written,
            "dropped": self._box.dropped,
            "failed": self.failed,
            "error": self._error or own.get("error"),
        }

    def _work(self) -> None:
        try:
            while True:
                try:
                    result = self._box.get(self.sink.idle_seconds)
                except ClosedError:
                    break
                if result is None:
                    self.sink.idle()
                else:
                    self._write(result)
        except BaseException as error:
            self._box.close(discard=True)
            self._fail(error)
        finally:
            try:
                self.sink.close()
            except Exception as error:  # the others still want to close their files
                log.error("%s: did not close in good order: %s", self.sink.name, error)

    def _write(self, result: Result) -> None:
        try:
            self.sink.write(result)
        except SinkClosedError:
            raise
        except OSError as error:
            self.failed += 1
            self._error = str(error)
            if time.monotonic() - self._said >= SAY_AGAIN:
                self._said, self._broken = time.monotonic(), True
                log.error("%s: %s (%d lost so far)", self.sink.name, error, self.failed)
        else:
            self.written += 1
            self._error = None
            if self._broken:
                self._broken = False
                log.warning("%s: works again after %d lost", self.sink.name, self.failed)
