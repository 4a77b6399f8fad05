"""MediaPipe's two outputs: raw boxes and scores of anchors that lie in the file's metadata.

As MediaPipe Model Maker writes them, and as MediaPipe Tasks reads them: a box is (y, x, h, w)
against its anchor, whatever the order in the metadata says of the finished box; a background among
the classes is a column like others. Duplicates are suppressed here, within each class.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from edge_runtime.detector import boxes as box_ops
from edge_runtime.detector.adapters import families
from edge_runtime.detector.adapters.base import (
    Adapter,
    Found,
    Thresholds,
    suppress,
)
from edge_runtime.detector.adapters.foreign_file import ForeignFile
from edge_runtime.detector.adapters.picture_input import PictureInput
from edge_runtime.detector.adapters.quantized import (
    check_score_steps,
    quantization_of,
    raw_threshold,
    to_float,
)
from edge_runtime.detector.interpreter import Network
from edge_runtime.detector.labels import Labels, has_background, read_labels
from edge_runtime.detector.model_facts import TensorFacts
from edge_runtime.detector.resize import Resize
from edge_runtime.detector.tflite_metadata import AnchorDecoding

LOCATION = ("location", "detection_boxes", "boxes")
SCORE = ("score", "detection_scores", "scores")
MOST_LOGIT = 80.0  # its sigmoid is 1 in float32, and exp() of it no overflow


class MediaPipeAdapter(Adapter):
    """Anchors and scales of DETECTOR_METADATA; the best class of an anchor counts."""

    family = families.MEDIAPIPE

    def __init__(self, file: ForeignFile, network: Network) -> None:
        """Raises: ValueError for outputs or metadata that do not fit each other."""
        decoding = file.metadata.decoding
        pair = find_pair(file)
        if decoding is None or pair is None:
            raise ValueError(
                f"{file.path}: outputs location [1, N, 4] and score [1, N, C] and anchors in its "
                f"metadata (DETECTOR_METADATA) expected, found "
                f"{', '.join(map(str, file.outputs))} and {'no' if decoding is None else 'its'} "
                "anchors; export it again with MediaPipe Model Maker, or with the operator "
                "TFLite_Detection_PostProcess inside"
            )
        location, score = pair
        if len(decoding.anchors) != location.shape[1]:
            raise ValueError(
                f"{file.path}: {location.shape[1]} anchors expected by its outputs, found "
                f"{len(decoding.anchors)} in its metadata; export it again"
            )
        self._decoding = decoding
        by_index = {tensor.index: name for name, tensor in network.outputs.items()}
        self._names = by_index[location.index], by_index[score.index]
        self._location, self._score = (
            quantization_of(network.outputs[name]) for name in self._names
        )
        if not decoding.sigmoid:
            check_score_steps(file.path, network.outputs[self._names[1]])
        labels, self._first = _classes(file, score.shape[2])
        self._input = PictureInput.of(network, file.scaling())
        super().__init__(network, labels.names, self._input.input_hw)
        self.unused = labels.unused

    @classmethod
    def recognizes(cls, file: ForeignFile) -> bool:
        """True for two such outputs with anchors in the metadata."""
        return file.metadata.decoding is not None and find_pair(file) is not None

    def preprocess(self, frame: np.ndarray, resize: Resize) -> np.ndarray:
        return self._input.prepare(frame, resize)

    def invoke(self, input_tensor: np.ndarray) -> tuple[np.ndarray, ...]:
        """Raw boxes (N, 4) and scores (N, C), in the file's own dtypes."""
        outputs = self.network.invoke(input_tensor)
        location, score = self._names
        return outputs[location][0], outputs[score][0]

    def decode(
        self, raw: tuple[np.ndarray, ...], picture_hw: tuple[int, int], thresholds: Thresholds
    ) -> Found:
        # Columns first: a maximum over a short last axis takes ten times as long.
        columns = np.ascontiguousarray(raw[1][:, self._first :].T)
        best = columns.max(axis=0)
        least = logit(thresholds.score) if self._decoding.sigmoid else thresholds.score
        rows = np.flatnonzero(best >= raw_threshold(least, self._score))
        scores = to_float(best[rows], self._score)
        if self._decoding.sigmoid:
            scores = 1 / (1 + np.exp(-np.clip(scores, -MOST_LOGIT, MOST_LOGIT)))
        sure = scores >= thresholds.score
        rows, scores = rows[sure], scores[sure]
        boxes = decode_boxes(to_float(raw[0][rows], self._location), self._decoding, rows)
        return self._checked(suppress((boxes, scores, columns[:, rows].argmax(axis=0)), thresholds))


