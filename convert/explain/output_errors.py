"""Output errors: how far a detector's outputs are from those of float, picture by picture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from convert.explain.report import DetectionErrors
from edge_runtime.detector.anchors import make_anchors
from edge_runtime.detector.boxes import decode, paired_iou
from edge_runtime.detector.postprocess import softmax
from edge_runtime.detector.spec import DetectorSpec

# Anchors below it, in float and in int8, are background either way: what becomes of their boxes
# changes no detection that anyone would show.
SCORE_THRESHOLD = 0.1

Outputs = Mapping[str, np.ndarray]  # logits (B, N, C + 1) and offsets (B, N, 4)


class OutputErrors:
    """Errors of scores and boxes against float, of the anchors that matter.

    Attributes:
        scores: for each picture the mean over its anchors of the largest change of a score.
        boxes: for each picture the mean over its anchors of 1 - IoU of the two boxes.

    Both lie in [0, 1]; a picture without such anchors is NaN.
    """

    def __init__(self, spec: DetectorSpec) -> None:
        self.anchors, self.variances = make_anchors(spec), spec.variances
        self.scores: list[float] = []
        self.boxes: list[float] = []

    @property
    def sums(self) -> np.ndarray:
        """(pictures,) error of the scores plus that of the boxes."""
        return np.asarray(self.scores) + np.asarray(self.boxes)

    @property
    def empty(self) -> bool:
        """Whether fewer than two pictures have an anchor that matters: too few for a spread."""
        return int(np.isfinite(self.sums).sum()) < 2

    def choose(self, exact: Outputs, other: Outputs) -> np.ndarray:
        """(B, N) bool: anchors to which either gives a class a score >= SCORE_THRESHOLD."""
        best = [_scores(outputs["logits"]).max(axis=-1) for outputs in (exact, other)]
        return np.maximum(*best) >= SCORE_THRESHOLD

    def add(self, exact: Outputs, other: Outputs, chosen: np.ndarray) -> None:
        """Take in a batch; the same `chosen` for all that shall be compared."""
        for number, rows in enumerate(chosen):
            if not rows.any():
                self.scores.append(np.nan)
                self.boxes.append(np.nan)
                continue
            scores = [_scores(outputs["logits"][number][rows]) for outputs in (exact, other)]
            self.scores.append(float(np.abs(scores[0] - scores[1]).max(axis=1).mean()))
            boxes = [
                decode(
                    np.float64(outputs["offsets"][number][rows]), self.anchors[rows], self.variances
                )
                for outputs in (exact, other)
            ]
            self.boxes.append(float(1 - paired_iou(*boxes).mean()))

    def mean(self) -> DetectionErrors | None:
        """Over pictures; None where `empty`."""
        if self.empty:
            return None
        return DetectionErrors(float(np.nanmean(self.scores)), float(np.nanmean(self.boxes)))


def gain(baseline: OutputErrors, returned: OutputErrors) -> tuple[float, float]:
    """By how much the error falls, and the standard error of that over pictures, taken in pairs.

    Neither may be `empty`.
    """
    differences = baseline.sums - returned.sums
    differences = differences[~np.isnan(differences)]
    spread = differences.std(ddof=1) / np.sqrt(len(differences))
    return float(differences.mean()), float(spread)


def _scores(logits: np.ndarray) -> np.ndarray:
    """(…, C + 1) → (…, C) scores of the classes, background left out."""
    flat = logits.reshape(-1, logits.shape[-1])
    return softmax(flat).reshape(logits.shape)[..., 1:]
