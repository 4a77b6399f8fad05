"""What int8, and int8 with a block in float, cost in average precision, with its uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from tqdm import tqdm

from convert.explain.switchable_net import SwitchedNet
from edge_runtime.detector.anchors import make_anchors
from edge_runtime.detector.detector import Detector
from edge_runtime.detector.postprocess import decode_outputs
from edge_runtime.detector.preprocess import preprocess
from edge_runtime.detector.spec import DetectorSpec
from train.data.dataset import Example, read_image
from train.evaluation.coco import (
    IOU_THRESHOLD,
    MAX_DETECTIONS,
    SCORE_THRESHOLD,
    PictureDetections,
    evaluate,
)

BATCH = 4  # pictures
GROUPS = 8  # of pictures, each left out once for the uncertainty

FLOAT, INT8, FILE = "float", "int8", "file"


def measure_ap(
    net: SwitchedNet,
    in_float: Mapping[str, Sequence[str]],
    examples: Sequence[Example],
    spec: DetectorSpec,
    detector: Detector | None = None,
) -> dict[str, dict]:
    """AP of the float net, of int8, of int8 with some units in float, and of an int8 file.

    Differences to int8 have a standard error by the delete-a-group jackknife over pictures (Kott
    2001): what other pictures of this kind would have moved them by.

    Args:
        in_float: names of units by the name of the variant.
        detector: of the file, if there is one.

    Returns: by variant "ap" in [0, 1], None without ground truth, "gain" against int8 and "noise",
        its standard error; under FLOAT, INT8, those of `in_float`, and FILE.
    """
    found = _detect(net, in_float, examples, spec, detector)
    names = spec.class_names
    groups = [_without(examples, found, number) for number in range(_groups(examples))]
    whole = {name: evaluate(examples, seen, names).ap for name, seen in found.items()}
    parts = [
        {name: evaluate(kept, seen, names).ap for name, seen in rest.items()}
        for kept, rest in tqdm(groups, "uncertainty of AP", leave=False, disable=None)
    ]
    return {
        name: {"ap": ap, **_gain(ap, whole[INT8], [(p[name], p[INT8]) for p in parts])}
        for name, ap in whole.items()
    }


def _groups(examples: Sequence[Example]) -> int:
    return GROUPS if len(examples) >= 2 * GROUPS else 0


def _without(examples: Sequence[Example], found: Mapping[str, list], number: int):
    rows = [row for row in range(len(examples)) if row % GROUPS != number]
    return [examples[row] for row in rows], {
        name: [seen[row] for row in rows] for name, seen in found.items()
    }


def _gain(ap: float | None, reference: float | None, parts: list[tuple]) -> dict:
    if ap is None or reference is None:
        return {"gain": None, "noise": None}
    differences = [one - other for one, other in parts if None not in (one, other)]
    if len(differences) < 2:
        return {"gain": ap - reference, "noise": None}
    count = len(differences)
    variance = (count - 1) / count * np.square(differences - np.mean(differences)).sum()
    return {"gain": ap - reference, "noise": float(np.sqrt(variance))}


def _detect(
    net: SwitchedNet,
    in_float: Mapping[str, Sequence[str]],
    examples: Sequence[Example],
    spec: DetectorSpec,
    detector: Detector | None,
) -> dict[str, list[PictureDetections]]:
    settings = {FLOAT: {"weights": False, "outputs": False}, INT8: {}}
    settings |= {name: {"in_float": units} for name, units in in_float.items()}
    found: dict[str, list[PictureDetections]] = {name: [] for name in settings}
    if detector is not None:
        found[FILE] = []
    with tqdm(total=len(examples), desc="AP", unit="picture", leave=False, disable=None) as bar:
        for start in range(0, len(examples), BATCH):
            frames = [read_image(example.image_path) for example in examples[start : start + BATCH]]
            images = np.concatenate([preprocess(frame, spec) for frame in frames])
            for name, setting in settings.items():
                with net.switched(**setting):
                    outputs = net.run(images)
                found[name] += [
                    _decoded(*both, spec)
                    for both in zip(outputs["logits"], outputs["offsets"], strict=True)
                ]
            if detector is not None:
                found[FILE] += [_seen(detector, frame) for frame in frames]
            bar.update(len(frames))
    return found


def _decoded(logits: np.ndarray, offsets: np.ndarray, spec: DetectorSpec) -> PictureDetections:
    thresholds = (SCORE_THRESHOLD, IOU_THRESHOLD, MAX_DETECTIONS)
    return decode_outputs(logits, offsets, make_anchors(spec), spec.variances, *thresholds)


def _seen(detector: Detector, frame: np.ndarray) -> PictureDetections:
    detector.score_threshold, detector.iou_threshold = SCORE_THRESHOLD, IOU_THRESHOLD
    detector.max_detections = MAX_DETECTIONS
    height, width = frame.shape[:2]
    seen = detector.detect(frame)
    size = np.asarray([width, height, width, height], np.float32)
    return seen.boxes / size, seen.scores, seen.class_ids
