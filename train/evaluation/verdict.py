"""Verdict on a trained detector in plain words, with the likeliest causes of what it lacks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from train.data.dataset import Example
from train.evaluation.causes import Evidence, find_causes, listed
from train.evaluation.contact_sheet import SCORE_THRESHOLD, Tally

FEW_VALIDATED = 30  # pictures; an AP on fewer is a rough figure
POOR, VERY_GOOD = 0.5, 0.9
# AP50 below which it is so, and what that means.
LEVELS = (
    (POOR, "poor", "much is missed or made up"),
    (0.75, "usable with care", "a good part of the objects is missed, or found where none are"),
    (VERY_GOOD, "good", "most objects are found"),
    (math.inf, "very good", "nearly all objects are found"),
)
SHOWN = 3  # causes
LESS_SHOWN = 0.2  # than AP50, of the objects, at the usual score threshold: that will surprise
THRESHOLD_FLAG = "--score-threshold"  # of `edge-runtime`


@dataclass(frozen=True)
class Verdict:
    """Verdict in words.

    Attributes:
        sentence: AP50, what it is worth and how rough it is.
        causes: of a low AP50, each with a figure and a cure, the likeliest first.
    """

    sentence: str
    causes: tuple[str, ...]

    def __str__(self) -> str:
        rows = [f"  {number}. {cause}" for number, cause in enumerate(self.causes, 1)]
        return "\n".join([self.sentence, *(["likeliest causes:"] if rows else []), *rows])


def judge(evidence: Evidence) -> Verdict:
    """Judge the model that a training has kept; a very good one needs no causes."""
    ap50, accuracy = evidence.best["val_ap50"], evidence.ap50_per_class
    examples = evidence.validating.examples
    sentence = assess(ap50, examples, "validation", accuracy, evidence.tally)
    wanted = ap50 < VERY_GOOD or _weak(accuracy)
    causes = find_causes(evidence)[:SHOWN] if wanted else []
    return Verdict(sentence, tuple(cause.sentence for cause in causes))


def assess(
    ap50: float,
    examples: Sequence[Example],
    split: str,
    ap50_per_class: Mapping[str, float | None],
    tally: Tally | None,
) -> str:
    """What an AP50 is worth, how rough it is, and what it hides, in a sentence.

    Args:
        examples: that it was measured on, those of the split.
        ap50_per_class: None of a class without a box there.
        tally: what a user sees; None where it is not known.
    """
    # As it is shown: 0.4996 would be "AP50 0.50 is poor".
    level, meaning = next((name, what) for below, name, what in LEVELS if round(ap50, 2) < below)
    pictures, where = _measured(examples, split)
    if not pictures:
        of_all = f"{len(examples)} {split} picture{'s' * (len(examples) != 1)}"
        return f"no object to measure by in the {of_all}: nothing can be said of the detector"
    parts = [f"AP50 {ap50:.2f} on {where} is {level}: {meaning}"]
    weak = _weak(ap50_per_class) if round(ap50, 2) >= POOR else []
    if weak:
        named = listed([f"{name} ({ap50_per_class[name]:.2f})" for name in weak])
        parts.append(f"but it is poor for {named}")
    unknown = [name for name, value in ap50_per_class.items() if value is None]
    if unknown:
        parts.append(f"nothing is known of {listed(unknown)}, which no {split} picture has")
    if pictures < FEW_VALIDATED:
        low, high = rough_interval(ap50, pictures)
        rough = f"with so few it is a rough figure, {low:.2f} to {high:.2f} would be no surprise"
        parts.append(rough)
    return "; ".join([*parts, *([_shown(ap50, tally)] if tally else [])])


def _weak(ap50_per_class: Mapping[str, float | None]) -> list[str]:
    """Classes of which much is missed, the worst first; as AP50 is shown, see `assess`."""
    values = {name: value for name, value in ap50_per_class.items() if value is not None}
    weak = (name for name in values if round(values[name], 2) < POOR)
    return sorted(weak, key=lambda name: values[name])


def _shown(ap50: float, tally: Tally) -> str:
    """AP50 counts guesses of any score; what a user sees may be less."""
    found, missed, wrong = tally
    share = found / max(found + missed, 1)
    more = f"; a lower {THRESHOLD_FLAG} shows more" if share < ap50 - LESS_SHOWN else ""
    seen = f"at score {SCORE_THRESHOLD} it finds {found} of {found + missed} objects"
    return f"{seen} and makes up {wrong}{more}"


def rough_interval(accuracy: float, pictures: int) -> tuple[float, float]:
    """95 % interval of an AP, as if it were a share of pictures (Wilson 1927).

    Boxes of one picture are found or missed together, so it is pictures that count. A bootstrap
    over pictures would be exact, and take as long as many evaluations.
    """
    z = 1.96
    scale = 1 + z**2 / pictures
    center = (accuracy + z**2 / (2 * pictures)) / scale
    half = z / scale * math.sqrt(accuracy * (1 - accuracy) / pictures + (z / (2 * pictures)) ** 2)
    return max(0.0, center - half), min(1.0, center + half)


def _measured(examples: Sequence[Example], split: str) -> tuple[int, str]:
    """Pictures that AP comes from, as a number and in words."""
    count = sum(bool((~np.asarray(example.difficult, bool)).any()) for example in examples)
    some = "" if count == len(examples) else " with objects"
    return count, f"{count} {split} picture{'s' * (count != 1)}{some}"
