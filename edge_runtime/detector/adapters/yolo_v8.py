"""YOLOv8 and YOLO11: one output [1, 4 + C, N], boxes as center and size, a score for each class."""

from __future__ import annotations

import logging

import numpy as np

from edge_runtime.detector import boxes as box_ops
from edge_runtime.detector.adapters import families
from edge_runtime.detector.adapters.base import Found, Thresholds
from edge_runtime.detector.adapters.foreign_file import ForeignFile
from edge_runtime.detector.adapters.quantized import raw_threshold, to_float
from edge_runtime.detector.adapters.trial_channels import other_channels
from edge_runtime.detector.adapters.yolo import YoloAdapter, rows_fit, single_output
from edge_runtime.detector.interpreter import Network

log = logging.getLogger(__name__)


class YoloV8Adapter(YoloAdapter):
    """The best class of a row counts, as in Ultralytics' own predictions."""

    family = families.YOLO_V8

    def __init__(self, file: ForeignFile, network: Network) -> None:
        """Raises: ValueError for another output."""
        sides = single_output(file)
        if sides is None or min(sides) < 5:
            raise ValueError(
                f"{file.path}: one output [1, 4 + classes, N] expected, found "
                f"{', '.join(map(str, file.outputs))}; another --as may fit"
            )
        # [1, N, 4 + C] is the same, transposed: exporters other than Ultralytics' own write it.
        self._rows_last = _rows_last(file, sides)
        channels = sides[0] if self._rows_last else sides[1]
        super().__init__(file, network, channels - 4)
        if file.is_nameless or (file.ultralytics is None and other_channels(file, 1)):
            log.warning(
                "%s: %d channels are read as a box and %d classes; a model for poses or rotated "
                "boxes looks alike, and is none for this",
                *(file.path, channels, channels - 4),
            )

    @classmethod
    def recognizes(cls, file: ForeignFile) -> bool:
        """True where names and shape fit, or where feature maps of the input have so many rows, and
        all numbers behind the box can be scores."""
        sides = single_output(file)
        if sides is None or min(sides) < 5:
            return False
        names = file.ultralytics
        channels, rows = sides if _rows_last(file, sides) else sides[::-1]
        if names is not None:
            return channels == 4 + len(names.names)
        fits = channels < rows and rows_fit(file, rows, 1) and _rows_last(file, sides)
        return fits and not other_channels(file, 1)

    def decode(
        self, raw: tuple[np.ndarray, ...], picture_hw: tuple[int, int], thresholds: Thresholds
    ) -> Found:
        table = raw[0] if self._rows_last else raw[0].T  # [4 + C, N]
        # A maximum over the first axis: over the last, which is short, it takes ten times as long.
        best = table[4:].max(axis=0)
        rows = np.flatnonzero(best >= raw_threshold(thresholds.score, self._quantization))
        scores = to_float(best[rows], self._quantization)
        sure = scores >= thresholds.score
        rows, scores = rows[sure], scores[sure]
        columns = table[:, rows]
        boxes = box_ops.cxcywh_to_xyxy(to_float(columns[:4], self._quantization).T)
        class_ids = columns[4:].argmax(axis=0)
        return self._suppressed((boxes, scores, class_ids), picture_hw, thresholds)


def _rows_last(file: ForeignFile, sides: tuple[int, int]) -> bool:
    """True for [1, 4 + C, N]: by the names, else by the longer side."""
    if file.ultralytics is not None:
        wanted = 4 + len(file.ultralytics.names)
        if (sides[0] == wanted) != (sides[1] == wanted):
            return sides[0] == wanted
    return sides[0] < sides[1]
