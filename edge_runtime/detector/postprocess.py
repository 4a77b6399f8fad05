"""Postprocessing: network outputs → boxes, scores and class ids; training's validation too."""

from __future__ import annotations

import math

import numpy as np

from edge_runtime.detector import boxes as box_ops
from edge_runtime.detector.suppression import best_candidates, nms_and_vote

# The prefilter lets through what misses the threshold by this much; the exact test follows. It is
# far above the rounding of a float32 score and far below any step of a useful threshold.
PREFILTER_SLACK = 1e-6

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
    candidates = _candidates(
        logits,
        offsets,
        anchors,
        variances,
        score_threshold,
        logits_quantization,
        offsets_quantization,
    )
    best = best_candidates(candidates[1], max_detections)
    boxes, scores, class_ids = (values[best] for values in candidates)
    keep, voted = nms_and_vote(boxes, scores, class_ids, iou_threshold, max_detections)
    # A mean of boxes in the image may leave it by a rounding.
    return np.clip(voted, 0, 1), scores[keep], class_ids[keep].astype(np.int64)


def _candidates(
    logits: np.ndarray,
    offsets: np.ndarray,
    anchors: np.ndarray,
    variances: tuple[float, float],
    score_threshold: float,
    logits_quantization: tuple[float, int],
    offsets_quantization: tuple[float, int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes (M, 4), scores (M,) and class ids (M,) at the threshold or above, by anchor."""
    rows = _possible_rows(logits, score_threshold, logits_quantization[0])
    row_scores = softmax(dequantize(logits[rows], logits_quantization))[:, 1:].astype(np.float32)
    boxes = box_ops.decode(
        dequantize(offsets[rows], offsets_quantization).astype(np.float32), anchors[rows], variances
    )
    boxes = np.clip(boxes, 0, 1).astype(np.float32, copy=False)
    has_area = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)  # False for NaN as well
    wanted = (row_scores >= float(score_threshold)) & has_area[:, None]

    picked, class_ids = np.nonzero(wanted)
    return boxes[picked], row_scores[picked, class_ids], class_ids


def dequantize(values: np.ndarray, quantization: tuple[float, int]) -> np.ndarray:
    """Numbers of any type as the float64 that they stand for."""
    scale, zero_point = quantization
    return (values.astype(np.float64) - zero_point) * scale


def softmax(logits: np.ndarray) -> np.ndarray:
    """(N, C) → (N, C), each row in [0, 1] with a sum of 1."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return scores


def _possible_rows(logits: np.ndarray, score_threshold: float, scale: float) -> np.ndarray:
    """Numbers of the rows in which a class can reach the threshold; some may still miss it.

    score >= t leaves at most 1 - t for the background, hence logit - background >= log(t / (1 - t))
    (zero points cancel): a comparison of integers for all anchors, an exponential only for a few.
    """
    threshold = score_threshold - PREFILTER_SLACK
    if threshold <= 0:
        return np.arange(len(logits))
    margin = math.log(threshold / (1 - threshold)) / scale
    # Columns first: a maximum over a short last axis takes ten times as long.
    columns = np.ascontiguousarray(logits.T)
    best, background = columns[1:].max(axis=0), columns[0]
    if np.issubdtype(logits.dtype, np.integer):
        best = best.astype(np.int32)  # a difference of int8 does not fit int8
    return np.flatnonzero(best - background >= margin)
