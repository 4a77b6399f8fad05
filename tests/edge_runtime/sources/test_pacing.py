"""When the frames of a live film are due, on a clock that only waiting moves."""

import numpy as np
import pytest

from edge_runtime.sources.pacing import LONGEST_GAP, Pace, next_wanted


class Clock:
    """Time passes only where somebody waits."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def test_pace_waits_for_each_frame():
    clock = Clock()
    pace = Pace(None, clock.wait, clock)
    pace.begin_lap()
    times = []
    for position in (0.0, 0.1, 0.15, 0.4):
        assert pace.wants(position, 0.1)
        times.append(round(clock.now - 100, 6))
        pace.shown()
    assert times == [0, 0.1, 0.15, 0.4] and pace.late == 0


def test_pace_bears_time_stamps_that_jump():
    clock = Clock()
    pace = Pace(None, clock.wait, clock)
    pace.begin_lap()
    times = []
    for position in (0.0, 0.1, 9000.0, 9000.1, 0.0, 0.0):
        assert pace.wants(position, 0.1)
        times.append(round(clock.now - 100, 6))
        pace.shown()
    assert times == [0, 0.1, 0.2, 0.3, 0.4, 0.5]


def test_pace_of_a_lap_after_the_other():
    clock = Clock()
    pace = Pace(None, clock.wait, clock)
    times = []
    for _ in range(3):
        pace.begin_lap()
        for position in (0.0, 0.1):
            assert pace.wants(position, 0.1)
            times.append(round(clock.now - 100, 6))
            pace.shown()
    assert times == [0, 0.1, 0.2, 0.3, 0.4, 0.5]


def test_pace_skips_what_is_late_and_then_is_in_time_again():
    clock = Clock()
    pace = Pace(None, clock.wait, clock)
    pace.begin_lap()
    wanted = []
    for index in range(10):
        if pace.wants(index / 10, 0.1):
            wanted.append(index)
            clock.now += 0.35 if index == 1 else 0  # the reader was busy
            pace.shown()
    assert wanted == [0, 1, 4, 5, 6, 7, 8, 9] and pace.late == 2


def test_pace_shows_something_where_decoding_is_too_slow():
    clock = Clock()
    pace = Pace(None, clock.wait, clock)
    pace.begin_lap()
    shown = []
    for index in range(200):
        clock.now += 0.11  # for a film of 0.1 a frame
        if pace.wants(index / 10, 0.1):
            shown.append(clock.now)
            pace.shown()
    gaps = np.diff(shown)
    assert len(shown) > 10 and gaps.max() < LONGEST_GAP + 0.2


@pytest.mark.parametrize(("fps", "kept"), [(10, 10), (20, 20), (30, 30), (60, 30)])
def test_wanted_rate_of_a_camera_with_30(fps, kept):
    wanted, count = 0.0, 0
    for index in range(300):
        came = 1000 + index / 30 + 0.002 * (index % 3)  # cameras are not punctual
        if came >= wanted:
            wanted = next_wanted(wanted, came, 1 / fps)
            count += 1
    assert abs(count / 10 - kept) <= 0.3
