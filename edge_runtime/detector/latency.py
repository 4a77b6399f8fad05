"""Latency: the one stopwatch around preprocessing, inference and postprocessing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from edge_runtime.detector.detections import Detections
from edge_runtime.detector.detector import Detector

# The first runs pay for page faults, thread start and a sleeping clock.
WARM_UP_RUNS = 5
DETECTOR_STEPS = ("preprocess", "inference", "postprocess")
STEPS = (*DETECTOR_STEPS, "end_to_end")


class Prepared(NamedTuple):
    """A picture that is ready for the network.

    Attributes:
        tensor: of `Detector.preprocess`.
        picture_hw: (height, width) of the picture.
        seconds: that it took.
    """

    tensor: np.ndarray
    picture_hw: tuple[int, int]
    seconds: float


class Inferred(NamedTuple):
    """Outputs of the network that wait to be decoded.

    Attributes:
        raw: of `Detector.invoke`.
        picture_hw: (height, width) of the picture that the network saw.
        seconds: that preprocessing and inference took.
    """

    raw: tuple[np.ndarray, ...]
    picture_hw: tuple[int, int]
    seconds: tuple[float, float]


def prepare(detector: Detector, image: np.ndarray) -> Prepared:
    """Preprocess an (H, W, 3) RGB uint8 image, in any thread.

    Raises: TypeError, ValueError for anything but an RGB uint8 image.
    """
    begin = time.perf_counter()
    tensor = detector.preprocess(image)
    return Prepared(tensor, (image.shape[0], image.shape[1]), time.perf_counter() - begin)


def infer(detector: Detector, prepared: Prepared) -> Inferred:
    """Run the network."""
    begin = time.perf_counter()
    raw = detector.invoke(prepared.tensor)
    return Inferred(raw, prepared.picture_hw, (prepared.seconds, time.perf_counter() - begin))


def decode(
    detector: Detector, inferred: Inferred, frame_hw: tuple[int, int] | None = None
) -> tuple[Detections, np.ndarray]:
    """Decode and suppress; may run in another thread than `prepare` and `infer`.

    Args:
        frame_hw: (height, width) of the frame whose pixels the boxes are in; None for the
            picture's.

    Returns: the detections, and (3,) float64 milliseconds of DETECTOR_STEPS.
    """
    begin = time.perf_counter()
    picture_hw = inferred.picture_hw
    detections = detector.postprocess(inferred.raw, frame_hw or picture_hw, picture_hw)
    return detections, 1e3 * np.array([*inferred.seconds, time.perf_counter() - begin])


def for_people(milliseconds: np.ndarray) -> dict[str, float]:
    """(3,) milliseconds as {"preprocess": milliseconds, …} of DETECTOR_STEPS, two decimals."""
    rounded = (round(float(value), 2) for value in milliseconds)
    return dict(zip(DETECTOR_STEPS, rounded, strict=True))


def timed_detect(
    detector: Detector, image: np.ndarray, frame_hw: tuple[int, int] | None = None
) -> tuple[Detections, dict[str, float]]:
    """Detect once, and time each step, see `for_people`. frame_hw: see `decode`."""
    detections, milliseconds = decode(detector, infer(detector, prepare(detector, image)), frame_hw)
    return detections, for_people(milliseconds)


def measure(
    detectors: Sequence[Detector],
    frames: Sequence[np.ndarray],
    runs: int,
    warm_up_runs: int = WARM_UP_RUNS,
    follow: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> list[dict[str, dict[str, float]]]:
    """Time every detector on the same frames, taking turns.

    Turns, not one model after the other: a machine that grows hot or busy then slows all alike,
    and their ratios hold. Who begins a round changes too. Image files are read beforehand.

    Args:
        frames: (H, W, 3) RGB uint8 each, at least one; used in a circle.
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
            detector = detectors[which]
            _, milliseconds = decode(detector, infer(detector, prepare(detector, frame)))
            if number >= 0:
                times[which, number] = *milliseconds, milliseconds.sum()
    return [
        {step: _summary(rows[:, column]) for column, step in enumerate(STEPS)} for rows in times
    ]


def _summary(milliseconds: np.ndarray) -> dict[str, float]:
    return {
        "median": round(float(np.median(milliseconds)), 3),
        "p90": round(float(np.percentile(milliseconds, 90)), 3),
    }
