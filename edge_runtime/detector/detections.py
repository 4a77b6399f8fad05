"""Detections: the boxes, scores and class ids found in one frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Detections:
    """Aligned arrays, one row a detection, best score first. None at all is normal.

    Of the shapes and types that supervision takes as they are, also for no detection:
    `supervision.Detections(xyxy=d.boxes, confidence=d.scores, class_id=d.class_ids)`.

    Attributes:
        boxes: (N, 4) float32 xyxy (x_min, y_min, x_max, y_max) in pixels of the frame.
        scores: (N,) float32 in [0, 1], falling.
        class_ids: (N,) int64, indices into `class_names`.
        class_names: all names the detector knows, not only those found.

    Raises: ValueError if the arrays do not fit each other or the scores do not fall.
    """

    boxes: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "boxes", np.asarray(self.boxes, dtype=np.float32))
        object.__setattr__(self, "scores", np.asarray(self.scores, dtype=np.float32))
        ids = np.asarray(self.class_ids)
        if ids.size and ids.dtype.kind not in "iu":
            raise ValueError(f"class_ids must be integers, got {ids.dtype}; use .astype(np.int64)")
        object.__setattr__(self, "class_ids", ids.astype(np.int64, copy=False))
        object.__setattr__(self, "class_names", tuple(self.class_names))
        if not self._is_sound():
            for problem in self._problems():
                raise ValueError(problem)

    def _is_sound(self) -> bool:
        """Whether there is no problem, in few calls: it is asked of every frame. NaN is never."""
        boxes, scores, ids = self.boxes, self.scores, self.class_ids
        count = scores.size
        if (scores.shape, boxes.shape, ids.shape) != ((count,), (count, 4), (count,)):
            return False
        if not count:
            return True
        return bool(
            scores[0] <= 1
            and scores[-1] >= 0
            and (scores[1:] <= scores[:-1]).all()
            and (boxes[:, 2:] >= boxes[:, :2]).all()
            and np.isfinite(boxes).all()
            and ids.min() >= 0
            and ids.max() < len(self.class_names)
        )

    def _problems(self) -> Iterator[str]:
        boxes, scores, ids = self.boxes, self.scores, self.class_ids
        if scores.ndim != 1:
            yield f"scores must be of shape (N,), got {scores.shape}; pass one frame's detections"
        if boxes.shape != (len(scores), 4) or ids.shape != (len(scores),):
            yield (
                f"one row a score expected, boxes ({len(scores)}, 4) and class_ids "
                f"({len(scores)},); got {boxes.shape} and {ids.shape}; "
                "np.empty((0, 4)) holds no boxes"
            )
        if not np.isfinite(boxes).all() or (boxes[:, 2:] < boxes[:, :2]).any():
            yield "boxes must be finite xyxy, x_min <= x_max and y_min <= y_max; check their order"
        if len(scores) and not (scores.min() >= 0 and scores.max() <= 1):
            yield f"scores must lie in [0, 1], got {scores.min()} to {scores.max()}; apply softmax"
        if (np.diff(scores) > 0).any():
            yield "scores must fall; reorder all arrays by np.argsort(-scores, kind='stable')"
        count = len(self.class_names)
        if len(ids) and not (ids.min() >= 0 and ids.max() < count):
            yield (
                f"class_ids must lie in 0 … {count - 1}, got {ids.min()} to {ids.max()}; "
                "background has no id"
            )

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def names(self) -> list[str]:
        """The class name of each detection."""
        return [self.class_names[class_id] for class_id in self.class_ids]

    def to_dicts(self) -> list[dict[str, Any]]:
        """One JSON-ready dict a detection; scores rounded to 4 decimals, pixels to 2.

        Keys: class, class_id, score, box ([x_min, y_min, x_max, y_max]).
        """
        rows = zip(self.names, self.class_ids, self.scores, self.boxes, strict=True)
        return [
            {
                "class": name,
                "class_id": int(class_id),
                "score": round(float(score), 4),
                "box": [round(float(side), 2) for side in box],
            }
            for name, class_id, score, box in rows
        ]
