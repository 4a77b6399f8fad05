"""Average precision of int8, and of int8 with a block in float, with its uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from convert.benchmark.predict import find, use_accuracy_thresholds
from convert.benchmark.report import minus
from convert.explain.report import ApReport
from convert.explain.switchable_net import SwitchableNet
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


@dataclass(frozen=True)
class Setting:
    """Of the switches, see `SwitchableNet.switched`."""

    in_float: Sequence[str] = ()
    weights: bool = True
    outputs: bool = True


def measure_ap(
    net: SwitchableNet,
    in_float: Mapping[str, Sequence[str]],
    examples: Sequence[Example],
    spec: DetectorSpec,
    detector: Detector | None = None,
) -> dict[str, ApReport]:
    """AP of the float net, of int8, of int8 with some units in float, and of an int8 file.

    Differences to int8 have a standard error by the delete-a-group jackknife over pictures (Kott
    2001): what other pictures of this kind would have moved them by.

    Args:
        in_float: names of units by the name of the variant.
        detector: of the file, if there is one.

    Returns: by variant: FLOAT, INT8, those of `in_float`, and FILE.
    """
    found = _detect(net, in_float, examples, spec, detector)
    names = spec.class_names
    whole = {name: evaluate(examples, seen, names).ap for name, seen in found.items()}
    parts: list[dict[str, float | None]] = []
    for number in tqdm(range(_groups(examples)), "uncertainty of AP", leave=False, disable=None):
        rows = [row for row in range(len(examples)) if row % GROUPS != number]
        kept = [examples[row] for row in rows]
        parts.append(
            {n: evaluate(kept, [seen[row] for row in rows], names).ap for n, seen in found.items()}
        )
    return {
        name: _against_int8(ap, whole[INT8], [minus(part[name], part[INT8]) for part in parts])
        for name, ap in whole.items()
    }


def _groups(examples: Sequence[Example]) -> int:
    return GROUPS if len(examples) >= 2 * GROUPS else 0


def _against_int8(ap: float | None, int8: float | None, parts: Sequence[float | None]) -> ApReport:
    """With the jackknife's standard error of the gain, from the gains without each group."""
    gain = minus(ap, int8)
    gains = np.array([part for part in parts if part is not None])
    count = len(gains)
    if gain is None or count < 2:
        return ApReport(ap, gain, None)
    variance = (count - 1) / count * np.square(gains - np.mean(gains)).sum()
    return ApReport(ap, gain, float(np.sqrt(variance)))


def _detect(
    net: SwitchableNet,
    in_float: Mapping[str, Sequence[str]],
    examples: Sequence[Example],
    spec: DetectorSpec,
    detector: Detector | None,
) -> dict[str, list[PictureDetections]]:
    settings: dict[str, Setting] = {
        FLOAT: Setting(weights=False, outputs=False),
        INT8: Setting(),
        **{name: Setting(in_float=units) for name, units in in_float.items()},
    }
    found: dict[str, list[PictureDetections]] = {name: [] for name in settings}
    if detector is not None:
        use_accuracy_thresholds([detector])
        found[FILE] = []
    with tqdm(total=len(examples), desc="AP", unit="picture", leave=False, disable=None) as bar:
        for start in range(0, len(examples), BATCH):
            frames = [read_image(example.image_path) for example in examples[start : start + BATCH]]
            images = np.concatenate([preprocess(frame, spec) for frame in frames])
            for name, setting in settings.items():
                with net.switched(setting.in_float, setting.weights, setting.outputs):
                    outputs = net.run(images)
                found[name] += [
                    _decoded(*both, spec)
                    for both in zip(outputs["logits"], outputs["offsets"], strict=True)
                ]
            if detector is not None:
                found[FILE] += [find(detector, frame) for frame in frames]
            bar.update(len(frames))
    return found


def _decoded(logits: np.ndarray, offsets: np.ndarray, spec: DetectorSpec) -> PictureDetections:
    thresholds = (SCORE_THRESHOLD, IOU_THRESHOLD, MAX_DETECTIONS)
    return decode_outputs(logits, offsets, make_anchors(spec), spec.variances, *thresholds)
