"""Looks again at what the converter wrote; it leaves operators in float without a word.

The file's own flatbuffer is read, not an interpreter's view of it: an interpreter hides versions,
and its delegates rearrange tensors.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from convert.runtime_versions import OLDEST_RUNTIME, operator_name, too_new
from convert.variants import VARIANTS
from edge_runtime.detector.anchors import make_anchors
from edge_runtime.detector.detector import Detector
from edge_runtime.detector.preprocess import holds_pixels, pixel_quantization
from edge_runtime.detector.spec import DetectorSpec, SpecError, read_spec

# Operators with weights, and the axis of their output channels.
CHANNEL_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 0}
SHOWN = 5  # names of tensors or operators in one finding; more would bury the others

_TYPES = {number: name for name, number in vars(schema.TensorType).items() if name.isupper()}
_FLOAT_TYPES = {"FLOAT16", "FLOAT32", "FLOAT64", "BFLOAT16"}


def read_model(path: str | Path) -> schema.ModelT:
    """The flatbuffer of a .tflite file. Raises: ValueError if it is none."""
    data = Path(path).read_bytes()
    if data[4:8] != b"TFL3":
        raise ValueError(f"{path}: a TFLite file expected, got {data[:8]!r}; convert again")
    return schema.ModelT.InitFromPackedBuf(data, 0)


def find_problems(path: str | Path, variant: str) -> list[str]:
    """Problems of a converted detector: one sentence each; none is the normal case.

    Of every variant: the spec, the tensors' names and shapes, operators and versions that
    OLDEST_RUNTIME knows, and that the device's own `Detector` runs it. Of an int8 input also: a
    range that is the device's pixel range. Of an integer variant also: no float tensor inside,
    weights quantised per channel.

    Raises: FileNotFoundError.
    """
    try:
        spec = read_spec(path)
        model = read_model(path)
    except ValueError as error:
        return [str(error)]
    problems = [
        f"operator {name}, which runtime {OLDEST_RUNTIME} does not run" for name in too_new(model)
    ]
    problems += _interface(model, spec, variant)
    if VARIANTS[variant].integer:
        problems += [*_float_tensors(model), *_weights(model)]
    # The runtime aborts the whole process on some broken files: only sound ones may go on.
    return problems or list(_runs(path, spec))


def _interface(model: schema.ModelT, spec: DetectorSpec, variant: str) -> Iterator[str]:
    signatures = model.signatureDefs or []
    if len(signatures) != 1 or len(model.subgraphs) != 1:
        yield (
            f"one signature on one subgraph expected, got {len(signatures)} on "
            f"{len(model.subgraphs)}"
        )
        return
    tensors = model.subgraphs[0].tensors
    inputs, outputs = signatures[0].inputs, signatures[0].outputs
    found = {entry.name.decode(): tensors[entry.tensorIndex] for entry in outputs}
    found["input"] = tensors[inputs[0].tensorIndex]
    rows = len(make_anchors(spec))
    shapes = {
        "input": (1, *spec.input_hw, 3),
        "logits": (1, rows, spec.num_classes + 1),
        "offsets": (1, rows, 4),
    }
    if set(found) != set(shapes) or len(inputs) != 1:
        yield f"one input and the outputs logits and offsets expected, got {sorted(found)}"
        return
    for name, shape in shapes.items():
        got = tuple(map(int, found[name].shape))
        if got != shape:
            yield f"{name}: shape {shape} expected by the spec, got {got}"
        kind, wanted = _TYPES.get(found[name].type), _wanted_types(variant, name)
        if kind not in wanted:
            yield f"{name}: type {' or '.join(wanted)} expected, got {kind}"
        elif name == "input" and kind == "INT8":
            yield from _input_range(found[name], spec)


def _wanted_types(variant: str, name: str) -> tuple[str, ...]:
    """Of the tensor `name`: what may stay in float depends on what was asked for."""
    row = VARIANTS[variant]
    return (row.input_type,) if name == "input" else row.output_types


def _input_range(tensor: schema.TensorT, spec: DetectorSpec) -> Iterator[str]:
    """The 256 pixel values must fall on the 256 integers, none clipped and none shared."""
    quantization = tensor.quantization
    got = None
    if quantization is not None and quantization.scale is not None:
        got = (float(quantization.scale[0]), int(quantization.zeroPoint[0]))
    if not holds_pixels(got, spec):
        scale, zero_point = pixel_quantization(spec)
        yield (
            f"input: the device's pixel range, scale {scale:.6g} and zero point {zero_point:g}, "
            f"expected, got {got}; the calibration pictures set another one"
        )


def _float_tensors(model: schema.ModelT) -> Iterator[str]:
    for graph in model.subgraphs:
        floats = [t.name.decode() for t in graph.tensors if _TYPES.get(t.type) in _FLOAT_TYPES]
        if floats:
            yield f"no float tensor expected, got {_some(floats)}"
        users = []
        for operator in graph.operators:
            used = [*operator.inputs, *operator.outputs]
            if any(i >= 0 and _TYPES.get(graph.tensors[i].type) in _FLOAT_TYPES for i in used):
                users.append(operator_name(model.operatorCodes[operator.opcodeIndex]))
        if users:
            yield f"no operator on float numbers expected, got {_some(users)}"


def _weights(model: schema.ModelT) -> Iterator[str]:
    for graph in model.subgraphs:
        for operator in graph.operators:
            kind = operator_name(model.operatorCodes[operator.opcodeIndex])
            if kind not in CHANNEL_AXIS:
                continue
            weights = graph.tensors[operator.inputs[1]]
            name = f"weights {weights.name.decode()} of {kind}"
            scales = 0
            if weights.quantization is not None and weights.quantization.scale is not None:
                scales = len(weights.quantization.scale)
            channels = int(weights.shape[CHANNEL_AXIS[kind]])
            if _TYPES.get(weights.type) != "INT8":
                yield f"{name}: type INT8 expected, got {_TYPES.get(weights.type)}"
            elif scales != channels:
                yield f"{name}: a scale for each of {channels} channels expected, got {scales}"


def _runs(path: str | Path, spec: DetectorSpec) -> Iterator[str]:
    try:
        detector = Detector(path, num_threads=1)
        detector.detect(np.full((*spec.input_hw, 3), 128, np.uint8))
    except (SpecError, ValueError, RuntimeError) as error:
        yield f"the device's detector does not run it: {error}"


def _some(names: list[str]) -> str:
    names = list(dict.fromkeys(names))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
