"""Systematic flaws: most boxes of a set wrong in one way, which says something about the set.

Coordinates that are fractions, or x, y, width and height where corners are expected, are valid
numbers and wrong boxes. They are named as one flaw of the set and never guessed right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from train.data.annotation import Box
from train.data.geometry import clip_box
from train.data.labeled_folder import LabeledFolder

Boxes = list[tuple[Box, tuple[int, int]]]

_FEWEST = 3  # boxes; fewer say nothing about a set
_MOST_FLAWED = 0.5  # of all boxes: then it is the set
_SWAPPED = 0.1  # of corner pairs the wrong way round: more is no slip of the hand
_FIT = 0.95  # of boxes that must fit as x, y, width, height
# What the flaws of `clip_box` mean where most boxes have them.
_MEANINGS = {
    "no-area": "have no area; export the labels again",
    "inverted-box": "have swapped corners; export the labels again as corners x_min, y_min, "
    "x_max, y_max in pixels",
    "impossible-box": "reach far out of their pictures; they were drawn on pictures of another "
    "size, or the numbers are wrong",
    "box-outside": "lie outside their pictures; they were drawn on pictures of another size, or "
    "belong to other pictures",
}


@dataclass(frozen=True)
class SystematicFlaw:
    """One flaw of a whole set.

    Attributes:
        kind: "normalized-boxes", "corner-size-boxes", or a flaw of `clip_box`.
        message: how many of how many boxes, and what to do.
    """

    kind: str
    message: str


def find_systematic(folder: LabeledFolder) -> SystematicFlaw | None:
    """The way in which most boxes of a folder are wrong; None where they are not.

    Boxes of annotations without a size are left out: the other formats' have one.
    """
    boxes = list(_boxes(folder))
    pixels = sum(flaw.kind == "not-normalized" for i in folder.items.values() for flaw in i.flaws)
    if pixels >= max(_FEWEST, _MOST_FLAWED * (pixels + len(boxes))):
        return SystematicFlaw(
            "systematic-flaw",
            f"{pixels} of {pixels + len(boxes)} boxes have numbers above 1 where fractions of the "
            "picture are expected: they look like pixels; export the labels again",
        )
    if len(boxes) < _FEWEST:
        return None
    for find in (_normalized, _corner_size, _most_flawed):
        flaw = find(boxes)
        if flaw:
            return flaw
    return None


def _boxes(folder: LabeledFolder) -> Iterator[tuple[Box, tuple[int, int]]]:
    for item in folder.items.values():
        if item.annotation:
            size_wh = item.annotation.size_wh or (1 << 30, 1 << 30)
            yield from ((each.box_px, size_wh) for each in item.annotation.objects)


def _normalized(boxes: Boxes) -> SystematicFlaw | None:
    small = sum(all(0 <= part <= 1 for part in box) for box, _ in boxes)
    if small < _MOST_FLAWED * len(boxes):
        return None
    return SystematicFlaw(
        "normalized-boxes",
        f"{small} of {len(boxes)} boxes lie below one pixel: their numbers look like fractions of "
        "the picture, pixels are expected; export the labels again in pixels",
    )


def _corner_size(boxes: Boxes) -> SystematicFlaw | None:
    swapped = sum(box[0] >= box[2] or box[1] >= box[3] for box, _ in boxes)
    if swapped < max(_FEWEST, _SWAPPED * len(boxes)):
        return None
    fit = sum(
        box[2] > 0 and box[3] > 0 and box[0] + box[2] <= wh[0] + 1 and box[1] + box[3] <= wh[1] + 1
        for box, wh in boxes
    )
    if fit < _FIT * len(boxes):
        return None
    return SystematicFlaw(
        "corner-size-boxes",
        f"{swapped} of {len(boxes)} boxes have swapped corners, and {fit} fit their pictures if "
        "the numbers are x, y, width and height, not corners; export the labels again as x_min, "
        "y_min, x_max, y_max",
    )


def _most_flawed(boxes: Boxes) -> SystematicFlaw | None:
    counts = Counter(flaw for flaw in _flaws(boxes) if flaw in _MEANINGS)
    for kind, count in counts.most_common(1):
        if count >= max(_FEWEST, _MOST_FLAWED * len(boxes)):
            meaning = _MEANINGS[kind]
            return SystematicFlaw(kind, f"{count} of {len(boxes)} boxes {meaning}")
    return None


def _flaws(boxes: Boxes) -> Iterable[str | None]:
    return (clip_box(box, size_wh)[0] for box, size_wh in boxes)
