"""Calibration methods: int8 ranges from what every unit of the float net puts out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from edge_runtime.detector.preprocess import pixel_range
from edge_runtime.detector.spec import DetectorSpec
from train.quantization.calibrate import observe
from train.quantization.fake_quant import Range
from train.quantization.simulated_net import INPUT

SAMPLES = 4096  # values of a tensor that a picture contributes, drawn at random
NARROWEST = 1e-6
SHRINKAGES = np.linspace(0.3, 1, 36)  # of the min-max range, tried by least squares


@dataclass(frozen=True)
class Observed:
    """What every unit put out, picture by picture.

    Attributes:
        pixels: the range of the input.
        ends: by unit, (pictures, 2) smallest and largest value.
        samples: by unit, (pictures, up to SAMPLES) of its values.
    """

    pixels: Range
    ends: Mapping[str, np.ndarray]
    samples: Mapping[str, np.ndarray]


Method = Callable[[Observed], dict[str, Range]]


def observe_all(model: keras.Model, frames: Sequence[np.ndarray], spec: DetectorSpec) -> Observed:
    """Run the float net over pictures, (input_h, input_w, 3) uint8 each."""
    rng = np.random.default_rng(0)
    ends: dict[str, list] = {}
    samples: dict[str, list] = {}
    for found in observe(model, frames, spec):
        for name, values in found.items():
            flat = values.ravel()
            ends.setdefault(name, []).append((flat.min(), flat.max()))
            picked = rng.integers(0, flat.size, min(flat.size, SAMPLES))
            samples.setdefault(name, []).append(flat[picked])
    return Observed(
        pixel_range(spec),
        {name: np.array(rows) for name, rows in ends.items()},
        {name: np.array(rows) for name, rows in samples.items()},
    )


def _min_max(ends: np.ndarray, samples: np.ndarray) -> Range:
    return float(ends[:, 0].min()), float(ends[:, 1].max())


def _mean_of_ends(ends: np.ndarray, samples: np.ndarray) -> Range:
    low, high = ends.mean(axis=0)
    return float(low), float(high)


def _percentile(share: float) -> Callable[[np.ndarray, np.ndarray], Range]:
    def ends_of(ends: np.ndarray, samples: np.ndarray) -> Range:
        low, high = np.percentile(samples, (100 - share, share))
        return float(low), float(high)

    return ends_of


def _least_squares(ends: np.ndarray, samples: np.ndarray) -> Range:
    """The shrunken min-max range with the smallest mean squared rounding error."""
    low, high = _with_zero(_min_max(ends, samples))
    best, found = np.inf, (low, high)
    for shrinkage in SHRINKAGES:
        scale = (high - low) * shrinkage / 255
        zero_point = np.rint(-low * shrinkage / scale)
        steps = np.clip(np.rint(samples / scale) + zero_point, 0, 255) - zero_point
        error = float(np.mean((steps * scale - samples) ** 2))
        if error < best:
            best, found = error, (low * shrinkage, high * shrinkage)
    return found


def _with_zero(ends: Range) -> Range:
    return min(0.0, float(ends[0])), max(NARROWEST, float(ends[1]))


def _for_all(method: Callable[[np.ndarray, np.ndarray], Range]) -> Method:
    def ranges(observed: Observed) -> dict[str, Range]:
        found = {
            name: _with_zero(method(ends, observed.samples[name]))
            for name, ends in observed.ends.items()
        }
        return {INPUT: observed.pixels, **found}

    return ranges


METHODS: dict[str, Method] = {
    "min-max": _for_all(_min_max),
    "mean of min-max": _for_all(_mean_of_ends),
    "99.99 %": _for_all(_percentile(99.99)),
    "99.9 %": _for_all(_percentile(99.9)),
    "least squares": _for_all(_least_squares),
}
