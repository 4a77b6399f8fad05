"""Post-training quantization by TensorFlow's converter: the usual route, as a baseline for ours.

The converter runs the float net on a representative data set, takes minima and maxima as ranges,
and rounds each weight to the nearest step (TensorFlow Lite's guide "Post-training quantization",
"Full integer quantization").
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from convert.errors import hidden_output
from convert.progress import shown
from convert.tflite import INPUT_NAME, open_converter, write
from edge_runtime.detector.preprocess import preprocess
from edge_runtime.detector.spec import DetectorSpec


def convert_with_ptq(
    saved_model: Path, target: Path, frames: Sequence[np.ndarray], spec: DetectorSpec
) -> None:
    """Write an exported float detector as an int8 .tflite file that the converter calibrates.

    Args:
        frames: (input_h, input_w, 3) uint8 each, at least one; calibration frames, which the
            device's own preprocessing turns into the representative data set.

    Raises: ConversionError; OSError where `target` cannot be written.
    """
    with (
        shown(with_extremes(frames), "calibrating int8_converter") as samples,
        hidden_output("quantizing by the TensorFlow converter"),
        warnings.catch_warnings(),
    ):
        # The converter calibrates with an interpreter that TensorFlow itself calls deprecated.
        warnings.filterwarnings("ignore", ".*tf.lite.Interpreter is deprecated", UserWarning)
        converter = open_converter(saved_model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative_dataset(samples, spec)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
        write(converter, target)


def with_extremes(frames: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The frames behind one more: the first with a black and a white pixel in its corners.

    The input then has the device's pixel range, whatever the frames show, and hardly another value
    in the net changes.
    """
    extreme = frames[0].copy()
    extreme[0, 0], extreme[-1, -1] = 0, 255
    return [extreme, *frames]


def representative_dataset(
    frames: Iterable[np.ndarray], spec: DetectorSpec
) -> Callable[[], Iterator[dict[str, np.ndarray]]]:
    """The converter's view of calibration frames: {input name: (1, input_h, input_w, 3) float32}.

    Args:
        frames: with their extremes, see `with_extremes`; gone over as often as the converter asks.
    """

    def samples() -> Iterator[dict[str, np.ndarray]]:
        for frame in frames:
            yield {INPUT_NAME: preprocess(frame, spec)}

    return samples
