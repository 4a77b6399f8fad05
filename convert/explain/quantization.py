"""Quantization with the ranges of a file, read from it and put in place of measured ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from convert.quantize.bias_correction import correct_rounding
from convert.verify import read_model
from edge_runtime.detector.spec import DetectorSpec
from train.quantization.calibrate import calibrate_ranges
from train.quantization.fake_quant import Range
from train.quantization.fused_ops import find_ops
from train.quantization.simulated_net import INPUT, Quantization

INT8 = (-128, 127)  # what an int8 number can be


def replace_ranges(
    given: Mapping[str, Range],
    model: keras.Model,
    frames: Sequence[np.ndarray],
    spec: DetectorSpec,
    source: Path,
) -> Quantization:
    """The given ranges, others measured on frames, and the corrections for both.

    Args:
        given: (low, high) by name of the unit, read from `source`.
        frames: (input_h, input_w, 3) uint8 each.

    Raises: ValueError for a range of a layer that the model lacks.
    """
    measured = calibrate_ranges(model, frames, spec)
    unknown = sorted(set(given) - set(measured))
    if unknown:
        raise ValueError(
            f"{source}: ranges of this model's layers expected, got one of {unknown[0]!r}, which "
            f"it lacks; its layers are {', '.join(list(measured)[:3])} and {len(measured) - 3} more"
        )
    return correct_rounding(model, {**measured, **given}, frames, spec)


def read_tflite_ranges(path: Path, model: keras.Model) -> dict[str, Range]:
    """(low, high) of the input and of every unit that rounds, as an int8 file has them.

    The converter names a tensor after the layers that it was fused from; layers are looked for in
    these names, outputs by signature.

    Args:
        model: the Keras model that the file was converted from.

    Raises: ValueError for a file without int8 input, or one in which less than half of the units
        are found, as in that of another model.
    """
    flat = read_model(path)
    graph, signature = flat.subgraphs[0], flat.signatureDefs[0]
    given = _range(graph.tensors[signature.inputs[0].tensorIndex])
    if given is None:
        raise ValueError(f"{path}: a file with int8 input expected; give that of an int8 variant")
    units, outputs = find_ops(model)
    named = _by_layer(graph)
    ranges = {INPUT: given}
    for unit in units:
        if unit.rounds:
            hits = [named[layer.name] for layer in reversed(unit.layers) if layer.name in named]
            ranges |= {unit.name: hits[0]} if hits else {}
    tensors = {entry.name.decode(): graph.tensors[entry.tensorIndex] for entry in signature.outputs}
    owners = dict(zip(outputs, sorted(model.output), strict=True))
    for unit in units:
        found = _range(tensors[owners[unit.output]]) if unit.output in owners else None
        if unit.rounds and found:
            ranges[unit.name] = found
    wanted = sum(unit.rounds for unit in units)
    if len(ranges) - 1 < wanted / 2:
        raise ValueError(
            f"{path}: int8 ranges of the model's {wanted} layers expected, found "
            f"{len(ranges) - 1}; give the .tflite file that was made of this very model"
        )
    return ranges


def _by_layer(graph: schema.SubGraphT) -> Mapping[str, Range]:
    ranges: dict[str, Range] = {}
    for operator in graph.operators:
        tensor = graph.tensors[operator.outputs[0]]
        found = _range(tensor)
        if found:
            for layer in _layers(tensor.name.decode()):
                ranges.setdefault(layer, found)
    return ranges


def _layers(name: str) -> Iterator[str]:
    """`net_1/block_2_add_1/Add;net_1/…` → block_2_add, …: Keras numbers each use of a layer."""
    for part in name.split(";"):
        for component in part.split("/")[1:-1]:
            yield re.sub(r"(_folded|_range)?_\d+$", "", component)


def _range(tensor: schema.TensorT) -> Range | None:
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or len(quantization.scale) != 1:
        return None
    scale, zero = float(quantization.scale[0]), int(quantization.zeroPoint[0])
    low, high = ((end - zero) * scale for end in INT8)
    return low, high
