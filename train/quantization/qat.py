"""Quantization-aware training (Jacob et al. 2018): a float detector learns to live with int8.

The int8 net of train/quantization/simulated_net.py is trained in the float one's place: its forward
pass rounds as the device will, gradients pass as if nothing had been rounded. Batch norm is folded
with the statistics of the float training. Ranges begin where calibration puts them and are learnt
with the weights; they travel in the .keras file, and the converter takes over those very ranges.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from edge_runtime.detector.calibration_record import CALIBRATION_MEMBER, CalibrationRecord
from edge_runtime.detector.resize import resize
from edge_runtime.detector.spec import DetectorSpec, read_spec
from train.data.dataset import DetectionDataset, read_image
from train.quantization.calibrate import calibrate_ranges
from train.quantization.fake_quant import FakeQuant
from train.quantization.learnt_ranges import RANGES_MEMBER, ranges_to_json, read_ranges
from train.quantization.simulated_net import Quantization, build_int8_net
from train.training.checkpoint import load_detector
from train.training.model_views import ModelViews

CALIBRATION_IMAGES = 64  # where the ranges begin; training moves them


def read_float_spec(path: Path, class_names: tuple[str, ...]) -> DetectorSpec:
    """The spec of the detector to go on from.

    Raises: ValueError for one of other classes or of none; FileNotFoundError.
    """
    spec = read_spec(path)
    if spec.class_names != class_names:
        raise ValueError(
            f"{path}: a detector of the data's classes {class_names} expected, got "
            f"{spec.class_names}; give the data that it was trained with"
        )
    return spec


def make_int8_views(
    path: Path, spec: DetectorSpec, dataset: DetectionDataset, seed: int
) -> ModelViews:
    """The detector in `path` and over its variables the int8 net, with ranges to be learnt.

    They begin with those in the file if it has learnt some, else with those of pictures.
    Raises: ValueError for a file that holds no model.
    """
    plain = _load(path)
    ranges = read_ranges(path)
    if ranges is None:
        order = np.random.default_rng(seed).permutation(len(dataset))[:CALIBRATION_IMAGES]
        examples = [dataset[int(index)] for index in order]
        frames = [resize(read_image(example.image_path), spec.input_hw) for example in examples]
        ranges = calibrate_ranges(plain, frames, spec)
    net = build_int8_net(plain, Quantization(ranges), learn_ranges=True)
    calibration = describe_learning(spec, dataset, seed).to_json()

    def members() -> dict[str, str]:
        return {RANGES_MEMBER: ranges_to_json(learnt_ranges(net)), CALIBRATION_MEMBER: calibration}

    return ModelViews(plain, net, members, shared=True)


def describe_learning(
    spec: DetectorSpec, dataset: DetectionDataset, seed: int
) -> CalibrationRecord:
    """Calibration record of learnt ranges, for the int8 file."""
    return CalibrationRecord.of(
        spec,
        dataset.root,
        images=len(dataset),
        split=dataset.split,
        seed=seed,
        boxes=dataset.class_counts(),
        method="learnt by quantisation-aware training",
    )


def _load(path: Path) -> keras.Model:
    model = load_detector(path)
    for layer in model.layers:  # frozen layers could not make up for their own rounding
        # But int8 has no scale of a normalisation of length: the layer behind it has.
        layer.trainable = not isinstance(layer, keras.layers.RMSNormalization)
    return model


def learnt_ranges(net: keras.Model) -> dict[str, tuple[float, float]]:
    """(low, high) by name of the op, of an int8 net."""
    return {layer.of: layer.range() for layer in net.layers if isinstance(layer, FakeQuant)}
