"""SSD target encoding: anchor matching, and a class and four offsets for each anchor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edge_runtime.detector.anchors import make_anchors
from edge_runtime.detector.boxes import cxcywh_to_xyxy, encode, iou
from edge_runtime.detector.spec import DetectorSpec

# A small box inside several anchors of one size overlaps each of them equally well but for the
# rounding of their corners, which is about 1e-5 of the IoU at a size of 0.02.
TIE = 1e-4
# Class targets below the matches, which are class id + 1: a negative that counts if it is among its
# picture's hardest, and one that counts as much as the others.
BACKGROUND, UNMINED = 0, -1
MATCH_IOU = 0.5  # above it an anchor answers for a box (SSD, Liu et al. 2016, section 2.2)


def _claim(box: np.ndarray, overlap: np.ndarray, anchors_xyxy: np.ndarray) -> tuple[float, int]:
    """The best IoU left in `overlap` (N,), -1 where taken, and the anchor that a box wants.

    Of anchors with the same IoU it is the one with the nearest corners. This also finds an anchor
    for a box that overlaps none: all are equal then, at 0.
    """
    best = overlap.max()
    tied = np.flatnonzero(overlap >= best * (1 - TIE))
    if len(tied) > 1:
        distance = np.square(anchors_xyxy[tied] - box).sum(axis=1)
        return best, int(tied[distance.argmin()])
    return best, int(tied[0])


def _bipartite(overlap: np.ndarray, boxes: np.ndarray, anchors_xyxy: np.ndarray) -> np.ndarray:
    """One anchor for each box, no anchor twice: (M,) int64. Marks taken columns of `overlap` -1.

    The best pair of all is joined and taken out, again and again. Only the boxes that wanted the
    anchor just taken need to look again, so this is a loop over boxes and not over pairs.
    """
    claims = [_claim(box, row, anchors_xyxy) for box, row in zip(boxes, overlap, strict=True)]
    best = np.array([claim[0] for claim in claims])
    wanted = np.array([claim[1] for claim in claims])
    matched = np.full(len(boxes), -1, np.int64)
    for _ in range(len(boxes)):
        winner = np.where(matched < 0, best, -np.inf).argmax()  # ties: the earlier box
        matched[winner] = wanted[winner]
        overlap[:, wanted[winner]] = -1
        for loser in np.flatnonzero((matched < 0) & (wanted == wanted[winner])):
            best[loser], wanted[loser] = _claim(boxes[loser], overlap[loser], anchors_xyxy)
    return matched


def match_anchors(
    boxes: np.ndarray, anchors_xyxy: np.ndarray, iou_threshold: float = MATCH_IOU
) -> np.ndarray:
    """The box that each anchor answers for (SSD, section 2.2, "Matching strategy").

    First every box gets an anchor of its own, the pair with the greatest IoU first, so that no box
    of a crowd is lost because another wants the same anchor. Then each anchor left takes the box
    that it overlaps most, if their IoU is above `iou_threshold`; at the threshold it does not.
    Equal IoU: the anchor with the nearest corners, and the earlier box.

    Args:
        boxes: (M, 4) xyxy. anchors_xyxy: (N, 4) the anchors' corners, same unit.

    Returns: (N,) int64 row of `boxes`, -1 for background.
    Raises: ValueError if there are more boxes than anchors.
    """
    if len(boxes) > len(anchors_xyxy):
        raise ValueError(
            f"at most one box for each of the {len(anchors_xyxy)} anchors expected, got "
            f"{len(boxes)} boxes; add anchors to the spec or leave out the picture"
        )
    matched = np.full(len(anchors_xyxy), -1, np.int64)
    if not len(boxes):
        return matched
    overlap = iou(boxes, anchors_xyxy)  # [M, N]
    above = np.flatnonzero(overlap.max(axis=0) > iou_threshold)
    matched[above] = overlap[:, above].argmax(axis=0)
    matched[_bipartite(overlap, boxes, anchors_xyxy)] = np.arange(len(boxes))
    return matched


def _check(boxes: np.ndarray, class_ids: np.ndarray) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4 or class_ids.shape != boxes.shape[:1]:
        raise ValueError(
            f"boxes (M, 4) and class_ids (M,) expected, got {boxes.shape} and {class_ids.shape}; "
            "a picture without objects has shapes (0, 4) and (0,)"
        )
    bad = np.flatnonzero(~(boxes[:, 2:] > boxes[:, :2]).all(axis=1))  # ~ catches NaN as well
    if len(bad):
        raise ValueError(
            f"xyxy boxes with x_min < x_max and y_min < y_max expected, got {boxes[bad[0]]} "
            f"in row {bad[0]}; drop boxes without area and convert xywh or cxcywh first"
        )


def encode_targets(
    boxes: np.ndarray,
    class_ids: np.ndarray,
    anchors: np.ndarray,
    variances: tuple[float, float],
    anchors_xyxy: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The targets of one image, a row for each anchor.

    Args:
        boxes: (M, 4) xyxy in [0, 1] with positive width and height; M may be 0.
        class_ids: (M,) 0-based. anchors: (N, 4) cxcywh. variances: (center, size) divisors.
        anchors_xyxy: (N, 4) the anchors' corners, if they are at hand.

    Returns:
        class_targets: (N,) int32, BACKGROUND, or class id + 1 for a matched anchor.
        offset_targets: (N, 4) float32 (ty, tx, th, tw), zeros for background.
    Raises: ValueError for boxes of another shape or without area, or more boxes than anchors.
    """
    boxes = np.asarray(boxes, np.float32)
    class_ids = np.asarray(class_ids)
    _check(boxes, class_ids)
    corners = cxcywh_to_xyxy(anchors) if anchors_xyxy is None else anchors_xyxy
    matched = match_anchors(boxes, corners)
    rows = np.flatnonzero(matched >= 0)
    class_targets = np.zeros(len(anchors), np.int32)
    offset_targets = np.zeros((len(anchors), 4), np.float32)
    class_targets[rows] = class_ids[matched[rows]] + 1
    offset_targets[rows] = encode(boxes[matched[rows]], anchors[rows], variances)
    return class_targets, offset_targets


