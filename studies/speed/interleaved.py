"""Side by side: two ways of doing the same work, timed in turns.

Processor time of the calling thread, not time on the wall: another process on the machine then
takes from neither. What is left, caches and the clock's frequency, changes slowly against a turn
and cancels in the ratio of two that follow each other.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Work = Callable[[], Any]

TURN_SECONDS = 0.004  # of one side's turn: thousands of ticks of the clock
FEWEST_ROUNDS = 15


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of a row's rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: np.ndarray | list[float]) -> Spread:
        low, median, high = np.percentile(values, (25, 50, 75))
        return cls(float(median), float(low), float(high))


@dataclass(frozen=True)
class Contest:
    """Two sides in seconds of processor time a call, and the ratio of the rounds."""

    ours: Spread
    theirs: Spread
    ratio: Spread
    rounds: int

    @classmethod
    def of(cls, times: np.ndarray, ratios: np.ndarray | None = None) -> Contest:
        """times: (rounds, 2) seconds of ours and theirs. ratios: (rounds,), if they are others."""
        ours, theirs = times.T
        if ratios is None:
            ratios = ours / theirs
        return cls(Spread.of(ours), Spread.of(theirs), Spread.of(ratios), len(times))


# Measures a row, in about so many seconds.
Measure = Callable[[float], Contest]


def contest(ours: Work, theirs: Work) -> Measure:
    """Time both in turns, ours first in every other round."""

    def measure(seconds: float) -> Contest:
        calls = _calls(ours), _calls(theirs)
        return Contest.of(
            in_turns(
                lambda: thread_seconds(ours, calls[0]),
                lambda: thread_seconds(theirs, calls[1]),
                seconds,
            )
        )

    return measure


def in_turns(
    ours: Callable[[], float],
    theirs: Callable[[], float],
    seconds: float,
    fewest: int = FEWEST_ROUNDS,
) -> np.ndarray:
    """What the two return, in turns, for about so many seconds: (rounds, 2)."""
    rounds: list[list[float]] = []
    end = time.perf_counter() + seconds
    while len(rounds) < fewest or time.perf_counter() < end:
        row = [0.0, 0.0]
        for side in (0, 1) if len(rounds) % 2 else (1, 0):
            row[side] = (ours, theirs)[side]()
        rounds.append(row)
    return np.asarray(rounds)


def alone(work: Work, seconds: float, clock: Callable[[], float] = time.thread_time) -> Spread:
    """Time one side, for a curve; `time.perf_counter` for a work of several threads."""
    values: list[float] = []
    calls, end = _calls(work), time.perf_counter() + seconds
    while len(values) < FEWEST_ROUNDS or time.perf_counter() < end:
        begin = clock()
        for _ in range(calls):
            work()
        values.append((clock() - begin) / calls)
    return Spread.of(values)


def thread_seconds(work: Work, calls: int = 1) -> float:
    """Processor time of this thread for one of so many calls."""
    begin = time.thread_time()
    for _ in range(calls):
        work()
    return (time.thread_time() - begin) / calls


def _calls(work: Work) -> int:
    """Calls of a turn; it warms up as well."""
    work()
    return max(1, round(TURN_SECONDS / max(1e-7, min(thread_seconds(work) for _ in range(3)))))
