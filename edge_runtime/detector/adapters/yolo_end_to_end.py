"""YOLO26 and exports with suppression inside: [1, K, 6], a row being corners, score and class."""

from __future__ import annotations

import numpy as np

from edge_runtime.detector.adapters import families
from edge_runtime.detector.adapters.base import Found, Thresholds
from edge_runtime.detector.adapters.foreign_file import ForeignFile
from edge_runtime.detector.adapters.quantized import to_float
from edge_runtime.detector.adapters.trial_channels import (
    can_be_score_and_class,
    has_corners,
    has_known_columns,
    tells_classes,
)
from edge_runtime.detector.adapters.yolo import (
    ANCHORS,
    FINISHED,
    YoloAdapter,
    rows_fit,
    single_output,
)
from edge_runtime.detector.interpreter import Network


class YoloEndToEndAdapter(YoloAdapter):
    """Only the score threshold is left to apply."""

    family = families.YOLO_END_TO_END

    def __init__(self, file: ForeignFile, network: Network) -> None:
        """Raises: ValueError for another output, and without class names."""
        sides = single_output(file)
        if sides is None or sides[1] != 6:
            raise ValueError(
                f"{file.path}: one output [1, K, 6] expected, found "
                f"{', '.join(map(str, file.outputs))}; another --as may fit"
            )
        super().__init__(file, network, None)

    @classmethod
    def recognizes(cls, file: ForeignFile) -> bool:
        """True for few rows of six that are neither anchors of a YOLOv5 with one class nor cells
        of a YOLOv8 with two: a small input has no more detections than cells. Nor what the operator
        of an SSD has made of its boxes."""
        sides = single_output(file)
        if sides is None or sides[1] != 6 or sides[0] > FINISHED or file.facts.post_process:
            return False
        of_v8, of_v5 = (rows_fit(file, sides[0], anchors) for anchors in (1, ANCHORS))
        if file.ultralytics is None:
            if len(file.outputs[0].shape) == 2 and not has_known_columns(file):
                return False  # a few pictures' scores of six classes look alike
            known = tells_classes(file) if of_v8 else can_be_score_and_class(file)
            return known and not of_v5 and has_corners(file, file.outputs[0])
        count = len(file.ultralytics.names)
        others = (of_v8 and count == 2) or (of_v5 and count == 1)
        return file.ultralytics.end_to_end or not others

    def decode(
        self, raw: tuple[np.ndarray, ...], picture_hw: tuple[int, int], thresholds: Thresholds
    ) -> Found:
        table = to_float(raw[0], self._quantization)
        keep = np.flatnonzero(table[:, 4] >= thresholds.score)
        keep = keep[np.argsort(-table[keep, 4], kind="stable")][: thresholds.max_detections]
        return self._in_picture((table[keep, :4], table[keep, 4], table[keep, 5]), picture_hw)
