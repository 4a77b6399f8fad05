"""Run statistics: frame rate, latency, detections and losses, given out as a `Snapshot`."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from edge_runtime.frame import Result
from edge_runtime.pipeline.snapshot import (
    BoardState,
    Dropped,
    Latency,
    ModelState,
    SinkCounters,
    Snapshot,
    Throttling,
)
from edge_runtime.sources.base import WATCHING, Source
from edge_runtime.system import board

WINDOW = 300  # results whose times are kept: ten seconds at 30 a second
FPS_SECONDS = 5.0  # short enough to see a stall, long enough to be steady at one frame a second
BOARD_SECONDS = 5.0  # vcgencmd is a process: not for each viewer's question
HEALTHY_SECONDS = 15.0  # a camera may take some seconds to come back without being called broken


class Stats:
    """Counters of one run. Any thread may call any method."""

    def __init__(self, source: Source, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds, the one that `Frame.captured_at` is read from."""
        self._source = source
        self._clock = clock
        self._lock = threading.Lock()
        self._started = clock()
        self._results = 0
        self._detections: Counter[str] = Counter()
        self._times: deque[float] = deque(maxlen=WINDOW)
        self._latencies: deque[float] = deque(maxlen=WINDOW)
        self._steps: dict[str, deque[float]] = {}
        self._captured_at: float | None = None
        self._board: tuple[float, BoardState] | None = None
        self._dropped: Callable[[], int] = int
        self._model: Callable[[], ModelState | None] = lambda: None
        self._sinks: Callable[[], Mapping[str, SinkCounters]] = dict

    def attach(
        self,
        dropped: Callable[[], int],
        model: Callable[[], ModelState],
        sinks: Callable[[], Mapping[str, SinkCounters]],
    ) -> None:
        """Ask a pipeline for its own numbers in each snapshot: frames that it dropped, its model's
        state, and the counters of its sinks by name."""
        self._dropped, self._model, self._sinks = dropped, model, sinks

    def add(self, result: Result) -> None:
        """Count one result."""
        with self._lock:
            self._results += 1
            self._detections.update(result.detections.names)
            self._times.append(self._clock())
            self._latencies.append(1000 * result.latency)
            for step, milliseconds in result.milliseconds.items():
                self._steps.setdefault(step, deque(maxlen=WINDOW)).append(milliseconds)
            self._captured_at = result.frame.captured_at

    def snapshot(self) -> Snapshot:
        """Counters since the start, and the state now."""
        now = self._clock()
        with self._lock:
            counted = self._count(now)
        # Not under the lock: these take locks of their own.
        state = self._source.state
        return replace(
            counted,
            state=state,
            healthy=counted.healthy or state == WATCHING,
            restarts=self._source.restarts,
            dropped=Dropped(self._source.dropped, self._dropped()),
            board=self._read_board(now),
            model=self._model(),
            sinks=self._sinks(),
        )

    def _count(self, now: float) -> Snapshot:
        """Snapshot of what `add` has counted so far."""
        age = None if self._captured_at is None else now - self._captured_at
        return Snapshot(
            uptime_s=round(now - self._started, 1),
            results=self._results,
            fps=round(self._fps(now), 2),
            latency_ms=_latency(self._latencies),
            ms={step: _median(values) for step, values in self._steps.items()},
            frame_age_s=None if age is None else round(age, 2),
            detections=dict(sorted(self._detections.items())),
            healthy=age is not None and age <= HEALTHY_SECONDS,
        )

    def _fps(self, now: float) -> float:
        recent = sum(moment >= now - FPS_SECONDS for moment in self._times)
        span = min(FPS_SECONDS, now - self._started)
        if recent == len(self._times) == WINDOW:  # more came than are kept
            span = now - self._times[0]
        return recent / max(span, 1e-3)

    def _read_board(self, now: float) -> BoardState:
        with self._lock:
            if self._board is not None and now - self._board[0] < BOARD_SECONDS:
                return self._board[1]
        reading = BoardState(
            temperature_c=board.read_temperature(),
            throttling=_throttling(board.read_throttling()),
            memory_bytes=board.read_process_memory(),
        )
        with self._lock:
            self._board = (now, reading)
        return reading


def _throttling(reasons: Mapping[str, Sequence[str]] | None) -> Throttling | None:
    if reasons is None:
        return None
    return Throttling(tuple(reasons["now"]), tuple(reasons["since_boot"]))


def _latency(milliseconds: deque[float]) -> Latency | None:
    if not milliseconds:
        return None
    p90 = round(float(np.percentile(milliseconds, 90)), 2)
    return Latency(median=_median(milliseconds), p90=p90)


def _median(values: deque[float]) -> float:
    return round(float(np.median(values)), 2)
