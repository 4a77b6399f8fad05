"""The int8 range of every activation, measured on calibration pictures.

Ranges are plain minima and maxima. Percentiles and least squares were tried beside them, see
`python -m convert.calibration_study`: on two detectors none was better by more than chance, and
99.9% lost 2 to 3 AP. MobileNetV2's activations end at 6, and what has no end, the narrow layers
between blocks and the logits, needs its outliers: they are the objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from tqdm import tqdm

from edge_runtime.preprocess import pixel_table, preprocess
from edge_runtime.spec import DetectorSpec
from train.fake_quant import Range
from train.int8_net import INPUT, find_units

NARROWEST = 1e-6  # a range has a width, even where a layer is dead


def pixel_range(spec: DetectorSpec) -> Range:
    """What the device's pixels can be, whatever the calibration pictures show."""
    table = pixel_table(spec)
    return min(0.0, float(table[0])), max(0.0, float(table[255]))


def measure_ranges(model, frames: Sequence[np.ndarray], spec: DetectorSpec) -> dict[str, Range]:
    """Smallest and largest value behind every unit that rounds, 0 included.

    Args:
        model: the float detector.
        frames: (input_h, input_w, 3) uint8 each.

    Returns: by name of the unit, and the pixels' as INPUT.
    """
    ranges: dict[str, Range] = {}
    for found in observe(model, frames, spec):
        for name, values in found.items():
            low, high = ranges.get(name, (0.0, NARROWEST))
            ranges[name] = min(low, float(values.min())), max(high, float(values.max()))
    return {INPUT: pixel_range(spec), **ranges}


def observe(
    model, frames: Sequence[np.ndarray], spec: DetectorSpec, progress: str = "calibrating"
) -> Iterator[dict[str, np.ndarray]]:
    """What every unit that rounds puts out, picture by picture, by name of the unit."""
    import keras  # here, since `convert` chooses the backend before Keras is loaded

    units = [unit for unit in find_units(model)[0] if unit.rounds]
    probe = keras.Model(model.input, [unit.layers[-1].output for unit in units])
    names = [unit.name for unit in units]
    for frame in tqdm(frames, progress, unit="picture", leave=False, disable=None):
        outputs = probe.predict_on_batch(preprocess(frame, spec))
        outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
        yield dict(zip(names, outputs, strict=True))
