"""Thresholds on outputs while they are still quantised."""

from __future__ import annotations

import math

import numpy as np

from edge_runtime.detector.interpreter import Tensor
from edge_runtime.detector.postprocess import FLOAT, dequantize


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


def to_float(values: np.ndarray, quantization: tuple[float, int]) -> np.ndarray:
    """Raw numbers as the float32 that they stand for."""
    if quantization == FLOAT:
        return values.astype(np.float32, copy=False)
    return dequantize(values, quantization).astype(np.float32)
