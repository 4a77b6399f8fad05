"""Unread outputs: detectors whose outputs leave open what their numbers mean, and what to do.

Each is a real export that could be read in more than one way; a guess would give wrong boxes or
wrong names, and nothing would say so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from edge_runtime.detector.model_facts import TensorFacts

ROW_COLUMNS = 7  # image, four sides, score, class
API_OUTPUTS = 8  # of a SavedModel of TensorFlow 2's detection API
MOST_ANCHORS = 12  # of one place of a map
WITH_THE_OPERATOR = (
    "export it again with TFLite_Detection_PostProcess inside (TensorFlow's detection API: "
    "export_tflite_graph_tf2.py; AutoML: keras/inspector.py --mode=export --tflite=FP32)"
)


def unread_detector(outputs: Sequence[TensorFacts]) -> tuple[str, str] | None:
    """What a detector's outputs look like, and what to do; None for others."""
    if _are_raw_heads(outputs):
        return (
            "raw heads of an EfficientDet or SSD, maps of boxes and scores without their anchors",
            WITH_THE_OPERATOR,
        )
    if len(outputs) == 1 and len(outputs[0].shape) == 3 and outputs[0].shape[2] == ROW_COLUMNS:
        return (
            "rows of seven numbers (image, four sides, score and class of an EfficientDet or of a "
            "YOLO with suppression inside, whose order differs from maker to maker; or rotated "
            "boxes of a YOLO)",
            f"{WITH_THE_OPERATOR}; a YOLOv5 of two classes is read with --as yolov5",
        )
    if len(outputs) == 3 and _detections(outputs) == (1, 2, 0):
        return (
            "boxes, classes and scores without their number, which do not say whether duplicates "
            "are suppressed, nor in which order a box has its sides",
            WITH_THE_OPERATOR,
        )
    if len(outputs) >= API_OUTPUTS and all(part > 0 for part in _detections(outputs)):
        return (
            "outputs of a SavedModel of TensorFlow's detection API, raw ones among them, that do "
            "not say which is which",
            WITH_THE_OPERATOR,
        )
    return None


def _are_raw_heads(outputs: Sequence[TensorFacts]) -> bool:
    """True for maps of boxes and of scores, of the same anchors, of each level."""
    by_level: dict[tuple[int, ...], list[int]] = {}
    for output in outputs:
        if len(output.shape) != 4 or min(output.shape) < 1:
            return False
        by_level.setdefault(output.shape[1:3], []).append(output.shape[3])
    return bool(by_level) and all(_are_boxes_and_scores(each) for each in by_level.values())


def _are_boxes_and_scores(channels: Sequence[int]) -> bool:
    if len(channels) != 2:
        return False
    return any(
        boxes % 4 == 0 and boxes // 4 <= MOST_ANCHORS and scores % (boxes // 4) == 0
        for boxes, scores in (channels, channels[::-1])
    )


def _detections(outputs: Sequence[TensorFacts]) -> tuple[int, int, int]:
    """How many outputs look like boxes, like classes or scores, and like a number."""
    boxes = [each for each in outputs if len(each.shape) > 1 and each.shape[-1] == 4]
    rows = {math.prod(each.shape[:-1]) for each in boxes} - {-1}
    vectors = [each for each in outputs if math.prod(each.shape) in rows and each not in boxes]
    numbers = [each for each in outputs if math.prod(each.shape) == 1 and 1 not in rows]
    return len(boxes), len(vectors), len(numbers)
