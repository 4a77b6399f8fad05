"""Adapter: what the detector asks of a family of files, and what all families share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edge_runtime.detector import boxes as box_ops
from edge_runtime.detector.interpreter import Network
from edge_runtime.detector.postprocess import CANDIDATES_PER_DETECTION, MIN_CANDIDATES
from edge_runtime.detector.spec import DetectorSpec

# Boxes xyxy (K, 4) float32 in [0, 1] of the picture, scores (K,) float32 falling, class ids (K,).
Found = tuple[np.ndarray, np.ndarray, np.ndarray]

# Rounding of an integer output carries a sure score so far above 1; more is no score at all.
SCORE_SLACK = 0.02


@dataclass(frozen=True)
class Family:
    """A family of detector files.

    Attributes:
        name: as `--as` takes it.
        description: one line for people.
    """

    name: str
    description: str

    def __str__(self) -> str:
        return f"{self.name}: {self.description}"


class Thresholds(NamedTuple):
    """Thresholds of a `Detector`, which see."""

    score: float
    iou: float
    max_detections: int


class Adapter(ABC):
    """Preprocessing and decoding of one file. Not for several threads at once.

    Attributes:
        family: of the file.
        network: the file, ready to run.
        class_names: a class id is an index into them.
        unused: those of `class_names` that only stand for a number that no class has.
        input_hw: height and width of the network's input in pixels.
        keeps_aspect: whether pictures are scaled by one factor and padded, not stretched.
        spec: inside a file of this project; None in others.
    """

    family: Family
    keeps_aspect = False
    spec: DetectorSpec | None = None
    unused: frozenset[str] = frozenset()

    def __init__(
        self, network: Network, class_names: tuple[str, ...], input_hw: tuple[int, int]
    ) -> None:
        self.network = network
        self.class_names = class_names
        self.input_hw = input_hw

    @abstractmethod
    def preprocess(self, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3) RGB uint8 → the network's input. Raises: TypeError, ValueError."""

    @abstractmethod
    def invoke(self, input_tensor: np.ndarray) -> tuple[np.ndarray, ...]:
        """Run the network: the outputs that `decode` wants, without batch, in their own dtypes."""

    @abstractmethod
    def decode(
        self, raw: tuple[np.ndarray, ...], picture_hw: tuple[int, int], thresholds: Thresholds
    ) -> Found:
        """Outputs of `invoke` → detections.

        Args:
            picture_hw: (height, width) of the picture that was preprocessed.

        Raises: ValueError for outputs that are no detections, such as scores above 1.
        """


def suppress(found: Found, thresholds: Thresholds) -> Found:
    """Non-maximum suppression within each class, of the best candidates only.

    Args:
        found: boxes (N, 4) xyxy, scores (N,) and class ids (N,) in any order.

    Returns: those kept, best first.
    """
    most = max(MIN_CANDIDATES, CANDIDATES_PER_DETECTION * thresholds.max_detections)
    best = np.argsort(-found[1], kind="stable")[:most]
    boxes, scores, class_ids = (values[best] for values in found)
    keep = box_ops.nms(boxes, scores, class_ids, thresholds.iou, thresholds.max_detections)
    return boxes[keep], scores[keep], class_ids[keep]


def checked(found: Found) -> Found:
    """Candidates with a finite box of some area, clipped to [0, 1], and scores of at most 1.

    Raises: ValueError for scores that are none.
    """
    boxes, scores, class_ids = found
    boxes = np.clip(boxes, 0, 1).astype(np.float32, copy=False)  # NaN stays
    has_area = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)  # False for NaN as well
    boxes, scores, class_ids = boxes[has_area], scores[has_area], class_ids[has_area]
    if scores.size and scores.max() > 1 + SCORE_SLACK:
        raise ValueError(
            f"scores in [0, 1] expected, got {scores.max():.3g}; the file was exported without "
            "the last activation: export it again with it"
        )
    return boxes, np.minimum(scores, 1).astype(np.float32, copy=False), class_ids.astype(np.int64)
