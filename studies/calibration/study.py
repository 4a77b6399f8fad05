"""Calibration study: AP of the simulated int8 net by number of pictures and calibration method."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import keras
import numpy as np
from tqdm import tqdm

from convert.quantize import calibration_data
from convert.quantize.bias_correction import correct_rounding
from convert.quantize.equalization import equalize
from edge_runtime.detector.postprocess import softmax
from edge_runtime.detector.preprocess import preprocess
from edge_runtime.detector.spec import DetectorSpec
from studies.calibration.methods import METHODS, observe_all
from studies.calibration.report import COUNTS, USUAL, Row
from train.data.dataset import DetectionDataset
from train.evaluation.coco import evaluate
from train.quantization.fake_quant import Range
from train.quantization.simulated_net import Quantization, build_int8_net
from train.training.callbacks import detect_all

LIKELY = 0.1  # the score of anchors whose errors matter
SCORED = 24  # pictures whose scores are compared


def run_study(
    model: keras.Model, spec: DetectorSpec, frames: Sequence[np.ndarray], dataset: DetectionDataset
) -> list[Row]:
    """A row for every number of pictures and every method, the float net's first.

    Channels are equalized by the pictures that calibrate, as `python -m convert` does it.

    Args:
        frames: (input_h, input_w, 3) uint8 each, in random order; prefixes of them calibrate.
        dataset: what AP is measured on.

    Raises: ValueError where there is nothing to measure errors of.
    """
    usual = min(USUAL, len(frames))
    counts = [count for count in COUNTS if count <= len(frames)]
    plan = [(count, "min-max", True, True) for count in counts]
    plan += [(usual, name, True, True) for name in METHODS]
    plan += [(usual, "min-max", True, False), (usual, "min-max", False, False)]
    comparison = _AgainstFloat(model, spec, dataset)
    first = comparison.row(model, None, "float32", None, None)
    if first.score_error is None or first.ap is None:
        raise ValueError(
            f"boxes in split '{dataset.split}' and a detector that gives some anchor a score of "
            f"{LIKELY} expected, got none; train longer or choose another --split"
        )
    rows = [first]
    steps = tqdm(dict.fromkeys(plan), "measuring", unit="row", leave=False, disable=None)
    for (count, equalized), group in groupby(steps, key=lambda step: (step[0], step[3])):
        seen = frames[:count]
        net = equalize(model, seen, spec) if equalized else model
        observed = observe_all(net, seen, spec)
        for _, method, corrected, _ in group:
            int8 = _int8_net(net, spec, seen, METHODS[method](observed), corrected)
            rows.append(comparison.row(int8, count, method, corrected, equalized))
    return rows


def _int8_net(
    model: keras.Model,
    spec: DetectorSpec,
    frames: Sequence[np.ndarray],
    ranges: dict[str, Range],
    corrected: bool,
) -> keras.Model:
    if corrected:
        return build_int8_net(model, correct_rounding(model, ranges, frames, spec))
    return build_int8_net(model, Quantization(ranges))


class _AgainstFloat:
    """Measures nets against the float one on the same pictures."""

    def __init__(self, model: keras.Model, spec: DetectorSpec, dataset: DetectionDataset) -> None:
        self.spec, self.dataset = spec, dataset
        self.reference = self._scores(model)

    def row(
        self,
        net: keras.Model,
        images: int | None,
        method: str,
        corrected: bool | None,
        equalized: bool | None,
    ) -> Row:
        found = detect_all(net, self.dataset, self.spec)
        accuracy = evaluate(self.dataset.examples, found, self.spec.class_names)
        likely = self.reference >= LIKELY
        error = (self._scores(net) - self.reference)[likely]
        rms = float(np.sqrt(np.mean(error**2))) if error.size else None
        return Row(images, method, corrected, equalized, rms, accuracy.ap, accuracy.ap50)

    def _scores(self, net: keras.Model) -> np.ndarray:
        """(pictures, anchors, classes) of the first pictures."""
        frames = calibration_data.load_frames(self.dataset.examples[:SCORED], self.spec)
        logits = [net.predict_on_batch(preprocess(f, self.spec))["logits"][0] for f in frames]
        return np.stack([softmax(row)[:, 1:] for row in logits])
