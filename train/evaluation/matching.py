"""Greedy matching of detections with boxes of the same class, one to one."""

from __future__ import annotations

import numpy as np

from edge_runtime.detector.boxes import iou
from train.evaluation.coco import PictureDetections

NONE = -1  # the row of a partner that is not there


def match_detections(
    detections: PictureDetections, boxes: np.ndarray, class_ids: np.ndarray, iou_threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """The partner of each detection: the best score first, each takes the box it overlaps most.

    Args:
        detections: boxes (K, 4) xyxy, scores (K,), class_ids (K,), in any order.
        boxes: (M, 4) xyxy of the same image. class_ids: (M,) theirs.
        iou_threshold: a pair has this IoU or more; above 0.

    Returns: (K,) int64 rows of `boxes`, each at most once, NONE where no box of the class is left,
        and (K,) the IoU with them, 0 where there is none.
    """
    found, scores, found_ids = detections
    overlaps = iou(found, boxes) * (found_ids[:, None] == class_ids[None, :])  # [K, M]
    partners = np.full(len(found), NONE, np.int64)
    ious = np.zeros(len(found))
    free = np.ones(len(boxes), bool)
    if not len(boxes):
        return partners, ious
    for row in np.argsort(-scores, kind="stable"):
        candidates = np.where(free, overlaps[row], 0)
        best = int(candidates.argmax())
        if candidates[best] >= iou_threshold:
            partners[row], ious[row] = best, candidates[best]
            free[best] = False
    return partners, ious
