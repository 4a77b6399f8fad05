"""TFLite metadata writer: what MediaPipe Tasks and others read about inputs, outputs and labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np

from convert.export.forms import MEDIAPIPE, Form
from edge_runtime.detector.anchors import make_anchors
from edge_runtime.detector.metadata_slots import (
    DETECTOR_IDENTIFIER,
    DETECTOR_METADATA,
    METADATA_IDENTIFIER,
    AssociatedFile,
    AssociatedFileType,
    BoundingBoxProperties,
    Content,
    ContentProperties,
    CustomMetadata,
    FixedAnchor,
    FixedAnchorsSchema,
    ImageProperties,
    ModelMetadata,
    Normalization,
    ObjectDetectorOptions,
    ProcessUnit,
    SsdAnchorsOptions,
    Stats,
    SubGraphMetadata,
    TensorMetadata,
    TensorsDecodingOptions,
)
from edge_runtime.detector.spec import LABELS_MEMBER, DetectorSpec

# The oldest parsers that know all that is written here.
METADATA_PARSER = "1.5.0"
DETECTOR_PARSER = "1.0.0"

_RGB, _BOUNDARIES, _NORMALIZATION = 1, 1, 1
_BOX_INDEX = (1, 0, 3, 2)  # left, top, right, bottom of a row y_min, x_min, y_max, x_max

# How a field is written; each leaves out what is 0, which readers take for 0.
_Write = Callable[[flatbuffers.Builder, int, Any, int], None]
OFFSET: _Write = flatbuffers.Builder.PrependUOffsetTRelativeSlot
UINT8: _Write = flatbuffers.Builder.PrependUint8Slot
INT8: _Write = flatbuffers.Builder.PrependInt8Slot
INT32: _Write = flatbuffers.Builder.PrependInt32Slot
FLOAT32: _Write = flatbuffers.Builder.PrependFloat32Slot
BOOL: _Write = flatbuffers.Builder.PrependBoolSlot

_Fields = Mapping[Any, tuple[_Write, Any]]  # slot → how it is written, and its value


class _Tables:
    """A flatbuffer that is written from its leaves to its root; all methods return places in it."""

    def __init__(self) -> None:
        self._builder = flatbuffers.Builder(1 << 12)

    def table(self, fields: _Fields) -> int:
        self._builder.StartObject(max(fields, default=-1) + 1)
        for slot, (write, value) in fields.items():
            write(self._builder, slot, value, 0)
        return int(self._builder.EndObject())

    def text(self, value: str) -> int:
        return int(self._builder.CreateString(value))

    def data(self, value: bytes) -> int:
        return int(self._builder.CreateByteVector(value))

    def numbers(self, values: Sequence[float], dtype: type[np.generic]) -> int:
        return int(self._builder.CreateNumpyVector(np.asarray(values, dtype)))

    def tables(self, places: Sequence[int]) -> int:
        """A vector of tables."""
        self._builder.StartVector(4, len(places), 4)
        for place in reversed(places):
            self._builder.PrependUOffsetTRelative(place)
        return int(self._builder.EndVector())

    def finish(self, root: int, identifier: bytes) -> bytes:
        self._builder.Finish(root, file_identifier=identifier)
        return bytes(self._builder.Output())


def build_metadata(spec: DetectorSpec, form: Form) -> bytes:
    """Content of the entry TFLITE_METADATA; for MEDIAPIPE with the anchors to decode boxes by."""
    tables = _Tables()
    subgraph = {
        SubGraphMetadata.INPUTS: (OFFSET, tables.tables([_image(tables, spec)])),
        SubGraphMetadata.OUTPUTS: (
            OFFSET,
            tables.tables([_output(tables, name, form) for name in form.tensors]),
        ),
    }
    if form is MEDIAPIPE:
        anchors = {
            CustomMetadata.NAME: (OFFSET, tables.text(DETECTOR_METADATA)),
            CustomMetadata.DATA: (OFFSET, tables.data(build_detector_metadata(spec))),
        }
        subgraph[SubGraphMetadata.CUSTOM] = (OFFSET, tables.tables([tables.table(anchors)]))
    model = {
        ModelMetadata.NAME: (OFFSET, tables.text("MobileNetV2-SSD")),
        ModelMetadata.DESCRIPTION: (OFFSET, tables.text("finds " + ", ".join(spec.class_names))),
        ModelMetadata.SUBGRAPHS: (OFFSET, tables.tables([tables.table(subgraph)])),
        ModelMetadata.MIN_PARSER_VERSION: (OFFSET, tables.text(METADATA_PARSER)),
    }
    return tables.finish(tables.table(model), METADATA_IDENTIFIER)


def build_detector_metadata(spec: DetectorSpec) -> bytes:
    """Content of the custom metadata DETECTOR_METADATA: anchors, and how boxes are decoded."""
    tables = _Tables()
    anchors = make_anchors(spec)
    center, size = spec.variances
    rows = [
        tables.table(
            {slot: (FLOAT32, float(value)) for slot, value in zip(FixedAnchor, row, strict=True)}
        )
        for row in anchors  # cxcywh, as the slots are ordered
    ]
    fixed = tables.table({FixedAnchorsSchema.ANCHORS: (OFFSET, tables.tables(rows))})
    decoding = {
        TensorsDecodingOptions.NUM_CLASSES: (INT32, spec.num_classes),
        TensorsDecodingOptions.NUM_BOXES: (INT32, len(anchors)),
        TensorsDecodingOptions.NUM_COORDS: (INT32, 4),
        TensorsDecodingOptions.NUM_VALUES_PER_KEYPOINT: (INT32, 2),
        TensorsDecodingOptions.X_SCALE: (FLOAT32, 1 / center),
        TensorsDecodingOptions.Y_SCALE: (FLOAT32, 1 / center),
        TensorsDecodingOptions.W_SCALE: (FLOAT32, 1 / size),
        TensorsDecodingOptions.H_SCALE: (FLOAT32, 1 / size),
        TensorsDecodingOptions.APPLY_EXPONENTIAL_ON_BOX_SIZE: (BOOL, True),
    }
    root = {
        ObjectDetectorOptions.MIN_PARSER_VERSION: (OFFSET, tables.text(DETECTOR_PARSER)),
        ObjectDetectorOptions.SSD_ANCHORS: (
            OFFSET,
            tables.table({SsdAnchorsOptions.FIXED: (OFFSET, fixed)}),
        ),
        ObjectDetectorOptions.DECODING: (OFFSET, tables.table(decoding)),
    }
    return tables.finish(tables.table(root), DETECTOR_IDENTIFIER)


def _image(tables: _Tables, spec: DetectorSpec) -> int:
    """The input: RGB, 0 to 255, and what the net makes of it."""
    normalization = tables.table(
        {
            Normalization.MEAN: (OFFSET, tables.numbers([spec.pixel_mean], np.float32)),
            Normalization.STD: (OFFSET, tables.numbers([1 / spec.pixel_scale], np.float32)),
        }
    )
    unit = tables.table(
        {
            ProcessUnit.OPTIONS_TYPE: (UINT8, _NORMALIZATION),
            ProcessUnit.OPTIONS: (OFFSET, normalization),
        }
    )
    stats = tables.table(
        {
            Stats.MAX: (OFFSET, tables.numbers([255], np.float32)),
            Stats.MIN: (OFFSET, tables.numbers([0], np.float32)),
        }
    )
    properties = tables.table({ImageProperties.COLOR_SPACE: (INT8, _RGB)})
    content = _content(tables, ContentProperties.IMAGE, properties)
    return tables.table(
        {
            TensorMetadata.NAME: (OFFSET, tables.text("image")),
            TensorMetadata.CONTENT: (OFFSET, content),
            TensorMetadata.PROCESS_UNITS: (OFFSET, tables.tables([unit])),
            TensorMetadata.STATS: (OFFSET, stats),
        }
    )


def _output(tables: _Tables, name: str, form: Form) -> int:
    fields = {TensorMetadata.NAME: (OFFSET, tables.text(name))}
    labels = {
        ("category", False): AssociatedFileType.VALUE_LABELS,
        ("score", True): AssociatedFileType.AXIS_LABELS,
    }.get((name, form is MEDIAPIPE))
    if name == "location":
        index = tables.numbers(_BOX_INDEX, np.uint32)
        # Coordinates stay out: 0 is RATIO.
        box = {
            BoundingBoxProperties.INDEX: (OFFSET, index),
            BoundingBoxProperties.TYPE: (INT8, _BOUNDARIES),
        }
        content = _content(tables, ContentProperties.BOUNDING_BOX, tables.table(box))
    else:
        content = _content(tables, ContentProperties.FEATURE, tables.table({}))
    fields[TensorMetadata.CONTENT] = (OFFSET, content)
    if labels is not None:
        file = {
            AssociatedFile.NAME: (OFFSET, tables.text(LABELS_MEMBER)),
            AssociatedFile.TYPE: (INT8, labels),
        }
        fields[TensorMetadata.FILES] = (OFFSET, tables.tables([tables.table(file)]))
    return tables.table(fields)


def _content(tables: _Tables, kind: ContentProperties, properties: int) -> int:
    return tables.table(
        {Content.PROPERTIES_TYPE: (UINT8, kind), Content.PROPERTIES: (OFFSET, properties)}
    )