class TargetEncoder:
    """`encode_targets` for one detector, its anchors computed once.

    Attributes:
        spec: the detector. anchors: (N, 4) float32 cxcywh, the order of the targets' rows.
    """

    def __init__(self, spec: DetectorSpec) -> None:
        self.spec = spec
        self.anchors = make_anchors(spec)
        self._anchors_xyxy = cxcywh_to_xyxy(self.anchors)

    def __call__(self, boxes: np.ndarray, class_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Targets of one picture; see `encode_targets`.

        Args:
            boxes: (M, 4) xyxy in [0, 1]. class_ids: (M,) in 0..num_classes-1.

        Returns: class_targets (N,) int32, offset_targets (N, 4) float32.
        Raises: ValueError as `encode_targets`, and for a class id that the detector has not.
        """
        class_ids = np.asarray(class_ids)
        count = self.spec.num_classes
        if class_ids.size and not (class_ids.min() >= 0 and class_ids.max() < count):
            raise ValueError(
                f"class ids from 0 to {count - 1} expected, got {class_ids.min()} to "
                f"{class_ids.max()}; they index the spec's class_names, without background"
            )
        return encode_targets(
            boxes, class_ids, self.anchors, self.spec.variances, self._anchors_xyxy
        )


def _maps(spec: DetectorSpec) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each level its cells' centers (rows, columns, 2) and anchors about 0, (A, 4) xyxy."""
    anchors, first = make_anchors(spec), 0
    for level in spec.levels:
        rows, columns = spec.feature_hw(level)
        last = first + rows * columns * len(level)
        grid = anchors[first:last].reshape(rows, columns, len(level), 4)
        shapes = grid[0, 0] * np.array([0, 0, 1, 1], np.float32)
        yield grid[:, :, 0, :2], cxcywh_to_xyxy(shapes)
        first = last


def best_anchor_iou(boxes: np.ndarray, spec: DetectorSpec) -> np.ndarray:
    """Each box's IoU with the anchor that overlaps it most, where the anchors really stand.

    Of equal anchors the one of the cell that holds the box's center is nearest and overlaps it
    most, so that one cell of each level is enough to look at.

    Args:
        boxes: (M, 4) xyxy in [0, 1].

    Returns: (M,) in [0, 1].
    """
    boxes = np.asarray(boxes, np.float32)
    x, y = (boxes[:, :2] + boxes[:, 2:]).T / 2
    best = np.zeros(len(boxes), np.float32)
    for centers, shapes in _maps(spec):
        rows, columns = centers.shape[:2]
        row = np.clip(y * rows, 0, rows - 1).astype(np.int64)
        column = np.clip(x * columns, 0, columns - 1).astype(np.int64)
        moved = boxes - np.tile(centers[row, column], 2)  # about the cell's center
        best = np.maximum(best, iou(moved, shapes).max(axis=1))
    return best


def best_shape_iou(boxes: np.ndarray, spec: DetectorSpec) -> np.ndarray:
    """As `best_anchor_iou`, with anchors centered on the box: what is lost no finer map mends."""
    boxes = np.asarray(boxes, np.float32)
    moved = boxes - np.tile((boxes[:, :2] + boxes[:, 2:]) / 2, 2)
    shapes = np.concatenate([shapes for _, shapes in _maps(spec)])
    return iou(moved, shapes).max(axis=1)
