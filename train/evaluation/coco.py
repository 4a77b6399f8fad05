"""COCO average precision, for validation while training and for the benchmark.

pycocotools does the matching and the precision curves; its printed summary assumes 100 detections
a picture, so the numbers are taken from the curves instead.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from train.data.dataset import Example

# As the SSD paper evaluates (Liu et al. 2016, section 2.2 and 3.1). AP is the area below the whole
# precision curve, so nearly every guess must come in; COCO's own limit of 100 a picture would cut
# crowded scenes at such a threshold.
SCORE_THRESHOLD = 0.01
IOU_THRESHOLD = 0.45
MAX_DETECTIONS = 200

# (boxes (K, 4) xyxy in [0, 1], scores (K,), class_ids (K,)) of one picture.
PictureDetections = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Accuracy:
    """Average precision in [0, 1]; None where there is no ground truth to measure against.

    Attributes:
        ap: mean over IoU thresholds 0.50, 0.55, … 0.95 and over classes. ap50, ap75: at one.
        ap_small, ap_medium, ap_large: of boxes below 32², up to 96² and above, in pixels of the
            original picture.
        ap_per_class, ap50_per_class: by class name, in the order of the class names.
    """

    ap: float | None
    ap50: float | None
    ap75: float | None
    ap_small: float | None
    ap_medium: float | None
    ap_large: float | None
    ap_per_class: dict[str, float | None]
    ap50_per_class: dict[str, float | None]


def evaluate(
    examples: Sequence[Example],
    detections_per_image: Sequence[PictureDetections],
    class_names: Sequence[str],
) -> Accuracy:
    """Compare detections with ground truth.

    A box marked `difficult` counts neither way, as in VOC: missing it costs nothing, and a
    detection of it is no error.

    Args:
        examples: the ground truth; their boxes are xyxy in [0, 1].
        detections_per_image: for each example, boxes (K, 4) xyxy in [0, 1], scores (K,) and
            class_ids (K,), in any order; the best MAX_DETECTIONS are looked at.
        class_names: a class id is an index into it.

    Raises: ValueError unless there is at least one example, one entry for each, and every class
        id names a class.
    """
    if not examples or len(examples) != len(detections_per_image):
        raise ValueError(
            "as many detection entries as examples are wanted, at least one; got "
            f"{len(detections_per_image)} for {len(examples)}; give (0, 4) boxes where none is"
        )
    truth = _index(_truth(examples, len(class_names)), len(examples), class_names)
    found = _index(
        _found(examples, detections_per_image, len(class_names)), len(examples), class_names
    )
    evaluation = _Evaluation(truth, found, "bbox")
    evaluation.params.maxDets = [MAX_DETECTIONS]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
    # [IoU thresholds 10, recalls 101, classes, sizes (all, small, medium, large)]
    return _accuracy(evaluation.eval["precision"][..., 0], class_names)


class _Evaluation(COCOeval):
    """COCOeval that heeds `ignore`; the original overwrites it by `iscrowd`.

    As a crowd, a difficult box would also swallow every small false alarm inside it.
    """

    def _prepare(self) -> None:
        super()._prepare()
        for boxes in self._gts.values():
            for box in boxes:
                box["ignore"] = box["difficult"]


def _index(annotations: list[dict[str, Any]], pictures: int, class_names: Sequence[str]) -> COCO:
    coco = COCO()
    coco.dataset = {
        "images": [{"id": number} for number in range(pictures)],
        "categories": [{"id": number, "name": name} for number, name in enumerate(class_names)],
        "annotations": annotations,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def _truth(examples: Sequence[Example], num_classes: int) -> list[dict[str, Any]]:
    annotations: list[dict[str, Any]] = []
    for number, example in enumerate(examples):
        rows = _rows(number, example, example.boxes, example.class_ids, num_classes)
        for row, difficult in zip(rows, np.asarray(example.difficult).tolist(), strict=True):
            # Ids count from 1: pycocotools takes a match with 0 for none.
            row.update(id=len(annotations) + 1, iscrowd=0, difficult=int(difficult))
            annotations.append(row)
    return annotations


def _found(
    examples: Sequence[Example], detections_per_image: Sequence[PictureDetections], num_classes: int
) -> list[dict[str, Any]]:
    annotations: list[dict[str, Any]] = []
    for number, (example, found) in enumerate(zip(examples, detections_per_image, strict=True)):
        boxes, scores, class_ids = (np.asarray(array) for array in found)
        best = np.argsort(-scores, kind="stable")[:MAX_DETECTIONS]
        rows = _rows(number, example, boxes[best], class_ids[best], num_classes)
        for row, score in zip(rows, scores[best].tolist(), strict=True):
            row.update(id=len(annotations) + 1, score=score)
            annotations.append(row)
    return annotations


def _rows(
    number: int, example: Example, boxes: np.ndarray, class_ids: np.ndarray, num_classes: int
) -> list[dict[str, Any]]:
    """One picture's boxes as COCO wants them: xywh (top left) in pixels of the original."""
    ids = np.asarray(class_ids, np.int64)
    if ids.size and (ids.min() < 0 or ids.max() >= num_classes):
        raise ValueError(
            f"picture {example.image_id}: class ids in 0..{num_classes - 1} expected, got "
            f"{ids.min()}..{ids.max()}; use the class names that the model was trained with"
        )
    pixels = np.asarray(boxes, np.float64).reshape(-1, 4) * ([example.width, example.height] * 2)
    pixels[:, 2:] -= pixels[:, :2]
    areas = pixels[:, 2] * pixels[:, 3]
    columns = zip(pixels.tolist(), areas.tolist(), ids.tolist(), strict=True)
    return [
        {"image_id": number, "category_id": class_id, "bbox": box, "area": area}
        for box, area, class_id in columns
    ]


def _accuracy(precision: np.ndarray, class_names: Sequence[str]) -> Accuracy:
    """precision: (10, 101, classes, 4), -1 where there is no ground truth."""
    everything = precision[..., 0]
    small, medium, large = (_mean(precision[..., size]) for size in (1, 2, 3))
    by_class = {name: everything[:, :, column] for column, name in enumerate(class_names)}
    return Accuracy(
        ap=_mean(everything),
        ap50=_mean(everything[0]),
        ap75=_mean(everything[5]),
        ap_small=small,
        ap_medium=medium,
        ap_large=large,
        ap_per_class={name: _mean(curves) for name, curves in by_class.items()},
        ap50_per_class={name: _mean(curves[0]) for name, curves in by_class.items()},
    )


def _mean(precision: np.ndarray) -> float | None:
    measured = precision[precision > -1]
    return float(measured.mean()) if measured.size else None
