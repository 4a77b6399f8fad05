"""Agreement of two models of one network: their detections matched, picture by picture.

Accuracy says what int8 costs in sum; here is where it differs, with no ground truth involved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from convert.benchmark.report import (
    Agreement,
    BoxOverlap,
    PictureDifference,
    ScoreDifference,
)
from train.data.dataset import Example
from train.evaluation.coco import PictureDetections
from train.evaluation.matching import NONE, match_detections

# A pair overlaps at least so much; as AP50 counts an object as found.
MATCH_IOU = 0.5
SHOWN_PICTURES = 10


@dataclass(frozen=True, eq=False)
class PictureMatch:
    """Two models' detections in one picture.

    Attributes:
        example: the picture.
        found: (boxes, scores, class_ids) of each of the two, every guess, as
            `convert.benchmark.predict` finds them.
        rows: (P, 2) int64, rows of the two that match, NONE for no partner; at least one of a
            pair is shown, i.e. its score is at or above the threshold.
        scores: (P, 2) in [0, 1], 0 where there is no partner.
        ious: (P,) in [0, 1], 0 where there is no partner.
    """

    example: Example
    found: tuple[PictureDetections, PictureDetections]
    rows: np.ndarray
    scores: np.ndarray
    ious: np.ndarray

    @property
    def costs(self) -> np.ndarray:
        """(P,) how far each pair is apart, 0 to 2: |difference of the scores| + 1 - IoU.

        A detection without partner counts as one whose partner scores 0 and lies elsewhere.
        """
        return np.abs(self.scores[:, 0] - self.scores[:, 1]) + 1 - self.ious

    @property
    def difference(self) -> float:
        """Difference of the two models in this picture: the sum of `costs`."""
        return float(self.costs.sum())


def match(
    first: PictureDetections, second: PictureDetections, score_threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pair the detections of two models in one picture, one to one, class by class.

    Greedy: the first model's detections, best score first, each take the free one of the second
    that overlaps most, if by MATCH_IOU at least. Guesses below the threshold may be partners, so
    that a score of 0.51 that becomes 0.49 is a small difference and not a lost object; pairs of
    which neither is shown are left out.

    Args:
        first, second: boxes (N, 4) xyxy in [0, 1], scores (N,), class_ids (N,).
        score_threshold: a detection is shown if its score >= it.

    Returns: rows (P, 2), scores (P, 2), ious (P,) as in `PictureMatch`.
    """
    partners, overlaps = match_detections(first, second[0], second[2], MATCH_IOU)
    order = np.argsort(-first[1], kind="stable")
    alone = np.setdiff1d(np.arange(len(second[1])), partners)
    pairs = np.stack([order, partners[order]], axis=1)
    rows = np.concatenate([pairs, np.stack([np.full(len(alone), NONE), alone], axis=1)])
    scores = np.stack([_scores(first[1], rows[:, 0]), _scores(second[1], rows[:, 1])], axis=1)
    ious = np.concatenate([overlaps[order], np.zeros(len(alone))])
    shown = (scores >= score_threshold).any(axis=1)
    return rows[shown], scores[shown], ious[shown]


def _scores(scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
    if not len(scores):
        return np.zeros(len(rows))
    return np.where(rows == NONE, 0.0, scores[rows])


def match_all(
    examples: Sequence[Example],
    first: Sequence[PictureDetections],
    second: Sequence[PictureDetections],
    score_threshold: float,
) -> list[PictureMatch]:
    """`match` for every picture, in the order of the examples."""
    return [
        PictureMatch(example, (one, other), *match(one, other, score_threshold))
        for example, one, other in zip(examples, first, second, strict=True)
    ]


def most_different(matches: Sequence[PictureMatch]) -> list[PictureMatch]:
    """At most SHOWN_PICTURES, the most different first; none on which the two agree wholly."""
    ordered = sorted(matches, key=lambda picture: -picture.difference)  # stable
    return [picture for picture in ordered[:SHOWN_PICTURES] if picture.difference > 0]


def summarize(
    matches: Sequence[PictureMatch], variants: tuple[str, str], score_threshold: float
) -> Agreement:
    """The agreement of two models over all pictures."""
    rows = np.concatenate([picture.rows for picture in matches])
    scores = np.concatenate([picture.scores for picture in matches])
    ious = np.concatenate([picture.ious for picture in matches])
    shown = scores >= score_threshold
    paired = (rows != NONE).all(axis=1)
    first, second = variants
    return Agreement(
        variants=variants,
        score_threshold=score_threshold,
        match_iou=MATCH_IOU,
        both=int(shown.all(axis=1).sum()),
        only={
            first: int((shown[:, 0] & ~shown[:, 1]).sum()),
            second: int((shown[:, 1] & ~shown[:, 0]).sum()),
        },
        alone={
            first: int((rows[:, 1] == NONE).sum()),
            second: int((rows[:, 0] == NONE).sum()),
        },
        score_difference=_score_difference(scores[paired, 1] - scores[paired, 0]),
        iou=_box_overlap(ious[paired]),
        pictures=tuple(
            PictureDifference(picture.example.image_id, round(picture.difference, 4))
            for picture in most_different(matches)
        ),
    )


def mean_score_error(matches: Sequence[PictureMatch]) -> float | None:
    """Mean |difference of the scores| of the pairs with two members; None where there are none."""
    pairs = [picture.scores[(picture.rows != NONE).all(axis=1)] for picture in matches]
    scores = np.concatenate(pairs)
    return float(np.abs(scores[:, 1] - scores[:, 0]).mean()) if len(scores) else None


def _score_difference(differences: np.ndarray) -> ScoreDifference | None:
    if not differences.size:
        return None
    sizes = np.abs(differences)
    return ScoreDifference(
        mean=float(differences.mean()),
        mean_abs=float(sizes.mean()),
        p95_abs=float(np.percentile(sizes, 95)),
        max_abs=float(sizes.max()),
    )


def _box_overlap(ious: np.ndarray) -> BoxOverlap | None:
    if not ious.size:
        return None
    return BoxOverlap(float(ious.mean()), float(np.percentile(ious, 5)), float(ious.min()))
