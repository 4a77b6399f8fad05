"""Thresholds on outputs while they are still quantised."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from edge_runtime.detector.interpreter import Tensor
from edge_runtime.detector.postprocess import FLOAT, dequantize

MOST_STEP = 0.05  # of a score


def quantization_of(tensor: Tensor) -> tuple[float, int]:
    """(scale, zero point) of an output; FLOAT of one that is not quantised."""
    return tensor.quantization or FLOAT


def raw_threshold(threshold: float, quantization: tuple[float, int]) -> float:
    """The least raw number that may stand for `threshold` or more.

    A step lower than computed: the numbers that it lets through are compared once more.
    """
    if quantization == FLOAT:
        return threshold - 1e-6
    scale, zero_point = quantization
    return math.floor(threshold / scale + zero_point)


def check_score_steps(path: Path, tensor: Tensor) -> None:
    """Refuse an output whose steps are too coarse for scores from 0 to 1.

    One tensor of 8 bits for boxes in pixels and scores has room for no score between 0 and 1, and
    one that is not quantised for none at all: there would be wrong scores, or no detections.
    Raises: ValueError.
    """
    if not np.issubdtype(tensor.dtype, np.integer):
        return
    step = 1.0 if tensor.quantization is None else tensor.quantization[0]
    if step > MOST_STEP:
        raise ValueError(
            f"{path}: scores in steps of {MOST_STEP} at most expected, found an output "
            f"{np.dtype(tensor.dtype).name} {list(tensor.shape)} in steps of {step:.3g}, which "
            "holds no score between; export it with float outputs, or with boxes in fractions"
        )


def to_float(values: np.ndarray, quantization: tuple[float, int]) -> np.ndarray:
    """Raw numbers as the float32 that they stand for."""
    if quantization == FLOAT:
        return values.astype(np.float32, copy=False)
    return dequantize(values, quantization).astype(np.float32)
