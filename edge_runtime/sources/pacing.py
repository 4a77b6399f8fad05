"""Pacing: when the frames of a video that plays in real time are due."""

from __future__ import annotations

import time
from collections.abc import Callable

LONGEST_STEP = 10.0  # seconds between two frames; more is a damaged time stamp
LONGEST_GAP = 1.0  # seconds without a frame, however late: decoding may be slower than the film
ROUNDING = 1e-6  # seconds


def next_wanted(wanted: float, came: float, interval: float) -> float:
    """Time at which the next frame is wanted, for a rate of at most 1 / interval.

    wanted: when this one was. came: when it came, not before. What it was late is made up for, so
    that the rate is kept between frames that do not come at multiples of the interval, but a pause
    is not.
    """
    return (wanted if came - wanted < interval else came) + interval


class Pace:
    """Says of each frame in turn whether it is wanted, once its time has come.

    Attributes:
        late: frames that were not wanted because their time had passed.
    """

    def __init__(
        self,
        max_fps: float | None,
        wait: Callable[[float], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """wait: for so many seconds, or until there is no use in it. clock: in seconds."""
        self.late = 0
        self._interval = 1 / max_fps if max_fps else 0.0
        self._wait = wait
        self._clock = clock
        self._due: float | None = None  # when the frame is, by the clock
        self._position: float | None = None  # of the frame in its file, None before the first
        self._next_wanted = 0.0  # for `max_fps`: nothing that is due before
        self._shown_at = clock()

    def begin_lap(self) -> None:
        """The next frame is the first of its file."""
        self._position = None

    def wants(self, position: float, step: float) -> bool:
        """True if the frame is to be shown; waits until it is due.

        position: its seconds in the file. step: the usual seconds from a frame to the next.
        """
        due = self._advance(position, step)
        if due < self._next_wanted - ROUNDING:
            return False
        now = self._clock()
        if due < now - step and now - self._shown_at < LONGEST_GAP:
            self.late += 1
            return False
        self._wait(max(0.0, due - now))
        self._next_wanted = next_wanted(self._next_wanted, due, self._interval)
        return True

    def shown(self) -> None:
        """The reader has done with the frame and asks for another."""
        self._shown_at = self._clock()

    def _advance(self, position: float, step: float) -> float:
        """Time at which the next frame is due, by the clock."""
        if self._due is None:
            due = self._clock()
        elif self._position is None:  # what a lap is late is not made up for in the next
            due = max(self._due + step, self._clock())
        else:
            passed = position - self._position
            due = self._due + (passed if 0 < passed <= LONGEST_STEP else step)
        self._due, self._position = due, position
        return due
