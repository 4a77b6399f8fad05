"""Postprocessing: network outputs → boxes, scores and class ids; training's validation too."""

from __future__ import annotations

import math

import numpy as np

from edge_runtime.detector import boxes as box_ops
from edge_runtime.detector.suppression import best_candidates, nms_and_vote

# The prefilter lets through what misses the threshold by this much; the exact test follows. It is
# far above the rounding of a float32 score and far below any step of a useful threshold.
PREFILTER_SLACK = 1e-6

# Classes from which on a maximum along the rows is the faster way.
WIDE_ROW = 128

FLOAT = (1.0, 0)  # the quantization of numbers that are not quantized


def decode_outputs(
    logits: np.ndarray,
    offsets: np.ndarray,
    anchors: np.ndarray,
    variances: tuple[float, float],
    score_threshold: float,
    iou_threshold: float,
    max_detections: int,
    logits_quantization: tuple[float, int] = FLOAT,
    offsets_quantization: tuple[float, int] = FLOAT,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Decode one image's outputs and merge duplicates: the best one's score, all their boxes.

    An anchor may stand for several classes at once, as in SSD. Boxes are clipped to the image;
    those without area are dropped. Of the candidates, the best max(1000, 10 * max_detections)
    enter the suppression.

    Args:
        logits: (N, C + 1) before softmax, background in column 0; float, or integers.
        offsets: (N, 4) (ty, tx, th, tw); float, or integers.
        anchors: (N, 4) cxcywh.
        variances: (center, size) of the offsets.
        score_threshold: keep if score >= it; in [0, 1].
        iou_threshold: suppress if IoU > it; in [0, 1].
        max_detections: K at most.
        logits_quantization, offsets_quantization: (scale, zero point) of integer outputs.

    Returns: boxes (K, 4) float32 xyxy in [0, 1], scores (K,) float32 falling, class_ids (K,) int64.
    Raises: ValueError if the shapes do not fit each other.
    """
    count = len(anchors)
    if logits.ndim != 2 or len(logits) != count or offsets.shape != (count, 4):
        raise ValueError(
            f"logits ({count}, C + 1) and offsets ({count}, 4) expected for {count} anchors, "
            f"got {logits.shape} and {offsets.shape}; pass one picture, without the batch dimension"
        )
    rows = _possible_rows(logits, score_threshold, logits_quantization[0])
    # take(): indexing with row numbers costs several times as much.
    row_offsets = dequantize(offsets.take(rows, axis=0), offsets_quantization)
    boxes = box_ops.decode(row_offsets, anchors.take(rows, axis=0), variances).clip(0, 1)
    x_min, y_min, x_max, y_max = boxes.T
    has_area = (x_max > x_min) & (y_max > y_min)  # not of NaN
    if np.count_nonzero(has_area) < len(rows):
        rows, boxes = rows[has_area], boxes[has_area]
    scores = softmax(logits.take(rows, axis=0), logits_quantization[0])
    picked, class_ids, best = _best_pairs(scores, score_threshold, max_detections)
    boxes = boxes.take(picked, axis=0)
    keep, voted = nms_and_vote(boxes, best, class_ids, iou_threshold, max_detections)
    # A mean of boxes in the image may leave it by a rounding.
    return voted.clip(0, 1), best.take(keep), class_ids.take(keep)


def _best_pairs(
    scores: np.ndarray, score_threshold: float, max_detections: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Candidates for the suppression: rows (M,), class ids (M,) and scores (M,), best first.

    scores: (N, C + 1) with the background in column 0.
    """
    wanted = scores >= float(score_threshold)
    wanted[:, 0] = False
    # Row and class as one number: NumPy finds what is True ten times as fast along one axis.
    (pairs,) = wanted.ravel().nonzero()
    found = scores.take(pairs)
    best = best_candidates(found, max_detections)
    rows, columns = np.divmod(pairs.take(best), scores.shape[1])
    return rows, columns - 1, found.take(best)


def dequantize(values: np.ndarray, quantization: tuple[float, int]) -> np.ndarray:
    """Numbers of any type as the float32 that they stand for."""
    scale, zero_point = quantization
    numbers: np.ndarray = np.subtract(values, zero_point, dtype=np.float32)
    numbers *= scale
    return numbers


def softmax(logits: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """(N, C) of any type, in steps of `scale` → (N, C) float32, each row in [0, 1], its sum 1.

    In place: for a low threshold this is the largest array of all.
    """
    best = logits.max(axis=1, keepdims=True)
    powers: np.ndarray = np.subtract(logits, best, dtype=np.float32)  # zero points cancel
    powers *= scale
    np.exp(powers, out=powers)
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def _possible_rows(logits: np.ndarray, score_threshold: float, scale: float) -> np.ndarray:
    """Numbers of the rows in which a class can reach the threshold; some may still miss it.

    score >= t leaves at most 1 - t for the background, hence logit - background >= log(t / (1 - t))
    (zero points cancel): a comparison of integers for all anchors, an exponential only for a few.
    """
    threshold = score_threshold - PREFILTER_SLACK
    if threshold <= 0:
        return np.arange(len(logits))
    margin = math.log(threshold / (1 - threshold)) / scale
    best, background = _best_class(logits), logits[:, 0]
    if logits.dtype.kind in "iu":
        # A difference of int8 does not fit int8; whole numbers are compared with a whole number.
        wider = np.int16 if logits.itemsize == 1 else np.int32
        possible = np.subtract(best, background, dtype=wider) >= math.ceil(margin)
    else:
        possible = best - background >= margin
    rows: np.ndarray = possible.nonzero()[0]
    return rows


def _best_class(logits: np.ndarray) -> np.ndarray:
    """Maximum of columns 1 to C of (N, C + 1): (N,).

    The largest of 1, then of 2, 4, 8 … C numbers that follow each other, from every place on: each
    step compares two long arrays, which takes a fraction of a maximum along many short rows.
    """
    classes = logits.shape[1] - 1
    if classes >= WIDE_ROW:
        best: np.ndarray = logits[:, 1:].max(axis=1)
        return best
    largest, reach = logits.ravel(), 1
    while reach < classes:
        step = min(reach, classes - reach)
        largest = np.maximum(largest[:-step], largest[step:])
        reach += step
    return largest[1 :: classes + 1]
