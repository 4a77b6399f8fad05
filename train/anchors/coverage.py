"""Anchor coverage: how well anchors reach the boxes of a data set, class by class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_runtime.detector.spec import DetectorSpec
from train.data.dataset import DetectionDataset
from train.data.targets import MATCH_IOU, best_anchor_iou, best_shape_iou

ALL = "all"


@dataclass(frozen=True)
class Reach:
    """Anchor coverage of the boxes of one class, or of all.

    Attributes:
        name: of the class, or ALL. count: boxes.
        mean_iou: mean of `best_anchor_iou`. share: of boxes with one of at least MATCH_IOU.
        shape_share: the same share if anchors could stand anywhere. All in [0, 1].
    """

    name: str
    count: int
    mean_iou: float
    share: float
    shape_share: float


def all_boxes(dataset: DetectionDataset) -> tuple[np.ndarray, np.ndarray]:
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


def reach_by_class(dataset: DetectionDataset, spec: DetectorSpec) -> list[Reach]:
    """A row for each class that has boxes, in the order of class_names, and one for all.

    Raises: ValueError if the data set has no boxes.
    """
    boxes, class_ids = all_boxes(dataset)
    best, shape = best_anchor_iou(boxes, spec), best_shape_iou(boxes, spec)
    groups = [(name, class_ids == k) for k, name in enumerate(dataset.class_names)]
    groups.append((ALL, np.ones(len(boxes), bool)))
    return [
        Reach(
            name,
            int(chosen.sum()),
            float(best[chosen].mean()),
            float((best[chosen] >= MATCH_IOU).mean()),
            float((shape[chosen] >= MATCH_IOU).mean()),
        )
        for name, chosen in groups
        if chosen.any()
    ]


def unreachable_classes(
    dataset: DetectionDataset, spec: DetectorSpec, share: float = 0.9
) -> list[tuple[str, float]]:
    """Classes of which anchors reach less than a share of the boxes, at IoU 0.5: (name, share).

    Such a box still gets its one best anchor in training (SSD's matching), but the few and poor
    examples make its class the weak one.

    Raises: ValueError if the data set has no boxes.
    """
    rows = reach_by_class(dataset, spec)[:-1]
    return [(row.name, row.share) for row in rows if row.share < share]


def format_table(before: list[Reach], after: list[Reach]) -> str:
    """Both as one table for people; rows aligned as `reach_by_class` returns them."""
    width = max(len(row.name) for row in before) + 2
    heads = ("mean best IoU", f"IoU >= {MATCH_IOU}", "by shape only")
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
