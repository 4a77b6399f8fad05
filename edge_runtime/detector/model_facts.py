"""Model facts: what a .tflite file says of its own inputs, outputs and operators.

Read from the flatbuffer, without an interpreter, which a damaged file can make end the process.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from edge_runtime.detector.flatbuffer import FlatbufferError, Table
from edge_runtime.detector.metadata_slots import METADATA_BUFFER

IDENTIFIER = b"TFL3"
CUSTOM_OPERATOR = 32  # number of a builtin operator that stands for a custom one
POST_PROCESS = "TFLite_Detection_PostProcess"

# Of `TensorType` in TFLite's schema, those that an input or output can have.
TYPES = {
    **{0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 5: "string"},
    **{6: "bool", 7: "int16", 9: "int8", 10: "float64", 12: "uint64", 15: "uint32", 16: "uint16"},
}


class _Model(IntEnum):
    OPERATOR_CODES = 1
    SUBGRAPHS = 2
    BUFFERS = 4
    METADATA = 6
    SIGNATURES = 7


class _SubGraph(IntEnum):
    TENSORS = 0
    INPUTS = 1
    OUTPUTS = 2
    OPERATORS = 3


class _Tensor(IntEnum):
    SHAPE = 0
    TYPE = 1
    NAME = 3
    SHAPE_SIGNATURE = 7


class _OperatorCode(IntEnum):
    DEPRECATED_BUILTIN = 0
    CUSTOM = 1
    BUILTIN = 3


class _Operator(IntEnum):
    CODE = 0
    INPUTS = 1
    OUTPUTS = 2
    CUSTOM_OPTIONS = 5


class _Entry(IntEnum):
    """Of `Metadata` and `TensorMap`: a name, and the number of a buffer or a tensor."""

    NAME = 0
    NUMBER = 1


class _Signature(IntEnum):
    INPUTS = 0
    OUTPUTS = 1


@dataclass(frozen=True)
class TensorFacts:
    """An input or output.

    Attributes:
        index: number of the tensor in the file.
        name: of the tensor.
        alias: its name in the signature; "" without one.
        shape: -1 for a side that is not fixed; a batch that is not has the size of the file.
        dtype: as NumPy calls it.
    """

    index: int
    name: str
    alias: str
    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.alias or self.name} {self.dtype} {list(self.shape)}"

    def with_shape(self, shape: tuple[int, ...]) -> TensorFacts:
        return replace(self, shape=shape)


@dataclass(frozen=True)
class CustomOperator:
    """An operator that is not TFLite's own: its name, tensors and options."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: bytes


class ModelFacts:
    """A file's facts.

    Attributes:
        inputs, outputs: in the order of the file.
        custom_operators: in the order in which they run.
        metadata: buffer of the file's TFLite metadata; None without.
    """

    def __init__(self, content: bytes) -> None:
        """Read a file. Raises: FlatbufferError where it is damaged."""
        self._model = Table.root(content, IDENTIFIER)
        graphs = self._model.tables(_Model.SUBGRAPHS)
        if not graphs:
            raise FlatbufferError("no graph in it")
        self._graph = graphs[0]
        self.inputs = self._tensors(_SubGraph.INPUTS, _Signature.INPUTS)
        self.outputs = self._tensors(_SubGraph.OUTPUTS, _Signature.OUTPUTS)
        self.custom_operators = self._custom_operators()
        self.metadata = self._metadata()

    @property
    def post_process(self) -> CustomOperator | None:
        """TFLite_Detection_PostProcess, which suppresses duplicates inside the file."""
        found = [each for each in self.custom_operators if each.name == POST_PROCESS]
        return found[-1] if found else None

    def shapes(self) -> set[tuple[int, ...]]:
        """Of all tensors of the graph, those between its operators as well.

        Raises: FlatbufferError where the file is damaged.
        """
        return {
            tuple(tensor.numbers(_Tensor.SHAPE, "<i4").tolist())
            for tensor in self._graph.tables(_SubGraph.TENSORS)
        }

    def _custom_operators(self) -> tuple[CustomOperator, ...]:
        names = {}
        for number, code in enumerate(self._model.tables(_Model.OPERATOR_CODES)):
            builtin = code.number(_OperatorCode.BUILTIN, "i")
            if max(builtin, code.number(_OperatorCode.DEPRECATED_BUILTIN, "b")) == CUSTOM_OPERATOR:
                names[number] = code.text(_OperatorCode.CUSTOM)
        if not names:
            return ()
        return tuple(
            CustomOperator(
                names[number],
                tuple(operator.numbers(_Operator.INPUTS, "<i4").tolist()),
                tuple(operator.numbers(_Operator.OUTPUTS, "<i4").tolist()),
                operator.content(_Operator.CUSTOM_OPTIONS),
            )
            for operator in self._graph.tables(_SubGraph.OPERATORS)
            if (number := operator.number(_Operator.CODE, "I")) in names
        )

    def _metadata(self) -> bytes | None:
        for entry in self._model.tables(_Model.METADATA):
            if entry.text(_Entry.NAME) == METADATA_BUFFER:
                buffers = self._model.tables(_Model.BUFFERS)
                number = entry.number(_Entry.NUMBER, "I")
                if number >= len(buffers):
                    raise FlatbufferError(f"metadata in buffer {number} of {len(buffers)}")
                content: bytes = buffers[number].content(0)
                return content
        return None

    def _tensors(self, slot: int, signature_slot: int) -> tuple[TensorFacts, ...]:
        tensors = self._graph.tables(_SubGraph.TENSORS)
        signatures = self._model.tables(_Model.SIGNATURES)
        entries = signatures[0].tables(signature_slot) if signatures else []
        aliases = {entry.number(_Entry.NUMBER, "I"): entry.text(_Entry.NAME) for entry in entries}
        found = []
        for index in self._graph.numbers(slot, "<i4").tolist():
            if not 0 <= index < len(tensors):
                raise FlatbufferError(f"tensor {index} of {len(tensors)}")
            tensor = tensors[index]
            signature = tensor.numbers(_Tensor.SHAPE_SIGNATURE, "<i4").tolist()
            shape = tensor.numbers(_Tensor.SHAPE, "<i4").tolist()
            number = tensor.number(_Tensor.TYPE, "b")
            found.append(
                TensorFacts(
                    index,
                    tensor.text(_Tensor.NAME),
                    aliases.get(index, ""),
                    _shape(shape, signature),
                    TYPES.get(number, f"type {number}"),
                )
            )
        return tuple(found)


def _shape(shape: list[int], signature: list[int]) -> tuple[int, ...]:
    """Sides of a tensor: those that the signature leaves open are -1, except the batch.

    Interpreters open a file with `shape`, in which an open batch is one picture.
    """
    if len(signature) != len(shape):
        return tuple(shape)
    return (*(shape[:1] if signature[:1] == [-1] else signature[:1]), *signature[1:])


def post_process_options(options: bytes) -> dict[str, Any]:
    """Options of TFLite_Detection_PostProcess, a flexbuffer map; {} where they cannot be read."""
    from flatbuffers import flexbuffers

    try:
        found = flexbuffers.Loads(options)
    except Exception:  # its reader is unguarded, too; without options a file still works
        return {}
    return found if isinstance(found, dict) else {}
