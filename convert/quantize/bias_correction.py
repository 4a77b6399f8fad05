"""Bias correction: undoes most of what rounding the weights costs, on calibration pictures.

Rounding a channel's few weights moves its mean output, and the layers behind it add that up: in a
MobileNetV2 this, and not the noise of rounding, is most of what int8 costs. So biases are moved to
put the means back (Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias
Correction", section 4.2; here measured on pictures), and before that the weights of a channel are
rounded such that their errors cancel, see convert/quantize/gptq.py. On blood cells the first
halved the error of scores; the second changed nothing on pictures like those of the calibration,
and took a third off the error on pictures darkened to 0.3, whose means are others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from convert.quantize.gptq import weight_delta_of
from convert.quantize.lights import in_other_lights
from edge_runtime.detector.preprocess import preprocess
from edge_runtime.detector.spec import DetectorSpec
from train.quantization.fake_quant import FakeQuant, Range
from train.quantization.fused_ops import FusedOp, find_ops
from train.quantization.simulated_net import INPUT, Quantization, fold

IMAGES = 32  # means settle early; all activations of a layer are in memory at once
BATCH = 8

Layer = Callable[..., Any]  # of tensors: a Keras layer or a function


def correct_rounding(
    model: keras.Model,
    ranges: Mapping[str, Range],
    frames: Sequence[np.ndarray],
    spec: DetectorSpec,
) -> Quantization:
    """Ranges, and for every convolution how to move its kernel and its bias.

    The float net and the int8 net run side by side, layer by layer: a layer is corrected for what
    the already corrected layers before it deliver.

    Args:
        frames: (input_h, input_w, 3) uint8 each; the first IMAGES are used.
    """
    weight_deltas: dict[str, np.ndarray] = {}
    bias_deltas: dict[str, np.ndarray] = {}
    found = Quantization(ranges, bias_deltas=bias_deltas, weight_deltas=weight_deltas)
    seen = in_other_lights(frames[:IMAGES])
    images = np.concatenate([preprocess(frame, spec) for frame in seen])
    # By number of the tensor: what the float net and what the int8 net have there.
    exact, rounded = {0: images}, {0: _rounded(images, ranges, INPUT)}
    ops, _ = find_ops(model)
    last_use = {number: op for op in ops for number in op.inputs}
    for op in tqdm(ops, "rounding weights", unit="layer", leave=False, disable=None):
        x, y = ([tensors[number] for number in op.inputs] for tensors in (exact, rounded))
        if op.convolves:
            name, layer = op.layers[0].name, fold(op, found, rounds=False)
            weight_deltas[name] = weight_delta_of(layer, y[0])
            x = [_batched(layer.convolve, x)]
            y = [_batched(fold(op, found, rounds=True).convolve, y)]
            bias_deltas[name] = (x[0] - y[0]).mean((0, 1, 2), dtype=np.float64).astype(np.float32)
            y[0] += bias_deltas[name]
        for step in _behind(op):
            x, y = [_batched(step, x)], [_batched(step, y)]
        exact[op.output] = x[0]
        rounded[op.output] = _rounded(y[0], ranges, op.name) if op.rounds else y[0]
        for number in op.inputs:
            if last_use[number] is op:
                exact.pop(number, None)
                rounded.pop(number, None)
    return found


def _behind(op: FusedOp) -> list[Layer]:
    """Part of an operation behind its convolution, if it has one."""
    own = [op.layers[0].activation] if op.convolves else []
    return [*own, *op.rest]


def _batched(layer: Layer, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """A layer's output for many pictures, in parts that fit into memory."""
    outputs = []
    for start in range(0, len(inputs[0]), BATCH):
        parts = [array[start : start + BATCH] for array in inputs]
        outputs.append(np.asarray(layer(parts if len(parts) > 1 else parts[0])))
    return np.concatenate(outputs)


def _rounded(x: np.ndarray, ranges: Mapping[str, Range], name: str) -> np.ndarray:
    return _batched(FakeQuant(name, ranges[name]), [x]) if name in ranges else x
