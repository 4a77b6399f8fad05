"""Post-processed SSD: boxes, classes, scores and their number, duplicates suppressed inside.

SSD and EfficientDet-Lite of TensorFlow's detection API, TF Hub, Model Maker, Coral and pycoral: the
output of TFLite_Detection_PostProcess. Its boxes are (ymin, xmin, ymax, xmax) in [0, 1], its
classes count from 0 without background.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from edge_runtime.detector.adapters import families
from edge_runtime.detector.adapters.base import Adapter, Found, Thresholds
from edge_runtime.detector.adapters.box_unit import BoxUnit
from edge_runtime.detector.adapters.foreign_file import ForeignFile
from edge_runtime.detector.adapters.output_roles import (
    ROLES,
    by_name,
    by_operator,
    by_shape,
    find_roles,
)
from edge_runtime.detector.adapters.picture_input import PictureInput
from edge_runtime.detector.adapters.quantized import (
    check_score_steps,
    quantization_of,
    to_float,
)
from edge_runtime.detector.adapters.trial_channels import has_corners
from edge_runtime.detector.adapters.yolo import suppressed_yolo
from edge_runtime.detector.interpreter import Network
from edge_runtime.detector.labels import Labels
from edge_runtime.detector.model_facts import TensorFacts, post_process_options
from edge_runtime.detector.resize import Resize

log = logging.getLogger(__name__)

BOX_ORDER = (1, 0, 3, 2)  # places of left, top, right, bottom


class PostProcessedAdapter(Adapter):
    """Four outputs after suppression; only the score threshold is left to apply."""

    family = families.POST_PROCESSED

    def __init__(self, file: ForeignFile, network: Network) -> None:
        """Raises: ValueError for outputs that cannot be told apart."""
        indices = find_roles(file)
        by_index = {tensor.index: name for name, tensor in network.outputs.items()}
        self._names = [by_index[indices[role]] for role in ROLES]
        check_score_steps(file.path, network.outputs[self._names[ROLES.index("scores")]])
        self._quantizations = [quantization_of(network.outputs[name]) for name in self._names]
        boxes = next(each for each in file.outputs if each.index == indices["boxes"])
        info = file.info(boxes)
        tells_order = info is not None and info.box_order is not None
        if not (file.facts.post_process or tells_order or has_corners(file, boxes)):
            raise ValueError(
                f"{file.path}: boxes of two corners expected (top, left, bottom, right), found "
                f"{boxes}, whose numbers look like centers and sizes; export it again with "
                "TFLite_Detection_PostProcess inside"
            )
        self._order = list((info and info.box_order) or BOX_ORDER)
        if not tells_order:
            _warn_of_order(file, boxes)
        labels = file.labels(class_count(file))
        _warn_of_numbering(file, labels)
        self._places, self._filled = places_of_box(file)
        self._input = PictureInput.of(network, file.scaling())
        super().__init__(network, labels.names, self._input.input_hw)
        self.unused = labels.unused
        # The operator gives fractions. No trial tells: rows beyond the number are what memory
        # held before.
        self._unit = BoxUnit(self.input_hw, None if file.facts.post_process is None else False)

    @classmethod
    def recognizes(cls, file: ForeignFile) -> bool:
        """True for outputs of the operator, for four with the names, or of the shapes, but for
        those of a YOLO."""
        return not suppressed_yolo(file) and (
            by_operator(file) is not None
            or by_name(file) is not None
            or by_shape(file.outputs) is not None
        )

    def preprocess(self, frame: np.ndarray, resize: Resize) -> np.ndarray:
        return self._input.prepare(frame, resize)

    def invoke(self, input_tensor: np.ndarray) -> tuple[np.ndarray, ...]:
        """Boxes (K, 4), classes (K,), scores (K,) and their number (1,)."""
        outputs = self.network.invoke(input_tensor)
        boxes, classes, scores, count = (outputs[name] for name in self._names)
        return boxes.reshape(-1, 4), classes.ravel(), scores.ravel(), count.ravel()

    def decode(
        self, raw: tuple[np.ndarray, ...], picture_hw: tuple[int, int], thresholds: Thresholds
    ) -> Found:
        boxes, classes, scores, count = map(to_float, raw, self._quantizations)
        found = int(np.clip(np.nan_to_num(count[:1]).sum(), 0, len(scores)))
        valid = np.arange(min(found * self._places, len(scores)))
        valid = valid[valid % self._places < self._filled]
        keep = valid[scores[valid] >= thresholds.score]  # False for NaN
        keep = keep[np.argsort(-scores[keep], kind="stable")][: thresholds.max_detections]
        fractions = self._unit.fractions(boxes[keep][:, self._order])
        return self._checked((fractions, scores[keep], classes[keep]))


def class_count(file: ForeignFile) -> int | None:
    """Number of classes that the operator knows; None without the operator."""
    count = _options(file).get("num_classes")
    return count if isinstance(count, int) and 0 < count < 100_000 else None


def places_of_box(file: ForeignFile) -> tuple[int, int]:
    """Places that the operator keeps for each box that it counts, and how many of them it fills.

    Several where it gives a box more classes than its best (max_classes_per_detection), and
    suppresses duplicates of all classes at once: it then counts boxes, and leaves what memory held
    in places beyond its classes.
    """
    options = _options(file)
    places = options.get("max_classes_per_detection")
    if options.get("use_regular_nms") or not isinstance(places, int) or places < 1:
        return 1, 1
    return places, min(places, class_count(file) or places)


def _options(file: ForeignFile) -> dict[str, Any]:
    operator = file.facts.post_process
    return {} if operator is None else post_process_options(operator.options)


def _warn_of_order(file: ForeignFile, boxes: TensorFacts) -> None:
    """The operator, and what TensorFlow's detection API calls so, has top before left."""
    names = {name.lower().split(":")[0] for name in file.names_of(boxes)}
    if file.facts.post_process is None and "detection_boxes" not in names:
        log.warning(
            "%s does not tell the order of a box's sides, for it suppresses duplicates without "
            "TFLite_Detection_PostProcess: taken as top, left, bottom, right. Where boxes are "
            "turned about the diagonal of the picture, export it again with the operator inside",
            file.path,
        )


def _warn_of_numbering(file: ForeignFile, labels: Labels) -> None:
    """The operator counts classes from 0; files without it do as their makers please."""
    if (
        file.facts.post_process is None
        and file.labels_path is not None
        and labels.names[0] not in labels.unused
    ):
        log.warning(
            "%s does not tell whether its classes count from 0 or from 1, for it suppresses "
            "duplicates without TFLite_Detection_PostProcess: taken from 0, which is %s. Where "
            "names are off by one, put a line 0 ??? first in %s, and numbers before the others",
            *(file.path, labels.names[0], file.labels_path),
        )
