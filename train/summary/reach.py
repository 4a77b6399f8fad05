"""Receptive field: how many pixels of the input a cell of a map can see."""

from __future__ import annotations

from collections.abc import Iterable

import keras
from keras import layers

from train.quantization.fused_ops import find_ops

WINDOWS = (layers.Conv2D, layers.DepthwiseConv2D, layers.MaxPooling2D, layers.AveragePooling2D)


def receptive_fields(model: keras.Model, names: Iterable[str]) -> dict[str, int]:
    """Side in pixels of the window that a cell depends on at most, by name of the layer.

    From layer to layer r' = r + (k - 1) d j and j' = j s, with kernel k, dilation d, stride s, and
    j the pixels between cells (Araujo et al. 2019, "Computing Receptive Fields"). Of several inputs
    the largest counts. The rim of the picture cuts it off.

    Raises: KeyError for a name that the net has not.
    """
    fields: dict[int, tuple[float, float]] = {0: (1.0, 1.0)}  # by tensor: r, j
    found: dict[str, int] = {}
    for op in find_ops(model)[0]:
        field, jump = (max(values) for values in zip(*map(fields.get, op.inputs), strict=True))
        for layer in op.layers:
            field, jump = _behind(layer, field, jump)
            found[layer.name] = round(field)
        fields[op.output] = field, jump
    return {name: found[name] for name in names}


def _behind(layer: keras.Layer, field: float, jump: float) -> tuple[float, float]:
    if isinstance(layer, layers.Resizing):  # nearest: a cell sees what the one above it sees
        return field, jump * layer.input.shape[1] / layer.output.shape[1]
    if not isinstance(layer, WINDOWS):
        return field, jump
    pools = isinstance(layer, layers.MaxPooling2D | layers.AveragePooling2D)
    size = layer.pool_size[0] if pools else layer.kernel_size[0]
    dilation = 1 if pools else layer.dilation_rate[0]
    return field + (size - 1) * dilation * jump, jump * layer.strides[0]
