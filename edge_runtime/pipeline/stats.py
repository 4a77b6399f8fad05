"""What a run counts and measures, for the web page, Prometheus, MQTT and the last line."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable

import numpy as np

from edge_runtime.frame import Result
from edge_runtime.sources.base import Source
from edge_runtime.system import board

WINDOW = 300  # results whose times are kept: ten seconds at 30 a second
FPS_SECONDS = 5.0  # short enough to see a stall, long enough to be steady at one frame a second
BOARD_SECONDS = 5.0  # vcgencmd is a process: not for each viewer's question
HEALTHY_SECONDS = 15.0  # a camera may take some seconds to come back without being called broken


class Stats:
    """Counters of one run. Any thread may call any method."""

    def __init__(self, source: Source, clock: Callable[[], float] = time.monotonic) -> None:
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
        self._board: tuple[float, dict] | None = None
        # name → what gives its part of the snapshot, asked each time.
        self.parts: dict[str, Callable[[], dict]] = {}

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

    def snapshot(self) -> dict:
        """JSON-ready: what happened since the start, and how it goes now.

        state: the source's. healthy: whether a frame came in the last `HEALTHY_SECONDS`.
        fps: results a second over the last `FPS_SECONDS`. latency_ms (median, p90) and ms (median
        of each step): of the last `WINDOW` results, None before the first. frame_age_s: since the
        newest frame that was looked at was captured. detections: class name → how many since the
        start. board: temperature_c, throttling, memory_bytes of this process.
        """
        now = self._clock()
        with self._lock:
            age = None if self._captured_at is None else now - self._captured_at
            since = now - FPS_SECONDS
            recent = sum(moment >= since for moment in self._times)
            span = min(FPS_SECONDS, max(now - self._started, 1e-3))
            if recent == len(self._times) == WINDOW:  # more came than are kept
                span = max(now - self._times[0], 1e-3)
            state = {
                "uptime_s": round(now - self._started, 1),
                "results": self._results,
                "fps": round(recent / span, 2),
                "latency_ms": _median_and_p90(self._latencies),
                "ms": {step: _median(values) for step, values in self._steps.items()},
                "frame_age_s": None if age is None else round(age, 2),
                "detections": dict(sorted(self._detections.items())),
            }
        state |= {
            "state": self._source.state,
            "healthy": age is not None and age <= HEALTHY_SECONDS,
            "restarts": self._source.restarts,
            "dropped": {"source": self._source.dropped},
            "board": self._read_board(now),
        }
        for name, part in self.parts.items():
            state.setdefault(name, {}).update(part())
        return state

    def _read_board(self, now: float) -> dict:
        with self._lock:
            if self._board is not None and now - self._board[0] < BOARD_SECONDS:
                return self._board[1]
        reading = {
            "temperature_c": board.read_temperature(),
            "throttling": board.read_throttling(),
            "memory_bytes": board.read_process_memory(),
        }
        with self._lock:
            self._board = (now, reading)
        return reading


def _median(values: deque[float]) -> float:
    return round(float(np.median(values)), 2)


def _median_and_p90(values: deque[float]) -> dict[str, float] | None:
    if not values:
        return None
    return {"median": _median(values), "p90": round(float(np.percentile(values, 90)), 2)}
