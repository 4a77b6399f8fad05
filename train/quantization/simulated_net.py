"""Simulated int8 net: a detector as int8 computes it, in float (Jacob et al. 2018, section 3).

Batch norm is folded into the weights before it. Weights are rounded with one scale a channel,
activations with one range a tensor, at the places where a TensorFlow Lite file has them: behind a
convolution with its batch norm and activation, behind an addition, behind a concatenation. What
only moves numbers about (padding, resizing, reshaping) keeps the range of what it gets.

Calibration, quantization-aware training and the converter share this net, so that the file gets
what was measured or learnt.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import keras
import numpy as np

from train.quantization.fake_quant import FakeQuant, FoldedConvolution, Range, UnitLength
from train.quantization.fused_ops import FusedOp, find_ops

INPUT = "input"  # the name of the pixels' range


@dataclass(frozen=True)
class Quantization:
    """Parameters of int8 beyond the weights.

    Attributes:
        ranges: (low, high) of the picture (INPUT) and of each op that rounds, by name.
        bias_deltas: (channels,) float32 by convolution, which its bias is moved by.
        weight_deltas: float32 by convolution, which its folded kernel is moved by before
            rounding.
    """

    ranges: Mapping[str, Range] = field(default_factory=dict)
    bias_deltas: Mapping[str, np.ndarray] = field(default_factory=dict)
    weight_deltas: Mapping[str, np.ndarray] = field(default_factory=dict)


def check_ranges(model: keras.Model, ranges: Mapping[str, Range], source: object) -> None:
    """Raises: ValueError, naming `source`, unless there is one range for each op that rounds."""
    wanted = {INPUT, *(op.name for op in find_ops(model)[0] if op.rounds)}
    different = sorted(wanted ^ set(ranges))
    if different:
        raise ValueError(
            f"{source}: int8 ranges for the {len(wanted)} tensors of the net expected, got "
            f"{len(ranges)}; {different[0]} is among those that differ; train it again with --qat"
        )


def build_int8_net(
    model: keras.Model,
    quantization: Quantization,
    keep_float: Collection[str] = (),
    learn_ranges: bool = False,
) -> keras.Model:
    """The int8 net of a float detector, with the float detector's own variables inside.

    Args:
        model: functional, of standard layers, with one picture as its input.
        quantization: an op without a range in it stays in float.
        keep_float: names of ops whose weights and output are not rounded.

    Returns: a model of the same inputs and outputs.
    """
    ops, outputs = find_ops(model)

    fixed = {INPUT, *(op.name for op in ops if op.fixed_range)}  # the device's

    def rounded(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        if name in keep_float or name not in quantization.ranges:
            return x
        learn = learn_ranges and name not in fixed
        return FakeQuant(name, quantization.ranges[name], learn)(x)

    picture = keras.Input(model.input_shape[1:], name="image")
    tensors = {0: rounded(picture, INPUT)}
    for op in ops:
        x = [tensors[number] for number in op.inputs]
        x = x if len(x) > 1 else x[0]
        if op.convolves:
            x = fold(op, quantization, rounds=op.name not in keep_float)(x)
        for layer in op.rest:
            x = _copy(layer, op.name in keep_float)(x)
        tensors[op.output] = rounded(x, op.name) if op.rounds else x
    found = [tensors[number] for number in outputs]
    outputs = keras.tree.pack_sequence_as(model.output, found)
    # A name of its own: Keras would number it, and the same model would not give the same file.
    return keras.Model(picture, outputs, name=f"{model.name}_int8")


def fold(op: FusedOp, quantization: Quantization, rounds: bool) -> FoldedConvolution:
    """The layer that computes a convolution and its batch norm at once."""
    convolution = op.layers[0]
    # In float it has its own bias: the delta makes up for rounding.
    bias_delta = quantization.bias_deltas.get(convolution.name) if rounds else None
    weight_delta = quantization.weight_deltas.get(convolution.name)
    return FoldedConvolution(convolution, op.batch_norm, rounds, bias_delta, weight_delta)


def _copy(layer: keras.Layer, keep_float: bool = False) -> keras.Layer:
    """Layers with variables are shared; others know the graph they are in, and are made anew."""
    if isinstance(layer, keras.layers.RMSNormalization) and not keep_float:
        return UnitLength(layer)
    return layer if layer.weights else type(layer).from_config(layer.get_config())
