"""Post-processed SSD: boxes, classes, scores and their number, duplicates suppressed inside.

SSD and EfficientDet-Lite of TensorFlow's detection API, TF Hub, Model Maker, Coral and pycoral: the
output of TFLite_Detection_PostProcess. Its boxes are (ymin, xmin, ymax, xmax) in [0, 1], its
classes count from 0 without background.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import numpy as np

from edge_runtime.detector.adapters import families
from edge_runtime.detector.adapters.base import Adapter, Found, Thresholds
from edge_runtime.detector.adapters.box_unit import BoxUnit
from edge_runtime.detector.adapters.foreign_file import ForeignFile
from edge_runtime.detector.adapters.picture_input import PictureInput
from edge_runtime.detector.adapters.quantized import quantization_of, to_float
from edge_runtime.detector.adapters.yolo import suppressed_yolo
from edge_runtime.detector.interpreter import Network
from edge_runtime.detector.model_facts import TensorFacts, post_process_options

# In the order of the operator's outputs.
ROLES = ("boxes", "classes", "scores", "count")
# Roles by the names that makers use, in the signature, the metadata or the graph.
NAMES = {
    **dict.fromkeys(("location", "locations", "detection_boxes", "boxes"), "boxes"),
    **dict.fromkeys(("category", "categories", "detection_classes", "classes"), "classes"),
    **dict.fromkeys(("score", "scores", "detection_scores"), "scores"),
    **dict.fromkeys(("number of detections", "num_detections", "num_boxes", "count"), "count"),
    **{"output_0": "count", "output_1": "scores", "output_2": "classes", "output_3": "boxes"},
}
BOX_ORDER = (1, 0, 3, 2)  # places of left, top, right, bottom


class PostProcessedAdapter(Adapter):
    """Four outputs after suppression; only the score threshold is left to apply."""

    family = families.POST_PROCESSED

    def __init__(self, file: ForeignFile, network: Network) -> None:
        """Raises: ValueError for outputs that cannot be told apart."""
        indices = find_roles(file)
        by_index = {tensor.index: name for name, tensor in network.outputs.items()}
        self._names = [by_index[indices[role]] for role in ROLES]
        self._quantizations = [quantization_of(network.outputs[name]) for name in self._names]
        boxes = next(each for each in file.outputs if each.index == indices["boxes"])
        info = file.info(boxes)
        self._order = list((info and info.box_order) or BOX_ORDER)
        labels = file.labels(class_count(file))
        self._input = PictureInput.of(network.input, file.scaling())
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
            _by_operator(file) is not None
            or _by_name(file) is not None
            or by_shape(file.outputs) is not None
        )

    def preprocess(self, frame: np.ndarray) -> np.ndarray:
        return self._input.prepare(frame)

    def invoke(self, input_tensor: np.ndarray) -> tuple[np.ndarray, ...]:
        """Boxes (K, 4), classes (K,), scores (K,) and their number (1,)."""
        outputs = self.network.invoke(input_tensor)
        boxes, classes, scores, count = (outputs[name] for name in self._names)
        return boxes.reshape(-1, 4), classes.ravel(), scores.ravel(), count.ravel()

    def decode(
        self, raw: tuple[np.ndarray, ...], picture_hw: tuple[int, int], thresholds: Thresholds
    ) -> Found:
        boxes, classes, scores, count = map(to_float, raw, self._quantizations)
        valid = int(np.clip(np.nan_to_num(count[:1]).sum(), 0, len(scores)))
        keep = np.flatnonzero(scores[:valid] >= thresholds.score)  # False for NaN
        keep = keep[np.argsort(-scores[keep], kind="stable")][: thresholds.max_detections]
        found = self._unit.fractions(boxes[keep][:, self._order])
        return self._checked((found, scores[keep], classes[keep]))


def class_count(file: ForeignFile) -> int | None:
    """Number of classes that the operator knows; None without the operator."""
    operator = file.facts.post_process
    if operator is None:
        return None
    count = post_process_options(operator.options).get("num_classes")
    return count if isinstance(count, int) and 0 < count < 100_000 else None


def find_roles(file: ForeignFile) -> dict[str, int]:
    """Role → number of the tensor.

    By the operator that makes them, whose outputs have one order; by their names; by the numbers
    in them; by the values that they had in the trial. Never by their place alone: a converter
    orders the outputs as it likes.

    Raises: ValueError where none of it tells.
    """
    for roles in (_by_operator(file), _by_name(file)):
        if roles is not None:
            return roles
    shapes = by_shape(file.outputs)
    if shapes is not None:
        for roles in (_by_number(file.outputs, shapes), _by_value(file, shapes)):
            if roles is not None and _fits(roles, shapes):
                return roles
    listed = ", ".join(map(str, file.outputs))
    raise ValueError(
        f"{file.path}: boxes [1, K, 4], classes [1, K], scores [1, K] and their number [1] "
        "expected as the only outputs, or told apart by the operator or their names, found "
        f"{len(file.outputs)} outputs, {listed}; export it again with a signature output_0 "
        "(number), output_1 (scores), output_2 (classes), output_3 (boxes)"
    )


def by_shape(outputs: tuple[TensorFacts, ...]) -> dict[str, list[int]] | None:
    """ "boxes", "count" and "rows" (classes and scores) → numbers of tensors of such a shape.

    Sides of 1 say nothing: some converters drop the batch, others leave one more. None unless
    there are these four and no others.
    """
    found: dict[str, list[int]] = {"boxes": [], "rows": [], "count": []}
    if len(outputs) != len(ROLES) or any(-1 in output.shape for output in outputs):
        return None
    rows = sorted(math.prod(output.shape) for output in outputs)[1]  # the number is but one
    for output in outputs:
        size, shape = math.prod(output.shape), output.shape
        if len(shape) > 1 and shape[-1] == 4 and size == 4 * rows:
            found["boxes"].append(output.index)
        elif size == 1 and (rows > 1 or len(shape) < 2):
            found["count"].append(output.index)
        elif size == rows and rows in shape:
            found["rows"].append(output.index)
    counts = {kind: len(indices) for kind, indices in found.items()}
    return found if counts == {"boxes": 1, "rows": 2, "count": 1} else None


def _fits(roles: Mapping[str, int], shapes: Mapping[str, list[int]]) -> bool:
    return (
        [roles["boxes"]] == shapes["boxes"]
        and [roles["count"]] == shapes["count"]
        and {roles["classes"], roles["scores"]} == set(shapes["rows"])
    )


def _by_operator(file: ForeignFile) -> dict[str, int] | None:
    operator = file.facts.post_process
    indices = {output.index for output in file.outputs}
    if operator is None or len(operator.outputs) != 4 or not set(operator.outputs) <= indices:
        return None
    return dict(zip(ROLES, operator.outputs, strict=True))


def _by_name(file: ForeignFile) -> dict[str, int] | None:
    """Where four outputs have the names and the shapes; there may be others besides."""
    named = {}
    for output in file.outputs:
        words = (name.lower().split(":")[0] for name in file.names_of(output))
        role = next((NAMES[word] for word in words if word in NAMES), None)
        if role is not None:
            named[role] = output
    shapes = by_shape(tuple(named.values()))
    roles = {role: output.index for role, output in named.items()}
    fits = len(roles) == len(ROLES) and shapes is not None and _fits(roles, shapes)
    return roles if fits else None


def _by_number(
    outputs: tuple[TensorFacts, ...], shapes: Mapping[str, list[int]]
) -> dict[str, int] | None:
    """By the number at the end of their names, in one of the two orders that converters use.

    StatefulPartitionedCall:31 to :34 are boxes, classes, scores and count as the operator has
    them; :0 to :3 are count, scores, classes and boxes, sorted by TensorFlow 2's signature.
    """
    numbers = [re.search(r"(\d+)$", output.name) for output in outputs]
    keys = [int(match[1]) if match else 0 for match in numbers]
    if len(set(keys)) < len(keys):
        return None
    ordered = [outputs[place].index for place in np.argsort(keys)]
    if ordered[0] in shapes["boxes"] and ordered[-1] in shapes["count"]:
        return dict(zip(ROLES, ordered, strict=True))
    if ordered[0] in shapes["count"] and ordered[-1] in shapes["boxes"]:
        return dict(zip(ROLES, reversed(ordered), strict=True))
    return None


def _by_value(file: ForeignFile, shapes: Mapping[str, list[int]]) -> dict[str, int] | None:
    """Classes are whole numbers, scores lie in [0, 1]; both at once tell nothing."""
    if file.trial is None:
        return None
    (boxes,), (count,), (one, other) = shapes["boxes"], shapes["count"], shapes["rows"]
    for classes, scores in ((one, other), (other, one)):
        named, scored = file.trial.outputs[classes], file.trial.outputs[scores]
        in_range = scored.low >= 0 and scored.high <= 1
        if named.whole and in_range and (not scored.whole or named.high > 1):
            return {"boxes": boxes, "classes": classes, "scores": scores, "count": count}
    return None
