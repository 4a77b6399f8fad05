"""Adapter: what the detector asks of a family of files, and what all families share."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from edge_runtime.detector.adapters.families import Family
from edge_runtime.detector.interpreter import Network
from edge_runtime.detector.resize import Resize
from edge_runtime.detector.spec import DetectorSpec
from edge_runtime.detector.suppression import best_candidates, nms
from edge_runtime.system.log_limit import LogLimit

log = logging.getLogger(__name__)

# Boxes xyxy (K, 4) float32 in [0, 1] of the picture, scores (K,) float32 falling, class ids (K,).
Found = tuple[np.ndarray, np.ndarray, np.ndarray]

# Rounding of an integer output carries a sure score so far above 1; more is no score at all.
SCORE_SLACK = 0.02


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
        self._no_score, self._no_name = LogLimit(), LogLimit()

    @abstractmethod
    def preprocess(self, frame: np.ndarray, resize: Resize) -> np.ndarray:
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
        """

    def _checked(self, found: Found) -> Found:
        """Detections with a box of some area, clipped to [0, 1], a name, and a score up to 1.

        Those without a name or with more than a score are left out and logged once a minute: a run
        goes on. The class ids may be of any type.
        """
        boxes = np.clip(found[0], 0, 1).astype(np.float32, copy=False)  # NaN stays
        scores = found[1].astype(np.float32, copy=False)
        class_ids = np.rint(np.nan_to_num(found[2], nan=-1)).astype(np.int64)
        has_area = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)  # False for NaN as well
        is_score = scores <= 1 + SCORE_SLACK
        has_name = (class_ids >= 0) & (class_ids < len(self.class_names))
        self._say_left_out(
            scores[~is_score],
            self._no_score,
            "scores in [0, 1] expected, got {:.3g}; export it with the last activation in it",
        )
        self._say_left_out(
            class_ids[~has_name],
            self._no_name,
            f"classes 0 to {len(self.class_names) - 1} have names, got {{}}; give a name for each "
            "with --labels FILE; where it counts from 1, the first line is 0 ???",
        )
        keep = has_area & is_score & has_name
        return boxes[keep], np.minimum(scores[keep], 1), class_ids[keep]

    def _say_left_out(self, wrong: np.ndarray, limit: LogLimit, text: str) -> None:
        if wrong.size and limit.is_due():
            path = self.network.path
            log.error("%s: detections are left out: %s", path, text.format(wrong[0]))


def suppress(found: Found, thresholds: Thresholds) -> Found:
    """Non-maximum suppression within each class, of the best candidates only.

    Args:
        found: boxes (N, 4) xyxy, scores (N,) and class ids (N,) in any order.

    Returns: those kept, best first.
    """
    best = best_candidates(found[1], thresholds.max_detections)
    boxes, scores, class_ids = (values[best] for values in found)
    keep = nms(boxes, scores, class_ids, thresholds.iou, thresholds.max_detections)
    return boxes[keep], scores[keep], class_ids[keep]
