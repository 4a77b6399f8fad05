"""Readings of a box's four numbers that tools confuse: corners, center and size, y before x.

Each gives, of a box that was read rightly as far as anyone knew, the box that it is in truth.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from train.data.annotation import Box

MANY = 0.3  # of boxes that leave their pictures: more than objects cut by the edge explain
EACH_SIGN = 0.1  # of them that show it
SOME = 0.1  # where nearly nothing else than the right reading makes all fit


def _corners_as_size(box: Box) -> Box:
    return box[0], box[1], box[2] - box[0], box[3] - box[1]


def _corners_as_center_and_size(box: Box) -> Box:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0], box[3] - box[1]


def _shifted(box: Box, share: float) -> Box:
    """The box moved by a share of its own size: a center taken as a corner, or the reverse."""
    right, down = share * (box[2] - box[0]), share * (box[3] - box[1])
    return box[0] + right, box[1] + down, box[2] + right, box[3] + down


def _transposed(box: Box) -> Box:
    return box[1], box[0], box[3], box[2]


def _over_right(box: Box, size_wh: tuple[int, int]) -> bool:
    return box[2] > size_wh[0] + 1


def _over_bottom(box: Box, size_wh: tuple[int, int]) -> bool:
    return box[3] > size_wh[1] + 1


def _over_left(box: Box, size_wh: tuple[int, int]) -> bool:
    return box[0] < -1


def _over_top(box: Box, size_wh: tuple[int, int]) -> bool:
    return box[1] < -1


def _mostly_outside(box: Box, size_wh: tuple[int, int]) -> bool:
    return box[0] + box[2] > 2 * size_wh[0] or box[1] + box[3] > 2 * size_wh[1]


class Reading(NamedTuple):
    """What the numbers of boxes that leave their pictures may be instead.

    Attributes:
        kind: of the flaw. words: the same for people.
        least: share of the boxes that must leave their pictures.
        signs: each holds for a share EACH_SIGN of those boxes where the numbers are this.
        truth: the box as read → as meant.
    """

    kind: str
    least: float
    signs: tuple[Callable[[Box, tuple[int, int]], bool], ...]
    truth: Callable[[Box], Box]
    words: str


READINGS = (
    Reading(
        "corner-size-boxes",
        MANY,
        (),
        _corners_as_size,
        "their width and height are corners; export the labels again as x, y, width and height",
    ),
    Reading(
        "corner-size-boxes",
        MANY,
        (),
        _corners_as_center_and_size,
        "their numbers are corners; export the labels again as center, width and height",
    ),
    Reading(
        "systematic-flaw",
        SOME,
        (_over_right, _over_bottom),
        partial(_shifted, share=-0.5),
        "their first numbers are the center, where the corner is expected; export the labels again",
    ),
    Reading(
        "systematic-flaw",
        SOME,
        (_over_left, _over_top),
        partial(_shifted, share=0.5),
        "their first numbers are the corner, where the center is expected; export the labels again",
    ),
    Reading(
        "systematic-flaw",
        SOME,
        (_mostly_outside,),
        _transposed,
        "x and y are exchanged; export the labels again with x first",
    ),
)


def fits_inside(box: Box, size_wh: tuple[int, int]) -> bool:
    """Whether it has an area and is inside, but for a pixel."""
    inside = box[2] <= size_wh[0] + 1 and box[3] <= size_wh[1] + 1 and min(box[:2]) >= -1
    return inside and box[0] < box[2] and box[1] < box[3]
