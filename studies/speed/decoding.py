"""Decoding and suppression against the C++ operator TFLite_Detection_PostProcess."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edge_runtime.detector.detector import Detector
from edge_runtime.detector.spec import AnchorLevel, DetectorSpec
from studies.speed.bare import BareNetwork
from studies.speed.interleaved import Contest, contest, in_turns, thread_seconds
from studies.speed.post_process import Outputs, drawn_outputs, ssd_300, ssd_spec
from studies.speed.rows import Task

OBJECTS = 15
# Mean logit of the background above the classes': of the COCO-like net thousands of candidates are
# left at a threshold of 0.01, of the other few besides the objects.
COCO_BACKGROUND, FEW_BACKGROUND = 7.5, 10.5
THRESHOLDS = (0.5, 0.25, 0.01)
GOALS = {
    "1917 anchors x 90 classes": (0.5, 1.0, 2.0),
    "3000 x 20": (1.0, 1.5, 2.0),
    "digits, 8400 x 10": (0.5, 0.6, 0.8),
}
KEPT_GOAL = 3e-6  # seconds


def tasks(bare: BareNetwork, detector: Detector, picture: np.ndarray) -> Iterator[Task]:
    """bare, detector: the shipped one, whose real outputs for the picture are decoded as well."""
    outputs = (
        drawn_outputs(ssd_300(90), OBJECTS, COCO_BACKGROUND),
        drawn_outputs(ssd_spec(320, (16, 32), 20, 6), OBJECTS, FEW_BACKGROUND),
        real_outputs(bare, detector, picture),
    )
    for (name, goals), each in zip(GOALS.items(), outputs, strict=True):
        for threshold, goal in zip(THRESHOLDS, goals, strict=True):
            yield Task(
                f"decode + NMS against the C++ operator: {name}, threshold {threshold}",
                goal,
                contest(each.ours(threshold), each.operator(threshold)),
            )
    yield Task("each kept detection", KEPT_GOAL * 1e6, _each_kept, unit="us")


def real_outputs(bare: BareNetwork, detector: Detector, picture: np.ndarray) -> Outputs:
    """What the detector's network says of a picture."""
    assert detector.spec is not None
    logits, offsets = detector.invoke(detector.preprocess(picture))
    quantizations = (bare.quantizations[each.shape[1]] for each in (logits, offsets))
    return Outputs(detector.spec, logits, offsets, *quantizations)


def kept_outputs(count: int) -> Outputs:
    """Outputs of which exactly `count` detections are kept, up to 1600: no two overlap."""
    level = AnchorLevel(8, (0.02,), (1.0,))  # smaller than a cell
    spec = DetectorSpec((320, 320), tuple(f"class {number}" for number in range(20)), (level,))
    random = np.random.default_rng(0)
    logits = np.full((1600, 21), -60, np.int8)
    logits[:, 0] = 60
    rows = random.permutation(1600)[:count]
    logits[rows, 0] = -60
    logits[rows, 1 + random.integers(0, 20, count)] = random.integers(20, 100, count)
    return Outputs(spec, logits, np.zeros((1600, 4), np.int8))


def _each_kept(seconds: float) -> Contest:
    """100 kept detections against 10, by 90; in microseconds."""
    many, few = (kept_outputs(count).ours(0.5) for count in (100, 10))
    times = in_turns(lambda: thread_seconds(many, 10), lambda: thread_seconds(few, 10), seconds)
    return Contest.of(times, 1e6 * (times[:, 0] - times[:, 1]) / 90)
