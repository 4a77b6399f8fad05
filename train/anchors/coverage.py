"""How well a detector's anchors reach the boxes of a data set, class by class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edge_runtime.detector.anchors import make_anchors
from edge_runtime.detector.boxes import cxcywh_to_xyxy, iou
from edge_runtime.detector.spec import DetectorSpec
from train.data.dataset import VocDataset

REACH_IOU = 0.5  # the threshold of train.data.targets.match
ALL = "all"


def _maps(spec: DetectorSpec) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each level its cells' centres (rows, columns, 2) and anchors about 0, (A, 4) xyxy."""
    anchors, first = make_anchors(spec), 0
    for level in spec.levels:
        rows, columns = spec.feature_hw(level)
        last = first + rows * columns * len(level)
        grid = anchors[first:last].reshape(rows, columns, len(level), 4)
        shapes = grid[0, 0] * np.float32([0, 0, 1, 1])
        yield grid[:, :, 0, :2], cxcywh_to_xyxy(shapes)
        first = last


def best_iou(boxes: np.ndarray, spec: DetectorSpec) -> np.ndarray:
    """Each box's IoU with the anchor that overlaps it most, where the anchors really stand.

    Of equal anchors the one of the cell that holds the box's centre is nearest and overlaps it
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
        moved = boxes - np.tile(centers[row, column], 2)  # about the cell's centre
        best = np.maximum(best, iou(moved, shapes).max(axis=1))
    return best


def best_shape_iou(boxes: np.ndarray, spec: DetectorSpec) -> np.ndarray:
    """As `best_iou`, but of anchors centred on the box: what is lost here no finer map mends."""
    boxes = np.asarray(boxes, np.float32)
    moved = boxes - np.tile((boxes[:, :2] + boxes[:, 2:]) / 2, 2)
    shapes = np.concatenate([shapes for _, shapes in _maps(spec)])
    return iou(moved, shapes).max(axis=1)


@dataclass(frozen=True)
class Reach:
    """How well anchors reach the boxes of one class, or of all.

    Attributes:
        name: of the class, or ALL. count: boxes.
        mean_iou: mean of `best_iou`. share: of boxes with a `best_iou` of at least REACH_IOU.
        shape_share: the same share if anchors could stand anywhere. All in [0, 1].
    """

    name: str
    count: int
    mean_iou: float
    share: float
    shape_share: float


def all_boxes(dataset: VocDataset) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (M, 4) xyxy in [0, 1] and class ids (M,) of a data set.

    Raises: ValueError if it has no boxes.
    """
    if not dataset.box_count:
        raise ValueError(
            f"{dataset.root}: boxes expected in the split {dataset.split!r}, got none in "
            f"{len(dataset)} pictures; annotate some or choose another split"
        )
    boxes = np.concatenate([example.boxes for example in dataset])
    return boxes, np.concatenate([example.class_ids for example in dataset])


def measure_reach(dataset: VocDataset, spec: DetectorSpec) -> list[Reach]:
    """A row for each class that has boxes, in the order of class_names, and one for all.

    Raises: ValueError if the data set has no boxes.
    """
    boxes, class_ids = all_boxes(dataset)
    best, shape = best_iou(boxes, spec), best_shape_iou(boxes, spec)
    groups = [(name, class_ids == k) for k, name in enumerate(dataset.class_names)]
    groups.append((ALL, np.ones(len(boxes), bool)))
    return [
        Reach(
            name,
            int(chosen.sum()),
            float(best[chosen].mean()),
            float((best[chosen] >= REACH_IOU).mean()),
            float((shape[chosen] >= REACH_IOU).mean()),
        )
        for name, chosen in groups
        if chosen.any()
    ]


def unreachable_classes(
    dataset: VocDataset, spec: DetectorSpec, share: float = 0.9
) -> list[tuple[str, float]]:
    """Classes of which anchors reach less than a share of the boxes, at IoU 0.5: (name, share).

    Such a box still gets its one best anchor in training (SSD's matching), but the few and poor
    examples make its class the weak one.

    Raises: ValueError if the data set has no boxes.
    """
    rows = measure_reach(dataset, spec)[:-1]
    return [(row.name, row.share) for row in rows if row.share < share]


def format_table(before: list[Reach], after: list[Reach]) -> str:
    """Both as one table for people; rows aligned as `measure_reach` returns them."""
    width = max(len(row.name) for row in before) + 2
    heads = ("mean best IoU", f"IoU >= {REACH_IOU}", "by shape only")
    lines = [
        " " * (width + 7) + "".join(f"{head:>20}" for head in heads),
        f"{'class':{width}}{'boxes':>7}" + f"{'before':>12}{'after':>8}" * len(heads),
    ]
    for old, new in zip(before, after, strict=True):
        cells = f"{old.mean_iou:>12.3f}{new.mean_iou:>8.3f}"
        for pair in ((old.share, new.share), (old.shape_share, new.shape_share)):
            cells += f"{pair[0]:>12.1%}{pair[1]:>8.1%}"
        lines.append(f"{old.name:{width}}{old.count:>7}{cells}")
    return "\n".join(lines)
