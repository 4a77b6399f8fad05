"""TFLite metadata for tests, written slot by slot with `flatbuffers`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np

from edge_runtime.detector import metadata_slots as slots


class Tables(flatbuffers.Builder):
    """A builder of whole tables: {slot: (kind of flatbuffers' Prepend…Slot, value)}."""

    def table(self, fields: dict[int, tuple[str, Any]]) -> int:
        self.StartObject(max(fields, default=0) + 1)
        for slot, (kind, value) in fields.items():
            getattr(self, f"Prepend{kind}Slot")(int(slot), value, 0)
        return self.EndObject()

    def vector(self, offsets: Sequence[int]) -> tuple[str, int]:
        self.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.PrependUOffsetTRelative(offset)
        return "UOffsetTRelative", self.EndVector()

    def numbers(self, values: Any, dtype: str) -> tuple[str, int]:
        return "UOffsetTRelative", self.CreateNumpyVector(np.asarray(values, dtype))

    def text(self, text: str) -> tuple[str, int]:
        return "UOffsetTRelative", self.CreateString(text)


def at(offset: int) -> tuple[str, int]:
    return "UOffsetTRelative", offset


@dataclass
class Info:
    """Of one tensor: its name, label file, mean and std, order and kind of a box's sides."""

    name: str
    labels: str = ""
    mean: Sequence[float] = ()
    std: Sequence[float] = ()
    box_order: Sequence[int] = ()
    box_kind: int = 1  # boundaries
    normalized: bool = False  # options of it even without mean and std


def make_metadata(
    inputs: Sequence[Info], outputs: Sequence[Info], detector: bytes | None = None
) -> bytes:
    """A buffer TFLITE_METADATA; detector: of its DETECTOR_METADATA."""
    b = Tables(1024)
    graph = {
        slots.SubGraphMetadata.INPUTS: b.vector([_tensor(b, info) for info in inputs]),
        slots.SubGraphMetadata.OUTPUTS: b.vector([_tensor(b, info) for info in outputs]),
    }
    if detector is not None:
        custom = {
            slots.CustomMetadata.NAME: b.text(slots.DETECTOR_METADATA),
            slots.CustomMetadata.DATA: at(b.CreateByteVector(detector)),
        }
        graph[slots.SubGraphMetadata.CUSTOM] = b.vector([b.table(custom)])
    root = {
        slots.ModelMetadata.NAME: b.text("tiny"),
        slots.ModelMetadata.SUBGRAPHS: b.vector([b.table(graph)]),
    }
    b.Finish(b.table(root), file_identifier=slots.METADATA_IDENTIFIER)
    return bytes(b.Output())


def _tensor(b: Tables, info: Info) -> int:
    fields = {slots.TensorMetadata.NAME: b.text(info.name)}
    if info.labels:
        file = {
            slots.AssociatedFile.NAME: b.text(info.labels),
            slots.AssociatedFile.TYPE: ("Int8", slots.AssociatedFileType.VALUE_LABELS),
        }
        fields[slots.TensorMetadata.FILES] = b.vector([b.table(file)])
    if info.mean or info.normalized:
        numbers = {slots.Normalization.MEAN: info.mean, slots.Normalization.STD: info.std}
        options = {slot: b.numbers(each, "<f4") for slot, each in numbers.items() if each}
        unit = {
            slots.ProcessUnit.OPTIONS_TYPE: ("Uint8", 1),
            slots.ProcessUnit.OPTIONS: at(b.table(options)),
        }
        fields[slots.TensorMetadata.PROCESS_UNITS] = b.vector([b.table(unit)])
    if info.box_order:
        box = {
            slots.BoundingBoxProperties.INDEX: b.numbers(info.box_order, "<u4"),
            slots.BoundingBoxProperties.TYPE: ("Int8", info.box_kind),
        }
        content = {
            slots.Content.PROPERTIES_TYPE: ("Uint8", slots.ContentProperties.BOUNDING_BOX),
            slots.Content.PROPERTIES: at(b.table(box)),
        }
        fields[slots.TensorMetadata.CONTENT] = at(b.table(content))
    return b.table(fields)


def make_decoding(
    anchors: Sequence[Sequence[float]],
    scales: Sequence[float] = (10, 10, 5, 5),
    exponential: bool = True,
    sigmoid: bool = False,
    fixed: bool = True,
) -> bytes:
    """A buffer DETECTOR_METADATA. anchors: (cx, cy, w, h). scales: of x, y, w, h.

    fixed: False to leave them out, as a kind of anchors that nobody here knows.
    """
    b = Tables(1024)
    rows = [
        b.table({slot: ("Float32", float(row[slot])) for slot in slots.FixedAnchor})
        for row in anchors
    ]
    schema = b.table({slots.FixedAnchorsSchema.ANCHORS: b.vector(rows)})
    ssd = b.table({slots.SsdAnchorsOptions.FIXED: at(schema)} if fixed else {})
    names = slots.TensorsDecodingOptions
    decoding = {names.NUM_COORDS: ("Int32", 4)}
    for place, slot in enumerate((names.X_SCALE, names.Y_SCALE, names.W_SCALE, names.H_SCALE)):
        decoding[slot] = ("Float32", float(scales[place]))
    decoding[names.APPLY_EXPONENTIAL_ON_BOX_SIZE] = ("Bool", exponential)
    decoding[names.SIGMOID_SCORE] = ("Bool", sigmoid)
    root = {
        slots.ObjectDetectorOptions.SSD_ANCHORS: at(ssd),
        slots.ObjectDetectorOptions.DECODING: at(b.table(decoding)),
    }
    b.Finish(b.table(root), file_identifier=slots.DETECTOR_IDENTIFIER)
    return bytes(b.Output())
