"""Switchable int8 net: a switch for every unit, so that any of them can be returned to float.

One compiled graph serves all questions: building a net for each block would take longer than all
of the measuring. The arithmetic is that of train/quantization/simulated_net.py, and tests hold the
two together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import keras
import numpy as np
from keras import ops

from train.quantization.fake_quant import FoldedConvolution, Range
from train.quantization.fused_ops import MOVING, FusedOp, find_ops
from train.quantization.simulated_net import INPUT, Quantization


class SwitchableConvolution(FoldedConvolution):
    """A folded convolution whose weights are rounded, and whose bias is shifted, while `on`."""

    def __init__(self, unit: FusedOp, quantization: Quantization, suffix: str) -> None:
        convolution = unit.layers[0]
        bias_delta = quantization.bias_deltas.get(convolution.name)
        weight_delta = quantization.weight_deltas.get(convolution.name)
        super().__init__(convolution, unit.batch_norm, True, bias_delta, weight_delta)
        self.name: str = f"{convolution.name}_folded_{suffix}"
        self.on = _switch(self.name)

    def folded(self) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        kernel, bias = super().folded()
        # In float a unit has its own bias: the delta makes up for rounding.
        return kernel, bias - (1.0 - self.on) * self.bias_delta

    def rounded(
        self, kernel: keras.KerasTensor, bias: keras.KerasTensor | float = 0.0
    ) -> keras.KerasTensor:
        return ops.where(self.on > 0, super().rounded(kernel, bias), kernel)


class SwitchableRange(keras.Layer):
    """Rounds an activation to the steps of its range while `on`."""

    def __init__(self, range_: Range, name: str) -> None:
        super().__init__(name=name)
        self.range, self.on = range_, _switch(name)

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        rounded = keras.quantizers.fake_quant_with_min_max_vars(x, *self.range)
        return ops.where(self.on > 0, rounded, x)


def _switch(name: str) -> keras.Variable:
    return keras.Variable(1.0, trainable=False, name=f"{name}_on".replace("/", "_"))


class SwitchableNet:
    """A detector whose units are in int8 or in float, each as its switches say.

    Args:
        model: the float detector.
        quantization: a unit without a range in it keeps its output in float.

    Attributes:
        units: that something can be rounded of, in order of computing.
        range_names: by unit, whose range its output has: the parts of a concatenation take its own.
        output_ops: by output, the unit whose range it has.
    """

    def __init__(self, model: keras.Model, quantization: Quantization) -> None:
        units, outputs = find_ops(model)
        self.ranges = dict(quantization.ranges)
        self.units = [unit for unit in units if not isinstance(unit.layers[-1], MOVING)]
        self.range_names = {INPUT: INPUT, **_range_names(units)}
        self.output_ops = {
            name: _owner(number, units)
            for name, number in zip(sorted(model.output), outputs, strict=True)
        }
        self._quantization = quantization
        self._weights: dict[str, SwitchableConvolution] = {}
        self._outputs: dict[str, SwitchableRange] = {}
        picture = keras.Input(model.input_shape[1:])
        tensors = {0: self._round(picture, INPUT, "whole")}
        for unit in units:
            x = self._compute(unit, [tensors[n] for n in unit.inputs], "whole")
            tensors[unit.output] = self._round(x, unit.name, "whole") if unit.rounds else x
        found = [tensors[number] for number in outputs]
        self._net = keras.Model(picture, keras.tree.pack_sequence_as(model.output, found))
        seen = {unit.name: tensors[unit.output] for unit in self.units}
        self._probe = keras.Model(picture, {INPUT: tensors[0], **seen})
        self._alone = self._build_alone(units, tensors, picture)

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """logits (B, N, C + 1) and offsets (B, N, 4)."""
        return self._net.predict_on_batch(images)

    def observe(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """The output of every unit, and the picture as INPUT, by name."""
        return self._probe.predict_on_batch(images)

    def observe_alone(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """As `observe`, with each unit rounded alone, on what the float net gives it."""
        with self.switched(weights=False, outputs=False):
            return self._alone.predict_on_batch(images)

    def round(self, values: np.ndarray, name: str) -> np.ndarray:
        """To the steps of the range of that name, if it has one."""
        if name not in self.ranges:
            return values
        return np.asarray(keras.quantizers.fake_quant_with_min_max_vars(values, *self.ranges[name]))

    @contextmanager
    def switched(
        self, in_float: Collection[str] = (), weights: bool = True, outputs: bool = True
    ) -> Iterator[None]:
        """While it lasts: some units in float, or all weights, or all activations."""
        switches = [(name, layer.on, weights) for name, layer in self._weights.items()]
        switches += [(name, layer.on, outputs) for name, layer in self._outputs.items()]
        off = [switch for name, switch, on in switches if not on or name in in_float]
        for switch in off:
            switch.assign(0.0)
        try:
            yield
        finally:
            for switch in off:
                switch.assign(1.0)

    def _build_alone(
        self,
        units: Sequence[FusedOp],
        tensors: Mapping[int, keras.KerasTensor],
        picture: keras.KerasTensor,
    ) -> keras.Model:
        """Beside the net, which runs in float then, every unit once more with its switches on."""
        kept = self._weights, self._outputs
        self._weights, self._outputs = {}, {}
        alone = {INPUT: self._round(picture, INPUT, "alone")}
        for unit in units:
            if unit in self.units:
                x = self._compute(unit, [tensors[n] for n in unit.inputs], "alone")
                alone[unit.name] = self._round(x, unit.name, "alone") if unit.rounds else x
        self._weights, self._outputs = kept
        return keras.Model(picture, alone)

    def _compute(
        self, unit: FusedOp, inputs: list[keras.KerasTensor], suffix: str
    ) -> keras.KerasTensor:
        x = inputs if len(inputs) > 1 else inputs[0]
        if unit.convolves:
            layer = SwitchableConvolution(unit, self._quantization, suffix)
            self._weights[unit.name] = layer
            x = layer(x)
        for layer in unit.rest:
            config = {**layer.get_config(), "name": f"{layer.name}_{suffix}"}
            x = (layer if layer.weights else type(layer).from_config(config))(x)
        return x

    def _round(self, x: keras.KerasTensor, name: str, suffix: str) -> keras.KerasTensor:
        if name not in self.ranges:
            return x
        layer = SwitchableRange(self.ranges[name], f"{name}_range_{suffix}")
        self._outputs[name] = layer
        return layer(x)


def _range_names(units: list[FusedOp]) -> Mapping[str, str]:
    owners: dict[int, str] = {}
    names: dict[str, str] = {}
    for unit in reversed(units):
        names[unit.name] = unit.name if unit.rounds else owners.get(unit.output, unit.name)
        for number in unit.inputs:
            owners.setdefault(number, names[unit.name])
    return names


def _owner(number: int, units: list[FusedOp]) -> str:
    """The unit behind which a tensor is rounded: what only moves numbers keeps their range."""
    unit = next(unit for unit in units if unit.output == number)
    return _owner(unit.inputs[0], units) if isinstance(unit.layers[-1], MOVING) else unit.name
