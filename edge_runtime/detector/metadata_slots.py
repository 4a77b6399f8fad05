"""Slots of TFLite metadata's flatbuffer tables, for those who read and those who write them.

The numbers are the order of the fields in TFLite's `metadata_schema.fbs` (identifier M001) and in
MediaPipe's `object_detector_metadata_schema.fbs` (V001). Fields that nobody here needs are left
out.
"""

from __future__ import annotations

from enum import IntEnum

METADATA_BUFFER = "TFLITE_METADATA"  # name of the model's metadata entry
METADATA_IDENTIFIER = b"M001"
DETECTOR_METADATA = "DETECTOR_METADATA"  # name of the subgraph's custom metadata
DETECTOR_IDENTIFIER = b"V001"


class ModelMetadata(IntEnum):
    NAME = 0
    DESCRIPTION = 1
    SUBGRAPHS = 3
    MIN_PARSER_VERSION = 7


class SubGraphMetadata(IntEnum):
    INPUTS = 2
    OUTPUTS = 3
    CUSTOM = 9


class TensorMetadata(IntEnum):
    NAME = 0
    CONTENT = 3
    PROCESS_UNITS = 4
    STATS = 5
    FILES = 6


class Content(IntEnum):
    PROPERTIES_TYPE = 0
    PROPERTIES = 1


class ContentProperties(IntEnum):
    """Values of `Content.PROPERTIES_TYPE`."""

    FEATURE = 1
    IMAGE = 2
    BOUNDING_BOX = 3


class ImageProperties(IntEnum):
    COLOR_SPACE = 0  # 1: RGB


class BoundingBoxProperties(IntEnum):
    INDEX = 0  # places of left, top, right, bottom in a row
    TYPE = 1  # 1: BOUNDARIES
    COORDINATES = 2  # 0: RATIO, 1: PIXEL


class ProcessUnit(IntEnum):
    OPTIONS_TYPE = 0  # 1: Normalization
    OPTIONS = 1


class Normalization(IntEnum):
    MEAN = 0
    STD = 1


class Stats(IntEnum):
    MAX = 0
    MIN = 1


class AssociatedFile(IntEnum):
    NAME = 0
    TYPE = 2


class AssociatedFileType(IntEnum):
    """Values of `AssociatedFile.TYPE`."""

    AXIS_LABELS = 2
    VALUE_LABELS = 3


class CustomMetadata(IntEnum):
    NAME = 0
    DATA = 1


class ObjectDetectorOptions(IntEnum):
    """Root of DETECTOR_METADATA."""

    MIN_PARSER_VERSION = 0
    SSD_ANCHORS = 1
    DECODING = 2


class SsdAnchorsOptions(IntEnum):
    FIXED = 0


class FixedAnchorsSchema(IntEnum):
    ANCHORS = 0


class FixedAnchor(IntEnum):
    X_CENTER = 0
    Y_CENTER = 1
    WIDTH = 2
    HEIGHT = 3


class TensorsDecodingOptions(IntEnum):
    NUM_CLASSES = 0
    NUM_BOXES = 1
    NUM_COORDS = 2
    KEYPOINT_COORD_OFFSET = 3
    NUM_KEYPOINTS = 4
    NUM_VALUES_PER_KEYPOINT = 5
    X_SCALE = 6
    Y_SCALE = 7
    W_SCALE = 8
    H_SCALE = 9
    APPLY_EXPONENTIAL_ON_BOX_SIZE = 10
    SIGMOID_SCORE = 11
