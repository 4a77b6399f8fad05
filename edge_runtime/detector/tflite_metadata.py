"""TFLite metadata: labels, normalisation and MediaPipe's anchors, as makers write them into files.

All of it is untrusted: what does not fit raises, or counts as absent where a file works without.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

import numpy as np

from edge_runtime.detector import metadata_slots as slots
from edge_runtime.detector.flatbuffer import FlatbufferError, Table

BOUNDARIES = 1  # of BoundingBoxProperties.TYPE

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TensorInfo:
    """What the metadata say of an input or output.

    Attributes:
        name: of its role: "image", "location", "category", "score".
        labels: names of label files in the zip behind the model.
        mean, std: the network sees (pixel - mean) / std, one number or one a channel; () where
            nothing is said.
        box_order: places of left, top, right and bottom in a row; None where nothing is said.
    """

    name: str
    labels: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    box_order: tuple[int, int, int, int] | None


@dataclass(frozen=True, eq=False)
class AnchorDecoding:
    """MediaPipe's way from two raw outputs to boxes (DETECTOR_METADATA).

    Attributes:
        anchors: (N, 4) float32 cxcywh in fractions of the input.
        scales: divisors of the offsets x, y, w and h.
        exponential: whether sizes are logarithms.
        sigmoid: whether scores are logits.
    """

    anchors: np.ndarray
    scales: tuple[float, float, float, float]
    exponential: bool
    sigmoid: bool


@dataclass(frozen=True)
class TfliteMetadata:
    """Metadata of a file: inputs and outputs in the order of the file, and MediaPipe's decoding."""

    name: str = ""
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()
    decoding: AnchorDecoding | None = None


def read_metadata(buffer: bytes | None) -> TfliteMetadata:
    """Parse the buffer of a file's metadata; None for a file without.

    Raises: FlatbufferError for metadata that are damaged.
    """
    if buffer is None:
        return TfliteMetadata()
    root = Table.root(buffer, slots.METADATA_IDENTIFIER)
    graphs = root.tables(slots.ModelMetadata.SUBGRAPHS)
    if not graphs:
        return TfliteMetadata(root.text(slots.ModelMetadata.NAME))
    graph = graphs[0]
    decoding = None
    for custom in graph.tables(slots.SubGraphMetadata.CUSTOM):
        if custom.text(slots.CustomMetadata.NAME) == slots.DETECTOR_METADATA:
            decoding = _decoding(custom.content(slots.CustomMetadata.DATA))
    return TfliteMetadata(
        root.text(slots.ModelMetadata.NAME),
        tuple(map(_tensor, graph.tables(slots.SubGraphMetadata.INPUTS))),
        tuple(map(_tensor, graph.tables(slots.SubGraphMetadata.OUTPUTS))),
        decoding,
    )


def _tensor(tensor: Table) -> TensorInfo:
    files = tensor.tables(slots.TensorMetadata.FILES)
    wanted = (slots.AssociatedFileType.AXIS_LABELS, slots.AssociatedFileType.VALUE_LABELS)
    labels = [
        file.text(slots.AssociatedFile.NAME)
        for file in files
        if file.number(slots.AssociatedFile.TYPE, "b") in wanted
    ]
    mean, std = _normalization(tensor)
    return TensorInfo(
        tensor.text(slots.TensorMetadata.NAME), tuple(labels), mean, std, _box_order(tensor)
    )


def _normalization(tensor: Table) -> tuple[tuple[float, ...], tuple[float, ...]]:
    for unit in tensor.tables(slots.TensorMetadata.PROCESS_UNITS):
        options = unit.table(slots.ProcessUnit.OPTIONS)
        if options is None or unit.number(slots.ProcessUnit.OPTIONS_TYPE, "B") != 1:
            continue
        mean = tuple(options.numbers(slots.Normalization.MEAN, "<f4").tolist())
        std = tuple(options.numbers(slots.Normalization.STD, "<f4").tolist())
        finite = all(map(math.isfinite, (*mean, *std)))
        if len(mean) == len(std) and len(mean) in (1, 3) and finite and min(std) > 0:
            return mean, std
        if mean or std:
            log.warning("metadata: mean %s and std %s mean nothing and are left aside", mean, std)
    return (), ()


def _box_order(tensor: Table) -> tuple[int, int, int, int] | None:
    content = tensor.table(slots.TensorMetadata.CONTENT)
    a_box = slots.ContentProperties.BOUNDING_BOX
    if content is None or content.number(slots.Content.PROPERTIES_TYPE, "B") != a_box:
        return None
    box = content.table(slots.Content.PROPERTIES)
    if box is None:
        return None
    order = box.numbers(slots.BoundingBoxProperties.INDEX, "<u4").tolist()
    if not order:
        return None
    kind = box.number(slots.BoundingBoxProperties.TYPE, "b")
    if sorted(order) != [0, 1, 2, 3] or kind != BOUNDARIES:
        log.warning(
            "metadata: places %s of a box's sides, of kind %d, are not those of four boundaries "
            "and are left aside",
            *(order, kind),
        )
        return None
    left, top, right, bottom = order
    return left, top, right, bottom


def _decoding(buffer: bytes) -> AnchorDecoding | None:
    """None where it says nothing of fixed anchors: there are other kinds."""
    root = Table.root(buffer, slots.DETECTOR_IDENTIFIER)
    ssd = root.table(slots.ObjectDetectorOptions.SSD_ANCHORS)
    fixed = None if ssd is None else ssd.table(slots.SsdAnchorsOptions.FIXED)
    decoding = root.table(slots.ObjectDetectorOptions.DECODING)
    if fixed is None or decoding is None:
        return None
    anchors = fixed.columns(slots.FixedAnchorsSchema.ANCHORS, tuple(slots.FixedAnchor))
    if not np.isfinite(anchors).all():
        raise FlatbufferError("finite anchors expected")
    names = slots.TensorsDecodingOptions
    x, y, w, h = (
        decoding.number(slot, "f")
        for slot in (names.X_SCALE, names.Y_SCALE, names.W_SCALE, names.H_SCALE)
    )
    if not all(math.isfinite(scale) and scale > 0 for scale in (x, y, w, h)):
        raise FlatbufferError(f"positive scales of x, y, w and h expected, got {(x, y, w, h)}")
    if decoding.number(names.NUM_COORDS, "i", 4) < 4:
        raise FlatbufferError("four numbers a box expected")
    return AnchorDecoding(
        anchors,
        (x, y, w, h),
        bool(decoding.number(names.APPLY_EXPONENTIAL_ON_BOX_SIZE, "B")),
        bool(decoding.number(names.SIGMOID_SCORE, "B")),
    )
