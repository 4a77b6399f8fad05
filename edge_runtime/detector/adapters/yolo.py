"""YOLO of Ultralytics: what YOLOv5, v8, v11 and v26 have in common.

The input is a picture scaled by one factor between bars of gray 114, and divided by 255; float or
quantised, channels last or first, which depends on the version of the exporter. Boxes are fractions
of the input or its pixels, which depends on it as well.
"""

from __future__ import annotations

import math

import numpy as np

from edge_runtime.detector.adapters.base import Adapter, Found, Thresholds, suppress
from edge_runtime.detector.adapters.box_unit import BoxUnit, pixels_by_trial
from edge_runtime.detector.adapters.foreign_file import ForeignFile
from edge_runtime.detector.adapters.picture_input import PictureInput, Scaling
from edge_runtime.detector.adapters.quantized import check_score_steps, quantization_of
from edge_runtime.detector.interpreter import Network
from edge_runtime.detector.resize import Resize

PAD = 114
UNIT = Scaling((0.0,), (255.0,))
# Of the feature maps: usual, with a coarser or a finer one more, and those of the tiny YOLOv3.
STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32))


ANCHORS = 3  # a cell of a YOLOv5; later ones have one
FINISHED = 1000  # rows at most, where duplicates are suppressed


class YoloAdapter(Adapter):
    """One output; preprocessing, class names and the way back to the picture."""

    keeps_aspect = True

    def __init__(self, file: ForeignFile, network: Network, count: int | None) -> None:
        """count: of the classes, by the shape of the output; None where that does not tell.

        Raises: ValueError where input, names and output do not fit each other.
        """
        labels = file.labels(count)
        if count is not None and len(labels.names) != count:
            raise ValueError(
                f"{file.path}: {len(labels.names)} classes expected by its names, found "
                f"{', '.join(map(str, file.outputs))}, which has {count}; is it a model for poses, "
                "rotated boxes or masks? Only --task detect is read"
            )
        (self._output,) = network.outputs.values()
        (self._name,) = network.outputs
        check_score_steps(file.path, self._output)
        self._quantization = quantization_of(self._output)
        self._input = PictureInput.of(network, UNIT, PAD)
        super().__init__(network, labels.names, self._input.input_hw)
        self.unused = labels.unused
        tried = None if file.trial is None else file.trial.outputs.get(self._output.index)
        # Without a count there are class numbers among the numbers.
        told = None if tried is None or count is None else tried.high
        pixels = None if told is None else pixels_by_trial(told, self.input_hw)
        self._unit = BoxUnit(self.input_hw, pixels)

    def preprocess(self, frame: np.ndarray, resize: Resize) -> np.ndarray:
        return self._input.prepare(frame, resize)

    def invoke(self, input_tensor: np.ndarray) -> tuple[np.ndarray, ...]:
        """The output, two axes, in the file's own dtype."""
        values = self.network.invoke(input_tensor)[self._name]
        return (values.reshape(values.shape[-2:]),)

    def _suppressed(
        self, found: Found, picture_hw: tuple[int, int], thresholds: Thresholds
    ) -> Found:
        """Candidates → detections in the picture. Duplicates go before boxes are clipped."""
        return self._in_picture(suppress(found, thresholds), picture_hw)

    def _in_picture(self, found: Found, picture_hw: tuple[int, int]) -> Found:
        """Boxes xyxy in the input, as fractions or in pixels, → in the picture, and clipped."""
        boxes, scores, class_ids = found
        boxes = self._unit.fractions(boxes)
        return self._checked((self._input.to_picture(boxes, picture_hw), scores, class_ids))


def cells(input_hw: tuple[int, int], strides: tuple[int, ...]) -> int:
    """Cells of all feature maps of an input."""
    height, width = input_hw
    return sum(-(-height // stride) * -(-width // stride) for stride in strides)


def single_output(file: ForeignFile) -> tuple[int, int] | None:
    """The two sides of an only output [1, A, B]; None for others.

    Some converters drop the batch, others leave one side of 1 more in front. One row is a box only
    as [1, 1, B]: a classifier's scores are [1, B] and [1, 1, 1, B].
    """
    if len(file.outputs) != 1:
        return None
    shape = file.outputs[0].shape
    if len(shape) < 2 or (len(shape) != 3 and shape[-2] == 1):
        return None
    *front, rows, columns = shape
    return (rows, columns) if set(front) <= {1} else None


def suppressed_yolo(file: ForeignFile) -> bool:
    """True for four outputs after suppression of a YOLO's boxes, by what comes before it.

    They look like those of an SSD, but the boxes lie in a letterbox, left before top.
    """
    if len(file.outputs) != 4 or file.facts.post_process is not None:
        return False
    counts = {math.prod(shape) // 4 for shape in file.facts.shapes() if _is_boxes(shape)}
    counts -= {side for output in file.outputs for side in output.shape}  # boxes that are left
    return any(rows_fit(file, count, anchors) for count in counts for anchors in (1, ANCHORS))


def _is_boxes(shape: tuple[int, ...]) -> bool:
    """True for [1, N, 4] and [1, 4, N]."""
    return len(shape) in (2, 3) and 4 in shape[-2:] and min(shape) > 0 and shape[:-2] in ((), (1,))


def rows_fit(file: ForeignFile, rows: int, anchors: int) -> bool:
    """True if `rows` is what feature maps of the input have, with so many anchors a cell."""
    return any(rows == anchors * cells(file.input_hw, strides) for strides in STRIDES)
