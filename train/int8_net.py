"""A detector as int8 arithmetic computes it, simulated in float (Jacob et al. 2018, section 3).

Batch norm is folded into the weights before it. Weights are rounded with one scale a channel,
activations with one range a tensor, at the places where a TensorFlow Lite file has them: behind a
convolution with its batch norm and activation, behind an addition, behind a concatenation. What
only moves numbers about (padding, resizing, reshaping) keeps the range of what it gets.

Calibration, quantisation-aware training and the converter share this net, so that the file gets
what was measured or learnt.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import keras
import numpy as np
from keras import layers

from train.fake_quant import FakeQuant, FoldedConvolution, Range

CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D)
ACTIVATIONS = (layers.ReLU, layers.LeakyReLU, layers.Activation)
# In TensorFlow Lite the input and the output of these share one range.
MOVING = (
    layers.AveragePooling2D,
    layers.Cropping2D,
    layers.Dropout,
    layers.Flatten,
    layers.MaxPooling2D,
    layers.Permute,
    layers.Reshape,
    layers.Resizing,
    layers.UpSampling2D,
    layers.ZeroPadding2D,
)
INPUT = "input"  # the name of the pixels' range


@dataclass(frozen=True)
class Unit:
    """What int8 computes in one step: a convolution with what is fused into it, or one layer.

    Attributes:
        layers: of the float net, in order.
        inputs, output: numbers of tensors; 0 is the picture.
        rounds: whether its output has a range of its own.
    """

    layers: tuple[keras.Layer, ...]
    inputs: tuple[int, ...]
    output: int
    rounds: bool = True

    @property
    def name(self) -> str:
        """That of its last layer; its range is called so too."""
        return self.layers[-1].name

    @property
    def convolves(self) -> bool:
        return isinstance(self.layers[0], CONVOLUTIONS)

    @property
    def batch_norm(self) -> layers.BatchNormalization | None:
        """The one to fold into the convolution."""
        norms = [layer for layer in self.layers if isinstance(layer, layers.BatchNormalization)]
        return norms[0] if self.convolves and norms else None

    @property
    def rest(self) -> tuple[keras.Layer, ...]:
        """What follows once batch norm is folded: an activation or nothing, or the one layer."""
        return self.layers[2 if self.batch_norm else 1 :] if self.convolves else self.layers


@dataclass(frozen=True)
class Quantization:
    """What int8 needs to know beyond the weights.

    Attributes:
        ranges: (low, high) of the picture (INPUT) and of each unit that rounds, by name.
        shifts: (channels,) float32 by convolution, which its bias is moved by.
    """

    ranges: Mapping[str, Range] = field(default_factory=dict)
    shifts: Mapping[str, np.ndarray] = field(default_factory=dict)


def find_units(model: keras.Model) -> tuple[list[Unit], list[int]]:
    """The units of a functional model, in order of computing, and the numbers of its outputs."""
    calls, outputs = _trace(model)
    users: dict[int, list[Unit]] = {}
    for call in calls:
        for tensor in call.inputs:
            users.setdefault(tensor, []).append(call)
    units, fused = [], set()
    for call in calls:
        if call.output in fused:
            continue
        unit = call
        for kinds in _fusible(call):
            following = users.get(unit.output, [])
            alone = len(following) == 1 and unit.output not in outputs
            if alone and isinstance(following[0].layers[0], kinds):
                unit = _joined(unit, following[0])
                fused.add(unit.output)
        units.append(unit)
    return _share_ranges(units), outputs


def _fusible(call: Unit) -> tuple[type | tuple[type, ...], ...]:
    """Kinds of layers that int8 computes in one step with this one, in their order."""
    if not call.convolves:
        return ()
    if call.layers[0].activation is not keras.activations.linear:
        return ()
    return (layers.BatchNormalization, ACTIVATIONS)


def _joined(unit: Unit, following: Unit) -> Unit:
    return replace(unit, layers=unit.layers + following.layers, output=following.output)


def _trace(model: keras.Model) -> tuple[list[Unit], list[int]]:
    """Every call of a layer as a unit of its own."""
    numbers: dict[int, int] = {}
    kept, calls = [], []

    def number(tensor) -> int:
        kept.append(tensor)  # so that no other tensor takes its id
        return numbers.setdefault(id(tensor), len(numbers))

    def record(layer, *args, **kwargs):
        inputs = tuple(number(tensor) for tensor in keras.tree.flatten(args))
        output = layer(*args, **kwargs)
        calls.append(Unit((model.get_layer(layer.name),), inputs, number(output)))
        return output

    picture = keras.Input(model.input_shape[1:])
    number(picture)
    copy = keras.models.clone_model(model, input_tensors=picture, call_function=record)
    return calls, [number(tensor) for tensor in keras.tree.flatten(copy.output)]


def _share_ranges(units: list[Unit]) -> list[Unit]:
    """The parts of a concatenation take its range, and what is moved keeps the one it has."""
    shared: set[int] = set()
    result = []
    for unit in reversed(units):
        moving = isinstance(unit.layers[-1], MOVING)
        if isinstance(unit.layers[-1], layers.Concatenate) or (moving and unit.output in shared):
            shared.update(unit.inputs)
        result.append(replace(unit, rounds=not moving and unit.output not in shared))
    return result[::-1]


def build_int8_net(
    model: keras.Model,
    quantization: Quantization,
    keep_float: Collection[str] = (),
    learn_ranges: bool = False,
) -> keras.Model:
    """The int8 net of a float detector, with the float detector's own variables inside.

    Args:
        model: functional, of standard layers, with one picture as its input.
        quantization: a unit without a range in it stays in float.
        keep_float: names of units whose weights and output are not rounded.

    Returns: a model of the same inputs and outputs.
    """
    units, outputs = find_units(model)

    def rounded(x, name: str):
        if name in keep_float or name not in quantization.ranges:
            return x
        return FakeQuant(name, quantization.ranges[name], learn_ranges)(x)

    picture = keras.Input(model.input_shape[1:], name="image")
    tensors = {0: rounded(picture, INPUT)}
    for unit in units:
        x = [tensors[number] for number in unit.inputs]
        x = x if len(x) > 1 else x[0]
        if unit.convolves:
            x = fold(unit, quantization, rounds=unit.name not in keep_float)(x)
        for layer in unit.rest:
            x = _copy(layer)(x)
        tensors[unit.output] = rounded(x, unit.name) if unit.rounds else x
    found = [tensors[number] for number in outputs]
    return keras.Model(picture, keras.tree.pack_sequence_as(model.output, found))


def fold(unit: Unit, quantization: Quantization, rounds: bool) -> FoldedConvolution:
    """The layer that computes a convolution and its batch norm at once."""
    convolution = unit.layers[0]
    shift = quantization.shifts.get(convolution.name)
    return FoldedConvolution(convolution, unit.batch_norm, rounds, shift)


def _copy(layer: keras.Layer) -> keras.Layer:
    """Layers with variables are shared; others know the graph they are in, and are made anew."""
    return layer if layer.weights else type(layer).from_config(layer.get_config())