def logit(score: float) -> float:
    """The number of which a score is the sigmoid; finite for 0 and 1 as well."""
    if score in (0, 1):
        return math.copysign(MOST_LOGIT, score - 0.5)
    return math.log(score / (1 - score))


def decode_boxes(raw: np.ndarray, decoding: AnchorDecoding, rows: np.ndarray) -> np.ndarray:
    """(M, 4) raw (y, x, h, w) of the anchors `rows` → (M, 4) xyxy, not clipped."""
    anchors = decoding.anchors[rows]
    scale_x, scale_y, scale_w, scale_h = decoding.scales
    center = (
        raw[:, 1::-1] / np.asarray([scale_x, scale_y], np.float32) * anchors[:, 2:] + anchors[:, :2]
    )
    size = raw[:, :1:-1] / np.asarray([scale_w, scale_h], np.float32)
    if decoding.exponential:
        size = np.exp(np.minimum(size, box_ops.MAX_LOG_SCALE)) * anchors[:, 2:]
    else:
        size = size * anchors[:, 2:]
    return box_ops.cxcywh_to_xyxy(np.concatenate([center, size], axis=1))


def find_pair(file: ForeignFile) -> tuple[TensorFacts, TensorFacts] | None:
    """The outputs (location, score), by their names, else by their shapes; None for others."""
    outputs = file.outputs
    if len(outputs) != 2 or any(len(output.shape) != 3 for output in outputs):
        return None
    one, other = outputs
    if one.shape[:2] != other.shape[:2] or one.shape[0] != 1:
        return None
    for location, score in ((one, other), (other, one)):
        if location.shape[2] != 4:
            continue
        named = _is_named(file, location, LOCATION) and _is_named(file, score, SCORE)
        if named or score.shape[2] != 4:
            return location, score
    return None


def _is_named(file: ForeignFile, output: TensorFacts, names: tuple[str, ...]) -> bool:
    return any(name.lower() in names for name in file.names_of(output))


def _classes(file: ForeignFile, count: int) -> tuple[Labels, int]:
    """Names of the classes, and the first column that is one: not the background's."""
    if file.spec is not None and len(file.spec.class_names) == count:
        return Labels(file.spec.class_names), 0
    inside = file.labels_inside(count)
    if file.labels_path is not None and inside is not None and has_background(inside) and count > 1:
        return _named_by_user(file.labels_path, count), 1
    labels = file.labels(count)
    return (_without_first(labels), 1) if has_background(labels) and count > 1 else (labels, 0)


def _named_by_user(path: Path, count: int) -> Labels:
    """The user's names for the columns after a background that the file's own labels name."""
    labels = read_labels(path, None)
    if len(labels.names) == count and has_background(labels):
        labels = _without_first(labels)
    if len(labels.names) != count - 1 or has_background(labels):
        raise ValueError(
            f"{path}: {count - 1} class names expected, or a line background and then as many, for "
            f"the model's first column is the background; got {len(labels.names)}, the first "
            f"{labels.names[0]!r}"
        )
    return labels


def _without_first(labels: Labels) -> Labels:
    return Labels(labels.names[1:], labels.unused - {labels.names[0]})
