"""Box arithmetic in NumPy: formats, IoU, offset encoding.

`boxes` are xyxy (x_min, y_min, x_max, y_max), `anchors` cxcywh, both as fractions of the input.
`offsets` are ordered (ty, tx, th, tw), since TFLite_Detection_PostProcess and MediaPipe hard-wire
that order; only `encode` and `decode` know.
"""

from __future__ import annotations

import numpy as np

# exp() of more than this makes any anchor larger than any picture; it only guards against overflow.
MAX_LOG_SCALE = 10.0
# Above 0 in float32 too, and below any area.
TINY = 1e-37


def cxcywh_to_xyxy(boxes: np.ndarray) -> np.ndarray:
    """(N, 4) center and size → (N, 4) corners."""
    center, half = boxes[:, :2], boxes[:, 2:] / 2
    return np.concatenate([center - half, center + half], axis=1)


def xyxy_to_cxcywh(boxes: np.ndarray) -> np.ndarray:
    """(N, 4) corners → (N, 4) center and size."""
    low, high = boxes[:, :2], boxes[:, 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=1)


def area(boxes: np.ndarray) -> np.ndarray:
    """(N, 4) xyxy → (N,) areas; an inverted box has none."""
    return _areas(boxes.T)


def _areas(corners: np.ndarray) -> np.ndarray:
    """`area` of (4, N) coordinates."""
    sides = corners[2:] - corners[:2]
    np.maximum(sides, 0, out=sides)
    areas: np.ndarray = sides[0] * sides[1]
    return areas


def intersection(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N, 4) and (M, 4) xyxy → (N, M) areas in common."""
    return _common(boxes.T, np.ascontiguousarray(others.T))


def _common(corners: np.ndarray, others: np.ndarray) -> np.ndarray:
    """`intersection` of (4, N) and (4, M) coordinates."""
    # A product over an axis of length 2 takes twice as long as all the rest.
    corners, others = corners[:, :, None], others[:, None, :]
    sides = np.minimum(corners[2:], others[2:])  # [2, N, M]
    sides -= np.maximum(corners[:2], others[:2])
    np.maximum(sides, 0, out=sides)
    common: np.ndarray = sides[0] * sides[1]
    return common


def iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of (N, 4) and (M, 4) xyxy boxes: (N, M) in [0, 1].

    Two boxes without area have an IoU of 0, not 0 / 0.
    """
    # By coordinate, in rows of their own: NumPy takes twice as long for steps of four numbers.
    corners = np.ascontiguousarray(boxes.T)
    other_corners = corners if others is boxes else np.ascontiguousarray(others.T)
    areas = _areas(corners)
    other_areas = areas if others is boxes else _areas(other_corners)
    return _over_union(_common(corners, other_corners), areas[:, None] + other_areas)


def paired_iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """`iou` of each of (N, 4) boxes with its own of the (N, 4) others: (N,) in [0, 1]."""
    low, high = np.maximum(boxes, others)[:, :2], np.minimum(boxes, others)[:, 2:]
    sides = np.maximum(high - low, 0)
    return _over_union(sides[:, 0] * sides[:, 1], area(boxes) + area(others))


def _over_union(common: np.ndarray, union: np.ndarray) -> np.ndarray:
    """union: of the areas, with what is common in it twice. Works in both arrays."""
    union -= common
    np.maximum(union, TINY, out=union)
    common /= union
    return common


def encode(boxes: np.ndarray, anchors: np.ndarray, variances: tuple[float, float]) -> np.ndarray:
    """Regression targets of boxes against their anchors (SSD, Liu et al. 2016, section 2.2).

    Args:
        boxes: (N, 4) xyxy with positive width and height.
        anchors: (N, 4) cxcywh.
        variances: (center, size) divisors.

    Returns: (N, 4) float32 offsets (ty, tx, th, tw).
    """
    target = xyxy_to_cxcywh(boxes)
    shift = (target[:, :2] - anchors[:, :2]) / anchors[:, 2:] / variances[0]  # tx, ty
    scale = np.log(target[:, 2:] / anchors[:, 2:]) / variances[1]  # tw, th
    return np.concatenate([shift[:, ::-1], scale[:, ::-1]], axis=1).astype(np.float32)


def decode(offsets: np.ndarray, anchors: np.ndarray, variances: tuple[float, float]) -> np.ndarray:
    """The inverse of `encode`: (N, 4) offsets (ty, tx, th, tw) → (N, 4) xyxy, not clipped."""
    center = offsets[:, 1::-1] * variances[0]  # of (tx, ty)
    center *= anchors[:, 2:]
    center += anchors[:, :2]
    half = np.exp(np.minimum(offsets[:, :1:-1] * variances[1], MAX_LOG_SCALE))  # of (tw, th)
    half *= anchors[:, 2:]
    half /= 2
    return np.concatenate([center - half, center + half], axis=1)
