"""Flatbuffer graph editing: tensors, operators and metadata added to a finished .tflite file.

What is there already keeps its numbers and its bytes; additions come behind it. LiteRT's own
generated classes read and write the tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

# Of a buffer's first byte. The schema asks for it (`force_align`), and kernels load by it; Python's
# generated code does not know.
ALIGNMENT = 16

_TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.uint8): schema.TensorType.UINT8,
}


class _AlignedBuilder(flatbuffers.Builder):
    """A builder whose byte vectors begin at multiples of ALIGNMENT."""

    def CreateNumpyVector(self, x: np.ndarray) -> int:  # noqa: N802 - flatbuffers' name
        if x.dtype == np.uint8:
            self.Prep(ALIGNMENT, x.nbytes)
        return int(super().CreateNumpyVector(x))


class GraphEditor:
    """A model of one subgraph and one signature, to which operators are added.

    Tensors are known by their numbers.

    Attributes:
        model: flatbuffers' own `ModelT`, changed in place.
    """

    def __init__(self, model: schema.ModelT) -> None:
        self.model = model
        (self._graph,) = model.subgraphs
        (self._signature,) = model.signatureDefs

    @property
    def input(self) -> int:
        """Number of the only input."""
        (number,) = self._graph.inputs
        return int(number)

    def output(self, name: str) -> int:
        """Number of an output by its name in the signature."""
        found = {entry.name.decode(): entry.tensorIndex for entry in self._signature.outputs}
        return int(found[name])

    def shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(int(side) for side in self._graph.tensors[tensor].shape)

    def is_float(self, tensor: int) -> bool:
        return bool(self._graph.tensors[tensor].type == schema.TensorType.FLOAT32)

    def quantization(self, tensor: int) -> tuple[float, int]:
        """(scale, zero point) of an integer tensor."""
        stored = self._graph.tensors[tensor].quantization
        return float(stored.scale[0]), int(stored.zeroPoint[0])

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: type[np.generic] = np.float32,
        quantization: tuple[float, int] | None = None,
        constant: np.ndarray | None = None,
    ) -> int:
        """Add a tensor of a fixed shape, with a content where `constant` is given."""
        added = schema.TensorT()
        added.name = name.encode()
        added.shape = np.asarray(shape, np.int32)
        added.type = _TYPES[np.dtype(dtype)]
        added.buffer = 0 if constant is None else self._buffer(constant.astype(dtype).tobytes())
        if quantization is not None:
            stored = schema.QuantizationParametersT()
            stored.scale = np.asarray(quantization[:1], np.float32)
            stored.zeroPoint = np.asarray(quantization[1:], np.int64)
            added.quantization = stored
        self._graph.tensors.append(added)
        return len(self._graph.tensors) - 1

    def constant(self, name: str, values: np.ndarray) -> int:
        """Add a tensor with this content."""
        return self.tensor(name, values.shape, values.dtype.type, constant=values)

    def operator(
        self,
        kind: int,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Any = None,
        version: int = 1,
        first: bool = False,
    ) -> None:
        """Add a built-in operator behind all others, or before them.

        Args:
            kind: of `schema.BuiltinOperator`.
            options: its table, such as `schema.SoftmaxOptionsT`.
        """
        added = self._operator(self._code(kind, version), inputs, outputs)
        if options is not None:
            table = type(options).__name__.removesuffix("T")
            added.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            added.builtinOptions = options
        self._graph.operators.insert(0 if first else len(self._graph.operators), added)

    def custom_operator(
        self, name: str, inputs: Sequence[int], outputs: Sequence[int], options: bytes
    ) -> None:
        """Add a custom operator with its options, a flexbuffer, behind all others."""
        code = self._code(schema.BuiltinOperator.CUSTOM, 1, name.encode())
        added = self._operator(code, inputs, outputs)
        added.customOptions = np.frombuffer(options, np.uint8)
        self._graph.operators.append(added)

    def replace_input(self, tensor: int) -> None:
        """From now on the graph's input is `tensor`, under the signature's name for the old one."""
        self._graph.inputs = np.asarray([tensor], np.int32)
        self._signature.inputs[0].tensorIndex = tensor

    def replace_outputs(self, outputs: Mapping[str, int]) -> None:
        """From now on the graph's outputs are these tensors, in this order.

        outputs: name in the signature → tensor.
        """
        self._graph.outputs = np.asarray(list(outputs.values()), np.int32)
        self._signature.outputs = []
        for name, tensor in outputs.items():
            entry = schema.TensorMapT()
            entry.name, entry.tensorIndex = name.encode(), tensor
            self._signature.outputs.append(entry)

    def add_metadata(self, name: str, content: bytes) -> None:
        entry = schema.MetadataT()
        entry.name, entry.buffer = name.encode(), self._buffer(content)
        self.model.metadata = [*(self.model.metadata or []), entry]

    def to_bytes(self) -> bytes:
        """The model as the content of a .tflite file."""
        builder = _AlignedBuilder(1 << 20)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _buffer(self, content: bytes) -> int:
        added = schema.BufferT()
        added.data = np.frombuffer(content, np.uint8)
        self.model.buffers.append(added)
        return len(self.model.buffers) - 1

    def _operator(self, code: int, inputs: Sequence[int], outputs: Sequence[int]) -> Any:
        added = schema.OperatorT()
        added.opcodeIndex = code
        added.inputs = np.asarray(inputs, np.int32)
        added.outputs = np.asarray(outputs, np.int32)
        return added

    def _code(self, kind: int, version: int, custom: bytes | None = None) -> int:
        """Number of the operator's entry in the model's table, added where it is missing."""
        wanted = (kind, version, custom)
        for number, code in enumerate(self.model.operatorCodes):
            found = max(code.builtinCode, code.deprecatedBuiltinCode)
            if (found, code.version, code.customCode) == wanted:
                return number
        added = schema.OperatorCodeT()
        added.builtinCode = kind
        added.deprecatedBuiltinCode = min(kind, 127)  # what readers before 2020 look at
        added.version, added.customCode = version, custom
        self.model.operatorCodes.append(added)
        return len(self.model.operatorCodes) - 1
