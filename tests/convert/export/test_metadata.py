"""TFLite metadata, read back by slot."""

import numpy as np
import pytest
from flatbuffers import encode, packer
from flatbuffers.number_types import UOffsetTFlags
from flatbuffers.table import Table

from convert.export.forms import MEDIAPIPE, POSTPROCESS
from convert.export.metadata import build_detector_metadata, build_metadata
from edge_runtime.detector import metadata_slots as slots
from edge_runtime.detector.spec import AnchorLevel, DetectorSpec

SPEC = DetectorSpec(
    (32, 48), ("red", "green"), (AnchorLevel(16, (0.5,), (1.0,)),), (0.1, 0.25), 120.0, 1 / 64
)


class Reader(Table):
    """A table by its slots."""

    @classmethod
    def root(cls, data, identifier):
        assert data[4:8] == identifier
        return cls(data, encode.Get(UOffsetTFlags.packer_type, data, 0))

    def _at(self, slot):
        return self.Offset(4 + 2 * slot)

    def text(self, slot):
        return self.String(self.Pos + self._at(slot)).decode()

    def table(self, slot):
        return Reader(self.Bytes, self.Indirect(self.Pos + self._at(slot)))

    def tables(self, slot):
        start, count = self.Vector(self._at(slot)), self.VectorLen(self._at(slot))
        return [Reader(self.Bytes, self.Indirect(start + 4 * n)) for n in range(count)]

    def vector(self, slot, dtype):
        start, count = self.Vector(self._at(slot)), self.VectorLen(self._at(slot))
        return np.frombuffer(self.Bytes, dtype, count, start).tolist()

    def number(self, slot, kind):
        place = self._at(slot)
        return encode.Get(kind, self.Bytes, self.Pos + place) if place else 0

    def has(self, slot):
        return self._at(slot) != 0


@pytest.fixture(params=[POSTPROCESS, MEDIAPIPE], ids=lambda form: form.name)
def form(request):
    return request.param


@pytest.fixture
def subgraph(form):
    root = Reader.root(build_metadata(SPEC, form), b"M001")
    assert root.text(slots.ModelMetadata.MIN_PARSER_VERSION) == "1.5.0"
    assert "red, green" in root.text(slots.ModelMetadata.DESCRIPTION)
    (found,) = root.tables(slots.ModelMetadata.SUBGRAPHS)
    return found


def test_the_input_is_rgb_with_the_specs_mean_and_deviation(subgraph):
    (image,) = subgraph.tables(slots.SubGraphMetadata.INPUTS)
    content = image.table(slots.TensorMetadata.CONTENT)
    assert content.number(slots.Content.PROPERTIES_TYPE, packer.uint8) == 2  # ImageProperties
    properties = content.table(slots.Content.PROPERTIES)
    assert properties.number(slots.ImageProperties.COLOR_SPACE, packer.int8) == 1  # RGB
    (unit,) = image.tables(slots.TensorMetadata.PROCESS_UNITS)
    assert unit.number(slots.ProcessUnit.OPTIONS_TYPE, packer.uint8) == 1  # Normalization
    options = unit.table(slots.ProcessUnit.OPTIONS)
    assert options.vector(slots.Normalization.MEAN, np.float32) == [120]
    assert options.vector(slots.Normalization.STD, np.float32) == [64]
    stats = image.table(slots.TensorMetadata.STATS)
    assert stats.vector(slots.Stats.MAX, np.float32) == [255]
    assert stats.vector(slots.Stats.MIN, np.float32) == [0]


def test_outputs_are_named_in_order_and_one_carries_the_labels(subgraph, form):
    tensors = subgraph.tables(slots.SubGraphMetadata.OUTPUTS)
    assert tuple(t.text(slots.TensorMetadata.NAME) for t in tensors) == form.tensors
    labels = {}
    for tensor in tensors:
        if tensor.has(slots.TensorMetadata.FILES):
            (file,) = tensor.tables(slots.TensorMetadata.FILES)
            assert file.text(slots.AssociatedFile.NAME) == "labels.txt"
            kind = file.number(slots.AssociatedFile.TYPE, packer.int8)
            labels[tensor.text(slots.TensorMetadata.NAME)] = kind
    assert labels == ({"category": 3} if form is POSTPROCESS else {"score": 2})


def test_boxes_say_their_order(subgraph):
    location = subgraph.tables(slots.SubGraphMetadata.OUTPUTS)[0]
    content = location.table(slots.TensorMetadata.CONTENT)
    assert content.number(slots.Content.PROPERTIES_TYPE, packer.uint8) == 3
    box = content.table(slots.Content.PROPERTIES)
    assert box.vector(slots.BoundingBoxProperties.INDEX, np.uint32) == [1, 0, 3, 2]
    assert box.number(slots.BoundingBoxProperties.TYPE, packer.int8) == 1  # BOUNDARIES
    assert box.number(slots.BoundingBoxProperties.COORDINATES, packer.int8) == 0  # RATIO


def test_only_two_outputs_carry_anchors(subgraph, form):
    assert subgraph.has(slots.SubGraphMetadata.CUSTOM) == (form is MEDIAPIPE)
    if form is MEDIAPIPE:
        (custom,) = subgraph.tables(slots.SubGraphMetadata.CUSTOM)
        assert custom.text(slots.CustomMetadata.NAME) == "DETECTOR_METADATA"
        data = bytes(custom.vector(slots.CustomMetadata.DATA, np.uint8))
        assert data == build_detector_metadata(SPEC)


def test_anchors_and_scales_of_the_decoding():
    root = Reader.root(build_detector_metadata(SPEC), b"V001")
    assert root.text(slots.ObjectDetectorOptions.MIN_PARSER_VERSION) == "1.0.0"
    fixed = root.table(slots.ObjectDetectorOptions.SSD_ANCHORS).table(slots.SsdAnchorsOptions.FIXED)
    anchors = fixed.tables(slots.FixedAnchorsSchema.ANCHORS)
    assert len(anchors) == 6
    # Half the shorter side: 16 pixels; row 1, column 2 of cells of 16 pixels.
    last = [anchors[-1].number(slot, packer.float32) for slot in slots.FixedAnchor]
    assert last == pytest.approx([40 / 48, 24 / 32, 16 / 48, 16 / 32])
    decoding = root.table(slots.ObjectDetectorOptions.DECODING)
    options = slots.TensorsDecodingOptions
    whole = {
        slot: decoding.number(slot, packer.int32)
        for slot in options
        if slot <= options.NUM_VALUES_PER_KEYPOINT
    }
    assert whole == {
        options.NUM_CLASSES: 2,
        options.NUM_BOXES: 6,
        options.NUM_COORDS: 4,
        options.KEYPOINT_COORD_OFFSET: 0,
        options.NUM_KEYPOINTS: 0,
        options.NUM_VALUES_PER_KEYPOINT: 2,
    }
    scales = [options.X_SCALE, options.Y_SCALE, options.W_SCALE, options.H_SCALE]
    found = [decoding.number(slot, packer.float32) for slot in scales]
    assert found == pytest.approx([10, 10, 4, 4])
    assert decoding.number(options.APPLY_EXPONENTIAL_ON_BOX_SIZE, packer.boolean)
    assert not decoding.number(options.SIGMOID_SCORE, packer.boolean)
