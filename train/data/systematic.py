"""Systematic flaws: many boxes of a set wrong in one way, which says something about the set.

Coordinates that are fractions or percent, x, y, width and height where corners are expected, a
center for a corner, or y before x are valid numbers and wrong boxes. They are named as one flaw of
the set and never guessed right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from edge_runtime.media.images import read_header
from train.data.annotation import Box
from train.data.geometry import clip_box, find_placement
from train.data.labeled_folder import Item, LabeledFolder
from train.data.readings import EACH_SIGN, READINGS, fits_inside

Boxes = list[tuple[Box, tuple[int, int]]]

_FEWEST = 3  # boxes; fewer say nothing about a set
_MOST = 0.5  # of all boxes: then it is the set
_SOME = 0.1  # of fractions, or of corner pairs the wrong way round: more is no slip of the hand
_FIT = 0.95  # of boxes that must fit as something else
_SLACK = 0.02  # of a side, over the edge: rounding and careless drawing
# Percentages: so many boxes of pictures so large do not all end below pixel 100, and close to it.
_MANY_BOXES, _LARGE, _NEAR_100 = 20, 200, 80
# What the flaws of `clip_box` mean where most boxes have one.
_MEANINGS = {
    "no-area": "have no area",
    "inverted-box": "have swapped corners",
    "box-over-edge": "leave their pictures",
    "impossible-box": "reach far out of their pictures",
    "box-outside": "lie outside their pictures",
}
_CURE = (
    "they were drawn on pictures of another size, belong to other pictures, or their numbers stand "
    "in another order; export the labels again as x_min, y_min, x_max, y_max in pixels"
)


@dataclass(frozen=True)
class SystematicFlaw:
    """One flaw of a whole set.

    Attributes:
        kind: "normalized-boxes", "corner-size-boxes", "systematic-flaw".
        message: how many of how many boxes, and what to do.
    """

    kind: str
    message: str


def find_systematic(folder: LabeledFolder) -> SystematicFlaw | None:
    """The way in which many boxes of a folder are wrong; None where they are not."""
    of_the_set = _numbers_from_one(folder) or _unmatched(folder)
    if of_the_set is not None:
        return of_the_set
    boxes = list(_boxes(folder))
    pixels = sum(flaw.kind == "not-normalized" for i in folder.items.values() for flaw in i.flaws)
    if pixels >= max(_FEWEST, _MOST * (pixels + len(boxes))):
        return SystematicFlaw(
            "systematic-flaw",
            f"{pixels} of {pixels + len(boxes)} boxes have numbers above 1 where fractions of the "
            "picture are expected: they look like pixels; export the labels again",
        )
    if len(boxes) < _FEWEST:
        return None
    flaws = [_flaw(box, size_wh) for box, size_wh in boxes]
    return (
        _normalized(flaws)
        or _percentages(boxes)
        or _corner_size(boxes)
        or _other_reading(boxes, flaws)
        or _most(flaws)
    )


def _boxes(folder: LabeledFolder) -> Iterator[tuple[Box, tuple[int, int]]]:
    for item in folder.items.values():
        size_wh = _size(item)
        if item.annotation and size_wh:
            yield from ((each.box_px, size_wh) for each in item.annotation.objects)


def _size(item: Item) -> tuple[int, int] | None:
    """Of the picture that the boxes were drawn on: as annotated, else its own; None for neither."""
    if item.annotation and item.annotation.size_wh:
        return item.annotation.size_wh
    if item.image_path is None:
        return None
    try:
        return find_placement(None, *read_header(item.image_path)).size_wh
    except (ValueError, OSError):
        return None


def _numbers_from_one(folder: LabeledFolder) -> SystematicFlaw | None:
    """Class numbers that start at 1 in a format whose first is 0: every class would be another."""
    flaws = (flaw.kind for item in folder.items.values() for flaw in item.flaws)
    beyond = sum(kind == "unknown-class" for kind in flaws)
    if folder.classes is None or beyond < _FEWEST:
        return None
    first = folder.classes.names[0]
    used = sum(folder.class_counts[name] > 0 for name in folder.classes.names)
    if folder.class_counts[first] or used < len(folder.classes.names) - 1:
        return None
    return SystematicFlaw(
        "systematic-flaw",
        f"no box has the first class, {first!r}, and {beyond} boxes have a number beyond the last: "
        "the numbers seem to start at 1, 0 is the first; export the labels again",
    )


def _unmatched(folder: LabeledFolder) -> SystematicFlaw | None:
    """Names that do not go together: then pictures of objects would be learnt as background."""
    if not folder.background:
        return None
    known = [(i.annotation.path, i.image_path) for i in folder.items.values() if i.annotation]
    bare = [picture for labels, picture in known if labels == picture]
    files = Counter(labels.parent for labels, picture in known if labels != picture)
    missed = Counter(labels.parent for labels, picture in known if picture is None)
    # Single leftovers say nothing; half of a folder of label files does.
    wrong = {place for place in missed if missed[place] >= max(_FEWEST, _MOST * files[place])}
    lost = [labels for labels, picture in known if picture is None and labels.parent in wrong]
    if not lost or len(bare) < _MOST * len(lost):
        return None
    return SystematicFlaw(
        "systematic-flaw",
        f"{len(lost)} label files have no picture, such as {lost[0].name}, and {len(bare)} "
        f"pictures no label file, such as {bare[0].name}, which would count as background: "
        "give both the same names, or move those out of the set that do not belong to it",
    )


def _flaw(box: Box, size_wh: tuple[int, int]) -> str | None:
    """As of `clip_box`, but a box may leave the picture a little."""
    flaw, part = clip_box(box, size_wh)
    if flaw == "box-over-edge" and part is not None:
        slack = _SLACK * max(size_wh)
        if max(abs(a - b) for a, b in zip(box, part, strict=True)) <= max(slack, 2):
            return None
    return flaw


def _normalized(flaws: list[str | None]) -> SystematicFlaw | None:
    small = flaws.count("fraction-box")
    if small < max(_FEWEST, _SOME * len(flaws)):
        return None
    return SystematicFlaw(
        "normalized-boxes",
        f"{small} of {len(flaws)} boxes lie below one pixel: their numbers look like fractions of "
        "the picture, pixels are expected; export the labels again in pixels",
    )


def _corner_size(boxes: Boxes) -> SystematicFlaw | None:
    swapped = sum(box[0] >= box[2] or box[1] >= box[3] for box, _ in boxes)
    if swapped < max(_FEWEST, _SOME * len(boxes)):
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


def _other_reading(boxes: Boxes, flaws: list[str | None]) -> SystematicFlaw | None:
    """Numbers in another meaning, as corners for COCO's width and height: told by where they fit.

    Objects drawn on beyond an edge, feet for instance, leave their pictures there alone, in part.
    """
    over = sum(flaw in ("box-over-edge", "impossible-box", "box-outside") for flaw in flaws)
    for reading in READINGS:
        if over < max(_FEWEST, reading.least * len(boxes)):
            continue
        if any(sum(sign(*each) for each in boxes) < EACH_SIGN * over for sign in reading.signs):
            continue
        fit = sum(fits_inside(reading.truth(box), size_wh) for box, size_wh in boxes)
        if fit >= _FIT * len(boxes):
            return SystematicFlaw(
                reading.kind,
                f"{over} of {len(boxes)} boxes leave their pictures, and {fit} fit if "
                f"{reading.words}",
            )
    return None


def _percentages(boxes: Boxes) -> SystematicFlaw | None:
    """Percent of the picture, as Label Studio keeps boxes: no number is above 100."""
    large = sum(min(size_wh) >= _LARGE for _, size_wh in boxes)
    x_max, y_max = (max(box[axis] for box, _ in boxes) for axis in (2, 3))
    if large < max(_MANY_BOXES, _MOST * len(boxes)) or max(x_max, y_max) > 100:
        return None
    if min(x_max, y_max) < _NEAR_100:
        return None
    # Percent are spread over the whole, where one object in a corner is always at its place.
    starts = [min(box[axis] for box, _ in boxes) for axis in (0, 1)]
    low = [sum(box[axis] < _NEAR_100 / 2 for box, _ in boxes) for axis in (2, 3)]
    if max(starts) > 100 - _NEAR_100 or min(low) < _SOME * len(boxes):
        return None
    return SystematicFlaw(
        "systematic-flaw",
        f"none of {len(boxes)} boxes reaches beyond pixel 100, although the pictures are larger: "
        "their numbers look like percent of the picture; export the labels again in pixels",
    )


def _most(flaws: list[str | None]) -> SystematicFlaw | None:
    counts = Counter(flaw for flaw in flaws if flaw in _MEANINGS)
    flawed = counts.total()
    if flawed < max(_FEWEST, _MOST * len(flaws)):
        return None
    parts = ", ".join(f"{count} {_MEANINGS[kind]}" for kind, count in counts.most_common())
    return SystematicFlaw("systematic-flaw", f"of {len(flaws)} boxes {parts}: {_CURE}")
