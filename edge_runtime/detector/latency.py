"""How long a picture takes, of several detectors side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from edge_runtime.detector.detections import Detections
from edge_runtime.detector.detector import Detector

# The first runs pay for page faults, thread start and a sleeping clock.
WARM_UP_RUNS = 5
STEPS = ("preprocess", "inference", "postprocess", "end_to_end")


def measure(
    detectors: Sequence[Detector],
    frames: Sequence[np.ndarray],
    runs: int,
    warm_up_runs: int = WARM_UP_RUNS,
    follow: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> list[dict[str, dict[str, float]]]:
    """Time every detector on the same frames, taking turns.

    Turns, not one model after the other: a machine that grows hot or busy then slows all alike,
    and their ratios hold. Who begins a round changes too. Pictures are decoded beforehand.

    Args:
        frames: (H, W, 3) uint8 each, at least one; used in a circle.
        runs: of each detector, at least 1, after `warm_up_runs` that do not count.
        follow: passes on the numbers of the rounds, and may show how far they are.

    Returns: for each detector {"preprocess": {"median", "p90"}, …} of STEPS, in milliseconds; end
        to end is the other three together, with the detector's own thresholds.
    """
    times = np.zeros((len(detectors), runs, len(STEPS)))
    for number in follow(range(-warm_up_runs, runs)):
        frame = frames[number % len(frames)]
        for turn in range(len(detectors)):
            which = (turn + number) % len(detectors)
            timed = _time_once(detectors[which], frame)
            if number >= 0:
                times[which, number] = timed
    return [
        {step: _summary(rows[:, column]) for column, step in enumerate(STEPS)} for rows in times
    ]


def _time_once(detector: Detector, frame: np.ndarray) -> list[float]:
    """Milliseconds of STEPS."""
    marks = [time.perf_counter()]
    tensor = detector.preprocess(frame)
    marks.append(time.perf_counter())
    raw = detector.invoke(tensor)
    marks.append(time.perf_counter())
    detector.postprocess(raw, frame.shape[:2])
    marks.append(time.perf_counter())
    return [1e3 * seconds for seconds in (*np.diff(marks), marks[-1] - marks[0])]


def _summary(milliseconds: np.ndarray) -> dict[str, float]:
    return {
        "median": round(float(np.median(milliseconds)), 3),
        "p90": round(float(np.percentile(milliseconds, 90)), 3),
    }


def timed_detect(detector: Detector, frame: np.ndarray) -> tuple[Detections, dict[str, float]]:
    """Detections and the milliseconds of each step."""
    marks = [time.perf_counter()]
    tensor = detector.preprocess(frame)
    marks.append(time.perf_counter())
    raw = detector.invoke(tensor)
    marks.append(time.perf_counter())
    detections = detector.postprocess(raw, frame.shape[:2])
    marks.append(time.perf_counter())
    steps = ("preprocess", "inference", "postprocess")
    return detections, {
        step: round(1000 * (end - start), 2)
        for step, start, end in zip(steps, marks[:-1], marks[1:], strict=True)
    }
