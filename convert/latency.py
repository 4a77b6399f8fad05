"""How long a picture takes, of several models side by side."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from edge_runtime.detector import Detector

# The first runs pay for page faults, thread start and a sleeping clock.
WARM_UP_RUNS = 5


def measure(
    detectors: Sequence[Detector], frames: Sequence[np.ndarray], runs: int
) -> list[dict[str, dict[str, float]]]:
    """Time every detector on the same frames, taking turns.

    Turns, not one model after the other: a machine that grows hot or busy then slows all alike,
    and their ratios hold. Who begins a round changes too. Pictures are decoded beforehand.

    Args:
        frames: (H, W, 3) uint8 each, at least one; used in a circle.
        runs: of each detector, at least 1, after WARM_UP_RUNS that do not count.

    Returns: for each detector {"inference": {"median", "p90"}, "end_to_end": {…}} in
        milliseconds; end to end is preprocessing, inference and postprocessing with the
        detector's own thresholds.
    """
    times = np.zeros((len(detectors), runs, 2))
    for number in tqdm(
        range(-WARM_UP_RUNS, runs), "latency", unit="round", leave=False, disable=None
    ):
        frame = frames[number % len(frames)]
        for turn in range(len(detectors)):
            which = (turn + number) % len(detectors)
            timed = _time_once(detectors[which], frame)
            if number >= 0:
                times[which, number] = timed
    return [
        {"inference": _summary(rows[:, 0]), "end_to_end": _summary(rows[:, 1])} for rows in times
    ]


def _time_once(detector: Detector, frame: np.ndarray) -> tuple[float, float]:
    """(inference, end to end) in milliseconds."""
    start = time.perf_counter()
    tensor = detector.preprocess(frame)
    before = time.perf_counter()
    raw = detector.invoke(tensor)
    after = time.perf_counter()
    detector.postprocess(raw, frame.shape[:2])
    end = time.perf_counter()
    return (after - before) * 1e3, (end - start) * 1e3


def _summary(milliseconds: np.ndarray) -> dict[str, float]:
    return {
        "median": round(float(np.median(milliseconds)), 3),
        "p90": round(float(np.percentile(milliseconds, 90)), 3),
    }
