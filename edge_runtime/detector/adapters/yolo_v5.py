"""YOLOv5 (and v3, v7): one output [1, N, 5 + C], a row being box, objectness, class scores."""

from __future__ import annotations

import numpy as np

from edge_runtime.detector import boxes as box_ops
from edge_runtime.detector.adapters import families
from edge_runtime.detector.adapters.base import Found, Thresholds
from edge_runtime.detector.adapters.foreign_file import ForeignFile
from edge_runtime.detector.adapters.quantized import raw_threshold, to_float
from edge_runtime.detector.adapters.trial_channels import other_channels
from edge_runtime.detector.adapters.yolo import ANCHORS, YoloAdapter, rows_fit, single_output
from edge_runtime.detector.interpreter import Network


class YoloV5Adapter(YoloAdapter):
    """The score of a class is objectness times its own; the best class of a row counts."""

    family = families.YOLO_V5

    def __init__(self, file: ForeignFile, network: Network) -> None:
        """Raises: ValueError for another output."""
        sides = single_output(file)
        if sides is None or sides[1] < 6:
            raise ValueError(
                f"{file.path}: one output [1, N, 5 + classes] expected, found "
                f"{', '.join(map(str, file.outputs))}; another --as may fit"
            )
        super().__init__(file, network, sides[1] - 5)

    @classmethod
    def recognizes(cls, file: ForeignFile) -> bool:
        """True where names and shape fit, or where the input has so many anchors, and all numbers
        behind the box can be scores."""
        sides = single_output(file)
        if sides is None or not 6 <= sides[1] < sides[0]:
            return False
        if file.ultralytics is not None:
            return sides[1] == 5 + len(file.ultralytics.names)
        return rows_fit(file, sides[0], ANCHORS) and not other_channels(file, ANCHORS)

    def decode(
        self, raw: tuple[np.ndarray, ...], picture_hw: tuple[int, int], thresholds: Thresholds
    ) -> Found:
        (table,) = raw  # [N, 5 + C]
        # No product of two numbers up to 1 is above either: objectness alone leaves few rows.
        least = raw_threshold(thresholds.score, self._quantization)
        values = to_float(table[np.flatnonzero(table[:, 4] >= least)], self._quantization)
        class_ids = values[:, 5:].argmax(axis=1)
        scores = values[:, 4] * values[np.arange(len(values)), 5 + class_ids]
        sure = scores >= thresholds.score
        boxes = box_ops.cxcywh_to_xyxy(values[sure, :4])
        return self._suppressed((boxes, scores[sure], class_ids[sure]), picture_hw, thresholds)
