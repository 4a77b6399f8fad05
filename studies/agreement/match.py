"""Agreement of two readers: which of their detections the other has as well."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_runtime.detector.boxes import iou
from studies.readers.readers import Found

SCORE = 0.3  # detections above it are compared
LEAST_IOU = 0.98
MOST_CHANGE = 0.02  # of the score


@dataclass(frozen=True)
class Agreement:
    """Detections above SCORE of one reader and the other, and how many the other has as well."""

    one: int = 0
    other: int = 0
    agreed: int = 0

    def __add__(self, more: Agreement) -> Agreement:
        return Agreement(self.one + more.one, self.other + more.other, self.agreed + more.agreed)

    @property
    def detections(self) -> int:
        """Of both."""
        return self.one + self.other

    @property
    def share(self) -> float | None:
        """Of the detections that the other has as well; None without any."""
        return self.agreed / self.detections if self.detections else None


def compare(one: Found, other: Found) -> Agreement:
    """One picture, both ways: the same class, IoU of LEAST_IOU, scores within MOST_CHANGE.

    A partner may be a little below SCORE, and stands for one detection only. Boxes without area,
    which lie beside the picture, are none: some readers hand them out.
    """
    one, other = _with_area(one), _with_area(other)
    scores, others = one[1], other[1]
    fits = one[2][:, None] == other[2][None, :]
    fits &= np.abs(scores[:, None] - others[None, :]) <= MOST_CHANGE
    overlap = np.where(fits, iou(one[0], other[0]), 0)
    clear = [(scores > SCORE), (others > SCORE)]
    ours, theirs = (int(above.sum()) for above in clear)
    paired = 0
    while overlap.size and overlap.max() >= LEAST_IOU:  # the best pair first
        row, column = np.unravel_index(overlap.argmax(), overlap.shape)
        paired += int(clear[0][row]) + int(clear[1][column])
        overlap[row, :] = overlap[:, column] = 0
    return Agreement(ours, theirs, paired)


def _with_area(found: Found) -> Found:
    boxes, scores, class_ids = found
    keep = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    return boxes[keep], scores[keep], class_ids[keep]
