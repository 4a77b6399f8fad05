"""Suppression of duplicates: greedy NMS within each class, and box voting.

Of small arrays it is NumPy's calls that take the time, not its arithmetic. So the overlaps of all
candidates are computed at once, and the greedy choice runs over them as bits of whole numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edge_runtime.detector.boxes import TINY, iou, paired_iou

# With any from 0.5 to 0.8 two detectors gained 0.01 to 0.018 AP on validation pictures, most with
# this one, and with squared scores as weights a little more than with scores.
VOTE_IOU = 0.75
# So many candidates are compared all at once, which takes the fewest calls…
AT_ONCE = 160
# …and more in blocks: most overlaps would be with those long suppressed.
BLOCK = 64
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
    rows: np.ndarray = (-scores).argsort(kind="stable")[:most]
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
    blocks = _kept(boxes[order], class_ids[order], iou_threshold, max_detections)
    rows: np.ndarray = order[np.concatenate([kept for kept, _ in blocks])]
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
    squares = (scores * scores).astype(boxes.dtype, copy=False)
    # Above 0, so that scores of 0 have a mean as well.
    squares += TINY
    rows, voted = [], []
    for kept, overlap in _kept(boxes, class_ids, iou_threshold, max_detections):
        agree = overlap >= VOTE_IOU if iou_threshold < VOTE_IOU else overlap > iou_threshold
        agree[np.arange(len(kept)), kept] = True  # whatever the threshold
        weights = agree * squares
        # A box that none agrees with has a weight of 1 then, and comes back to the last bit.
        weights /= weights.sum(axis=1, keepdims=True)
        rows.append(kept)
        voted.append(weights @ boxes)
    if len(rows) == 1:
        return rows[0], voted[0]
    return np.concatenate(rows), np.concatenate(voted)


def _kept(
    boxes: np.ndarray, class_ids: np.ndarray, iou_threshold: float, most: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows kept (K,) of boxes that stand best first, and their overlap with all boxes (K, N).

    Block after block, so that few overlaps are computed of boxes long suppressed.
    """
    if len(boxes) <= AT_ONCE:
        overlap = _overlap(boxes, class_ids, boxes, class_ids)
        kept = _greedy(overlap > iou_threshold, most)
        yield kept, overlap.take(kept, axis=0)
        return
    class_ids = class_ids.astype(np.int32)  # half as much to compare
    alive: np.ndarray = np.ones(len(boxes), bool)
    for start in range(0, len(boxes), BLOCK):
        rows = start + np.flatnonzero(alive[start : start + BLOCK])
        block = boxes[rows], class_ids[rows]
        rows = rows[_greedy(_overlap(*block, *block) > iou_threshold, most)]
        overlap = _overlap(boxes[rows], class_ids[rows], boxes, class_ids)
        yield rows, overlap
        most -= len(rows)
        if not most:
            return
        alive &= ~(overlap > iou_threshold).any(axis=0)


def _overlap(
    boxes: np.ndarray, class_ids: np.ndarray, others: np.ndarray, other_ids: np.ndarray
) -> np.ndarray:
    """(N, M) IoU of boxes of the same class, 0 of different ones."""
    touching = class_ids[:, None] == other_ids
    if touching.size <= AT_ONCE**2:
        overlap = iou(boxes, others)
        overlap *= touching
        return overlap
    # Of many pairs few overlap, and NumPy compares numbers in a fifth of the time in which it finds
    # the smaller of two: so first who overlaps at all, and arithmetic for those.
    corners, other_corners = boxes.T[:, :, None], np.ascontiguousarray(others.T)
    for low, high in ((0, 2), (1, 3)):
        touching &= corners[low] < other_corners[high]
        touching &= corners[high] > other_corners[low]
    pairs = np.flatnonzero(touching)
    first, second = np.divmod(pairs, len(others))
    overlap = np.zeros(touching.shape, boxes.dtype)
    overlap.ravel()[pairs] = paired_iou(boxes.take(first, axis=0), others.take(second, axis=0))
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
