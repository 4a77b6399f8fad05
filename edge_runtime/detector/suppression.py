"""Suppression of duplicates: greedy NMS within each class, and box voting.

Of small arrays it is NumPy's calls that take the time, not its arithmetic. So the overlaps of all
candidates are computed at once, and the greedy choice runs over them as bits of whole numbers.
"""

from __future__ import annotations

import numpy as np

from edge_runtime.detector.boxes import iou

# With any from 0.5 to 0.8 two detectors gained 0.01 to 0.018 AP on validation pictures, most with
# this one, and with squared scores as weights a little more than with scores.
VOTE_IOU = 0.75
# Candidates whose overlaps are computed at once: more would mostly be with those long suppressed.
BLOCK = 128

# Only this many best candidates enter the suppression, so that a threshold near 0 stays affordable
# (a benchmark's 0.01 leaves thousands). 10 for each wanted detection, but never fewer than 1000.
MIN_CANDIDATES = 1000
CANDIDATES_PER_DETECTION = 10


def best_candidates(scores: np.ndarray, max_detections: int) -> np.ndarray:
    """Rows that enter the suppression, best score first, the earlier of equals: (M,) int64.

    Args:
        scores: (N,) of all candidates. max_detections: wanted in the end.
    """
    most = max(MIN_CANDIDATES, CANDIDATES_PER_DETECTION * max_detections)
    rows: np.ndarray = np.argsort(-scores, kind="stable")[:most]
    return rows


def nms(
    boxes: np.ndarray,
    scores: np.ndarray,
    class_ids: np.ndarray,
    iou_threshold: float,
    max_detections: int,
) -> np.ndarray:
    """Greedy non-maximum suppression within each class.

    A box is dropped if its IoU with a better box of its class is above `iou_threshold`; at the
    threshold exactly it stays. Equal scores: the earlier row first.

    Args:
        boxes: (N, 4) xyxy. scores: (N,). class_ids: (N,).

    Returns: (K,) row numbers, K <= max_detections, best score first.
    """
    order = np.argsort(-scores, kind="stable")
    kept, _ = _choose(boxes[order], class_ids[order], iou_threshold, max_detections)
    rows: np.ndarray = order[kept]
    return rows


def nms_and_vote(
    boxes: np.ndarray,
    scores: np.ndarray,
    class_ids: np.ndarray,
    iou_threshold: float,
    max_detections: int,
) -> tuple[np.ndarray, np.ndarray]:
    """`nms`, and its boxes each moved to the mean of the duplicates that agree with it.

    The weights are squared scores. Neighbouring anchors answer for the same object with errors of
    their own, which a mean evens out, and with them the rounding of an int8 model (box voting:
    Gidaris and Komodakis 2015, section 4.2). Those of a box's class that overlap it by more than
    `iou_threshold`, and by VOTE_IOU at least, agree with it.

    Args:
        boxes: (N, 4) xyxy. scores: (N,) falling. class_ids: (N,).

    Returns: (K,) row numbers of those kept, K <= max_detections, and their boxes (K, 4), of the
        type of `boxes`. A box that none agrees with stays as it is.
    """
    kept, overlap = _choose(boxes, class_ids, iou_threshold, max_detections)
    agree = (overlap >= VOTE_IOU) & (overlap > iou_threshold)
    agree[np.arange(len(kept)), kept] = True  # whatever the threshold
    best = boxes[kept]
    weights = (agree * scores**2).astype(boxes.dtype, copy=False)
    total = weights.sum(axis=1, keepdims=True)
    # Of the differences, so that a box that none agrees with comes back to the last bit.
    shift = weights @ boxes - total * best
    voted: np.ndarray = best + np.divide(shift, total, out=np.zeros_like(shift), where=total > 0)
    return kept, voted


def _choose(
    boxes: np.ndarray, class_ids: np.ndarray, iou_threshold: float, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows kept (K,), of boxes best first, and their overlap with all boxes (K, N)."""
    if len(boxes) <= BLOCK:
        overlap = _overlap(boxes, class_ids, boxes, class_ids)
        kept = _greedy(overlap > iou_threshold, most)
        return kept, overlap[kept]
    alive: np.ndarray = np.ones(len(boxes), bool)
    chosen: list[int] = []
    for start in range(0, len(boxes), BLOCK):
        rows = start + np.flatnonzero(alive[start : start + BLOCK])
        block = boxes[rows], class_ids[rows]
        new = rows[_greedy(_overlap(*block, *block) > iou_threshold, most - len(chosen))]
        chosen += new.tolist()
        rest = start + BLOCK + np.flatnonzero(alive[start + BLOCK :])
        if len(chosen) == most or not len(rest):
            break
        overlap = _overlap(boxes[new], class_ids[new], boxes[rest], class_ids[rest])
        alive[rest] = ~(overlap > iou_threshold).any(axis=0)
    kept = np.asarray(chosen, np.int64)
    return kept, _overlap(boxes[kept], class_ids[kept], boxes, class_ids)


def _overlap(
    boxes: np.ndarray, class_ids: np.ndarray, others: np.ndarray, other_ids: np.ndarray
) -> np.ndarray:
    """(N, M) IoU of boxes of the same class, 0 of different ones."""
    overlap: np.ndarray = iou(boxes, others) * (class_ids[:, None] == other_ids)
    return overlap


def _greedy(duplicate: np.ndarray, most: int) -> np.ndarray:
    """Rows that no better row kept before has for a duplicate: (K,) int64, K <= `most`.

    Args:
        duplicate: (N, N) bool, rows and columns best first.
    """
    width = -(-len(duplicate) // 8)
    bits = np.packbits(duplicate, axis=1, bitorder="little").tobytes()
    alive = (1 << len(duplicate)) - 1
    kept: list[int] = []
    while alive and len(kept) < most:
        lowest = alive & -alive  # the bit of the best row that is left
        row = lowest.bit_length() - 1
        kept.append(row)
        duplicates = int.from_bytes(bits[row * width : (row + 1) * width], "little")
        alive &= ~(duplicates | lowest)
    return np.asarray(kept, np.int64)
