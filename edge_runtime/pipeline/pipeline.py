"""Pipeline: source → network → decoding → sinks, each in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from edge_runtime.frame import Frame, Result
from edge_runtime.latest_queue import ClosedError, LatestQueue
from edge_runtime.pipeline.reloading_detector import (
    InferredFrame,
    PreparedFrame,
    ReloadingDetector,
)
from edge_runtime.pipeline.sink_thread import SinkThread
from edge_runtime.pipeline.stats import Stats
from edge_runtime.sinks.base import Sink, SinkClosedError
from edge_runtime.sources.base import Source

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
# Ctrl-C ends all within two seconds: until now the source closes, and sinks write what waits…
CLOSING_SECONDS = 1.2
LAST_SECONDS = 1.6  # …and until now they close their files; what waits is thrown away
FINISHING_SECONDS = 12.0  # …but for one that would leave half a file: slow boards, slow cards


class Pipeline:
    """Runs until the source ends, `stop` is called, or something fails that cannot go on.

    From a live source the newest frame wins: what the detector has no time for is dropped and
    counted. A file's frames all come through, at the pace of the slowest sink.

    Attributes:
        stuck: whether, after `run`, a sink is still inside a library that writes its file, and
            would take the process down with it where Python ends.
    """

    def __init__(
        self,
        source: Source,
        detector: ReloadingDetector,
        sinks: Sequence[Sink],
        stats: Stats,
        max_fps: float | None = None,
        on_result: Callable[[Result], None] = lambda result: None,
    ) -> None:
        """Connect the parts; nothing runs yet.

        Args:
            source, sinks: to be opened before `run`, which closes them.
            stats: counts the results, and from now on asks this pipeline for its own numbers.
            max_fps: results a second at most; None for all.
            on_result: called in the decoding thread.
        """
        self.stuck = False
        self._source = source
        self._detector = detector
        self._stats = stats
        self._interval = 1 / max_fps if max_fps else 0.0
        self._on_result = on_result
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._frames: LatestQueue[Frame | PreparedFrame] = LatestQueue(wait=not source.live)
        # What the network has seen is dropped by nothing but a stop, or where decoding fails.
        self._inferred: LatestQueue[InferredFrame] = LatestQueue(wait=True)
        self._sinks = [SinkThread(sink, source.live, self._fail) for sink in sinks]
        self._workers = [
            threading.Thread(target=self._guard, args=(work, end), name=name, daemon=True)
            for name, work, end in (
                ("capture", self._capture, self._end_capture),
                ("infer", self._infer, self._end_infer),
                ("decode", self._decode, self._end_decode),
            )
        ]
        stats.attach(
            dropped=lambda: self._frames.dropped,
            model=detector.state,
            sinks=lambda: {sink.name: sink.counters() for sink in self._sinks},
        )

    def stop(self) -> None:
        """End the run within two seconds. Safe in a signal handler: it only sets a flag."""
        self._stop.set()

    def run(self) -> None:
        """Work until the end. Call in the main thread, which sees the signals.

        Raises: what a part failed with: SourceError, or a mistake in the program.
        """
        for sink in self._sinks:
            sink.start()
        for worker in self._workers:
            worker.start()
        while not self._stop.is_set() and not self._ended.wait(POLL_SECONDS):
            pass
        self._finish()
        for sink in self._sinks:
            if loss := sink.loss():
                log.error("%s", loss)
        if isinstance(self._error, SinkClosedError):
            if str(self._error):
                log.error("%s", self._error)
        elif self._error is not None:
            raise self._error

    def has_lost(self) -> bool:
        """After `run`: whether a sink lost everything, or part of a recording, or its reader."""
        broken_off = isinstance(self._error, SinkClosedError) and bool(str(self._error))
        return broken_off or any(sink.has_lost() for sink in self._sinks)

    def _finish(self) -> None:
        begin = time.monotonic()
        interrupted = self._stop.is_set() or self._error is not None
        if interrupted:
            self._discard()
        self._source.close()
        for sink in self._sinks:
            sink.close()
        for worker in self._workers:
            # One that is still inside OpenCV when Python ends takes the process down with it.
            worker.join(seconds_left(begin + CLOSING_SECONDS))
        for sink in self._sinks:
            if interrupted:
                sink.join(seconds_left(begin + CLOSING_SECONDS))
            else:  # the end of a file: everything is written, and Ctrl-C may still hurry it
                while not sink.join(POLL_SECONDS) and not self._stop.is_set():
                    pass
        if not interrupted:  # Ctrl-C came while the last results were written
            begin = time.monotonic() - CLOSING_SECONDS
        for sink in self._sinks:
            sink.close(discard=True)
        for sink in self._sinks:
            closed = sink.join(seconds_left(begin + LAST_SECONDS))
            if not closed and sink.finishes:
                log.warning("%s: finishing takes longer", sink.name)
                closed = sink.join(seconds_left(begin + FINISHING_SECONDS))
                self.stuck |= not closed
            if not closed:
                log.error("%s: did not close in time", sink.name)

    def _fail(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
        self._ended.set()

    def _guard(self, work: Callable[[], None], end: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # whatever it is, the main thread must hear of it
            self._error = self._error or error
        finally:
            end()  # only now: who hears of the end asks for the error

    def _end_capture(self) -> None:
        if self._error is not None and self._source.live:
            self._discard()
            self._ended.set()
        self._frames.close()  # what a recording has given until now comes through

    def _end_infer(self) -> None:
        self._frames.close(discard=True)
        self._inferred.close()

    def _end_decode(self) -> None:
        self._discard()
        self._ended.set()

    def _discard(self) -> None:
        for queue in (self._frames, self._inferred):
            queue.close(discard=True)

    def _capture(self) -> None:
        try:
            for frame in self._source:
                if self._stop.is_set():
                    break
                # A recording's frames all count, and the network leaves this thread time for them.
                # Of a live source some are dropped, and one prepared ahead would have grown old.
                self._frames.put(frame if self._source.live else self._detector.prepare(frame))
        except ClosedError:
            return

    def _infer(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            self._stop.wait(due - time.monotonic())
            try:
                frame = self._frames.get(POLL_SECONDS)
                self._detector.refresh()
                if frame is None:
                    continue
                # A pause must not be made up for by a burst.
                due = max(due, time.monotonic() - self._interval) + self._interval
                self._inferred.put(self._detector.infer(frame))
            except ClosedError:
                break

    def _decode(self) -> None:
        """Beside the network, which would wait for it otherwise, and find its caches changed."""
        while not self._stop.is_set():
            try:
                inferred = self._inferred.get(POLL_SECONDS)
            except ClosedError:
                break
            if inferred is None:
                continue
            result = self._detector.decode(inferred)
            self._stats.add(result)
            for sink in self._sinks:
                sink.put(result)
            self._on_result(result)


def seconds_left(deadline: float) -> float:
    """Seconds until then, a little where it has passed: what is about to end shall be seen to."""
    return max(0.02, deadline - time.monotonic())
