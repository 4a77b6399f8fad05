"""Tiny .tflite files of other makers' families: their outputs are numbers that a test chooses.

Written by LiteRT's schema and `flatbuffers`, without a converter. Each output is a constant that
goes through RESHAPE, unless an operator of the test makes it; the input reaches no output.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from flatbuffers import flexbuffers

schema = pytest.importorskip(
    "ai_edge_litert.schema_py_generated", reason="ai-edge-litert has the schema to write files by"
)

TYPES = {
    "float32": 0,
    "int32": 2,
    "uint8": 3,
    "int64": 4,
    "int16": 7,
    "int8": 9,
}


@dataclass
class Output:
    """An output: its name in the graph, its numbers, (scale, zero point), name in the signature."""

    name: str
    values: np.ndarray
    quantization: tuple[float, int] | None = None
    alias: str = ""
    signature: tuple[int, ...] = ()  # as of an Input


@dataclass
class Input:
    name: str = "input"
    shape: tuple[int, ...] = (1, 32, 48, 3)
    dtype: str = "uint8"
    quantization: tuple[float, int] | None = None
    signature: tuple[int, ...] = ()  # the shape with -1 for sides that are not fixed


@dataclass
class TinyFile:
    """A file to write.

    members: name → text of the zip behind it. custom: name of a custom operator that stands in the
    graph, and makes the outputs instead of RESHAPE where it is TFLite_Detection_PostProcess.
    """

    outputs: Sequence[Output]
    inputs: Sequence[Input] = (Input(),)
    members: Mapping[str, str] = field(default_factory=dict)
    metadata: bytes | None = None
    custom: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    deflated: bool = False
    between: Sequence[tuple[int, ...]] = ()  # shapes of float tensors that are no edges
    broken: bool = False  # numbers that are not quantised, added as if: LiteRT aborts the process

    def write(self, path: Path) -> Path:
        path.write_bytes(self.content())
        return path

    def content(self) -> bytes:
        return Graph(self).packed() + self.zip()

    def zip(self) -> bytes:
        if not self.members:
            return b""
        buffer = io.BytesIO()
        kind = zipfile.ZIP_DEFLATED if self.deflated else zipfile.ZIP_STORED
        with zipfile.ZipFile(buffer, "w", kind) as archive:
            for name, text in self.members.items():
                archive.writestr(name, text)
        return buffer.getvalue()


class Graph:
    """The flatbuffer's objects of a TinyFile."""

    def __init__(self, file: TinyFile) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes = []
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.model.subgraphs = [self.graph]
        inputs = [
            self._tensor(each.name, each.shape, each.dtype, each.quantization)
            for each in file.inputs
        ]
        outputs = [
            self._tensor(each.name, each.values.shape, str(each.values.dtype), each.quantization)
            for each in file.outputs
        ]
        for index, each in zip(inputs + outputs, [*file.inputs, *file.outputs], strict=True):
            if each.signature:
                self.graph.tensors[index].shapeSignature = np.array(each.signature, np.int32)
        self.graph.inputs = np.array(inputs, np.int32)
        self.graph.outputs = np.array(outputs, np.int32)
        for index, output in zip(outputs, file.outputs, strict=True):
            if file.custom != "TFLite_Detection_PostProcess" and not file.broken:
                self._reshape(index, output)
        for number, shape in enumerate(file.between):
            self._tensor(f"between_{number}", shape, "float32")
        if file.broken:
            self._operator(schema.BuiltinOperator.ADD, [inputs[0], inputs[0]], outputs[:1])
        if file.custom is not None:
            self._custom(file, inputs, outputs)
        self._sign(file, inputs, outputs)
        if file.metadata is not None:
            entry = schema.MetadataT()
            entry.name, entry.buffer = b"TFLITE_METADATA", self._buffer(file.metadata)
            self.model.metadata = [entry]

    def packed(self) -> bytes:
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _buffer(self, data: bytes) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(data, np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    def _tensor(self, name, shape, dtype, quantization=None, data: bytes | None = None) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape = name.encode(), np.array(shape, np.int32)
        tensor.type = TYPES[dtype]
        tensor.buffer = 0 if data is None else self._buffer(data)
        if quantization is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.array([quantization[0]], np.float32)
            tensor.quantization.zeroPoint = np.array([quantization[1]], np.int64)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def _operator(self, builtin: int, inputs, outputs, custom: bytes | None = None) -> Any:
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.version = builtin, min(builtin, 127), 1
        code.customCode = custom
        self.model.operatorCodes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.model.operatorCodes) - 1
        operator.inputs = np.array(inputs, np.int32)
        operator.outputs = np.array(outputs, np.int32)
        self.graph.operators.append(operator)
        return operator

    def _reshape(self, index: int, output: Output) -> None:
        values = np.ascontiguousarray(output.values)
        flat = self._tensor(
            f"{output.name}_values",
            (values.size,),
            str(values.dtype),
            output.quantization,
            values.tobytes(),
        )
        shape = np.array(values.shape, np.int32)
        shape = self._tensor(f"{output.name}_shape", shape.shape, "int32", None, shape.tobytes())
        self._operator(schema.BuiltinOperator.RESHAPE, [flat, shape], [index])

    def _custom(self, file: TinyFile, inputs: list[int], outputs: list[int]) -> None:
        """TFLite_Detection_PostProcess gets one anchor a row of the "boxes", and its own score."""
        custom = schema.BuiltinOperator.CUSTOM
        if file.custom != "TFLite_Detection_PostProcess":
            self._operator(custom, inputs[:1], [], file.custom.encode())
            return
        anchors = np.asarray(file.options["anchors"], np.float32)
        scores = np.asarray(file.options["scores"], np.float32)
        raw = [
            ("raw_boxes", np.zeros((1, *anchors.shape), np.float32)),
            ("raw_scores", scores[None]),
            ("anchors", anchors),
        ]
        tensors = [
            self._tensor(name, each.shape, "float32", None, each.tobytes()) for name, each in raw
        ]
        order = [outputs[place] for place in file.options.get("order", (0, 1, 2, 3))]
        operator = self._operator(custom, tensors, order, file.custom.encode())
        chosen = {key: file.options[key] for key in ("regular", "of_a_box") if key in file.options}
        options = post_process_options(scores.shape[1] - 1, **chosen)
        operator.customOptions = np.frombuffer(options, np.uint8)

    def _sign(self, file: TinyFile, inputs: list[int], outputs: list[int]) -> None:
        if not any(output.alias for output in file.outputs):
            return
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
        for side, names, indices in (
            ("inputs", [each.name for each in file.inputs], inputs),
            ("outputs", [each.alias for each in file.outputs], outputs),
        ):
            entries = [_entry(name, i) for name, i in zip(names, indices, strict=True)]
            setattr(signature, side, entries)
        self.model.signatureDefs = [signature]


def _entry(name: str, index: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name.encode(), index
    return entry


def post_process_options(classes: int, regular: bool = False, of_a_box: int = 1) -> bytes:
    """A flexbuffer map, as the operator reads it.

    regular: whether suppression is within each class. of_a_box: the most classes of one box.
    """
    builder = flexbuffers.Builder()
    with builder.Map():
        for key, value in {
            "max_detections": 10,
            "max_classes_per_detection": of_a_box,
            "num_classes": classes,
        }.items():
            builder.Key(key)
            builder.Int(value)
        builder.Key("use_regular_nms")
        builder.Bool(regular)
        for key, value in {
            **{"nms_score_threshold": 0.01, "nms_iou_threshold": 0.6},
            **{"y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0},
        }.items():
            builder.Key(key)
            builder.Float(value)
    return bytes(builder.Finish())
