"""Annotation geometry: image sizes and EXIF orientations, and boxes brought to upright pixels.

A camera may store an image on its side with a note, the EXIF orientation, of how to turn it. Here
a picture is always turned upright: that is how nearly all labelling tools show it and how the
device's camera delivers it. A tool that ignored the note drew its boxes on the picture as stored;
the size in its annotation tells, and those boxes are turned along. A picture resized after it was
labelled has its old size in the annotation, of the same ratio: the boxes are scaled along.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from train.data.annotation import Annotation, Box, LabeledObject


class DataWarning(UserWarning):
    """A flaw in a data set that was worked around: which file, which box, what was done."""


def plain_warnings() -> None:
    """Print warnings as one line each: for commands, whose users did not write the code."""

    def one_line(message: Warning | str, *_args: object, **_kwargs: object) -> str:
        return f"warning: {message}\n"

    warnings.formatwarning = one_line


Turn: TypeAlias = Callable[[float, float], tuple[float, float]]
# EXIF orientations that swap width and height: where a stored point (x, y) in [0, 1] comes to lie.
_TURNS: dict[int, Turn] = {
    5: lambda x, y: (y, x),
    6: lambda x, y: (1 - y, x),
    7: lambda x, y: (1 - y, 1 - x),
    8: lambda x, y: (y, 1 - x),
}
_ROUNDING = 0.05  # pixels over the edge: of fractions with a few decimals
_BOX_FLAWS = {
    "no-area": "has no area",
    "inverted-box": "has swapped corners, so it has no area",
    "box-outside": "is outside the {} picture",
    "fraction-box": "lies below one pixel, as if its numbers were fractions of the picture",
    "impossible-box": "reaches far out of the {} picture",
    "box-over-edge": "leaves the {} picture",
}


@dataclass(frozen=True)
class Placement:
    """Placement of boxes on an image.

    size_wh: of the upright picture, pixels. drawn_wh: of the picture that the boxes were drawn on.
    turn: brings their points upright, None where they are. contradicted: the annotation gives a
    size whose ratio the picture has neither upright nor as stored.
    """

    size_wh: tuple[int, int]
    drawn_wh: tuple[int, int]
    turn: Turn | None
    contradicted: bool

    @property
    def scaled(self) -> bool:
        """Whether the picture was resized after its boxes were drawn."""
        own_wh = self.size_wh[::-1] if self.turn else self.size_wh
        return self.drawn_wh != own_wh

    def fractions(self, box_px: Box) -> Box:
        """A box in pixels of the picture it was drawn on → in [0, 1] of the upright one."""
        width, height = self.drawn_wh
        corners = box_px[0] / width, box_px[1] / height, box_px[2] / width, box_px[3] / height
        if self.turn is None:
            return corners
        (x_a, y_a), (x_b, y_b) = self.turn(*corners[:2]), self.turn(*corners[2:])
        return min(x_a, x_b), min(y_a, y_b), max(x_a, x_b), max(y_a, y_b)

    def upright_px(self, box_px: Box) -> Box:
        """A box in pixels of the picture it was drawn on → in pixels of the upright one."""
        if self.turn is None and not self.scaled:
            return box_px
        x_min, y_min, x_max, y_max = self.fractions(box_px)
        width, height = self.size_wh
        return (
            round(x_min * width, 6),
            round(y_min * height, 6),
            round(x_max * width, 6),
            round(y_max * height, 6),
        )


def find_placement(
    annotated_wh: tuple[int, int] | None, stored_wh: tuple[int, int], orientation: int
) -> Placement:
    """Placement of boxes, from the sizes in annotation and image file and the EXIF orientation."""
    turn = _TURNS.get(orientation)
    size_wh = stored_wh[::-1] if turn else stored_wh
    if annotated_wh in (None, size_wh):
        return Placement(size_wh, size_wh, None, contradicted=False)
    if turn and annotated_wh == stored_wh:
        return Placement(size_wh, stored_wh, turn, contradicted=False)
    if annotated_wh and _same_ratio(annotated_wh, size_wh):
        return Placement(size_wh, annotated_wh, None, contradicted=False)
    if annotated_wh and turn and _same_ratio(annotated_wh, stored_wh):
        return Placement(size_wh, annotated_wh, turn, contradicted=False)
    return Placement(size_wh, size_wh, None, contradicted=True)


def _same_ratio(one_wh: tuple[int, int], other_wh: tuple[int, int]) -> bool:
    """Whether one size is the other resized, each side rounded to whole pixels."""
    (width, height), (other_width, other_height) = sorted((one_wh, other_wh))
    scale = max(other_width, other_height) / max(width, height)
    slack = max(1.0, 0.51 * scale)
    return abs(width * scale - other_width) <= slack and abs(height * scale - other_height) <= slack


def clip_box(box_px: Box, size_wh: tuple[float, float]) -> tuple[str | None, Box | None]:
    """Clip a box to the image: its flaw, if any, and the part of it inside, if any.

    The flaw is one for `describe_box`. A box that leaves the picture has a flaw and a part inside;
    one that leaves it by more than the picture's own side is a wrong number and has none.
    """
    x_min, y_min, x_max, y_max = box_px
    if x_min == x_max or y_min == y_max:
        return "no-area", None
    if x_min > x_max or y_min > y_max:
        return "inverted-box", None
    width, height = size_wh
    if min(box_px) >= 0 and max(box_px) <= 1 < min(width, height) / 4:
        return "fraction-box", None
    if min(x_min + width, y_min + height, 2 * width - x_max, 2 * height - y_max) < 0:
        return "impossible-box", None
    clipped = max(x_min, 0), max(y_min, 0), min(x_max, size_wh[0]), min(y_max, size_wh[1])
    if clipped[0] >= clipped[2] or clipped[1] >= clipped[3]:
        return "box-outside", None
    over = max(abs(a - b) for a, b in zip(clipped, box_px, strict=True))
    return None if over <= _ROUNDING else "box-over-edge", clipped


def describe_box(
    item: LabeledObject, flaw: str | None = None, size_wh: tuple[int, int] | None = None
) -> str:
    """A box for a message, with its flaw: "box cat (4, 2, 4, 10) has no area"."""
    corners = ", ".join(f"{part:g}" for part in item.box_px)
    text = f"box {item.name} ({corners})"
    return f"{text} {_BOX_FLAWS[flaw].format(size_wh and by(size_wh))}" if flaw else text


def at_line(line: int) -> str:
    """A line for a message that begins with a file: ", line 3"; "" where there is none."""
    return f", line {line}" if line else ""


def by(size_wh: tuple[int, int]) -> str:
    """A (width, height) for a message: "640x480"."""
    return f"{size_wh[0]}x{size_wh[1]}"


def place_boxes(
    annotation: Annotation, image_path: Path, stored_wh: tuple[int, int], orientation: int
) -> tuple[tuple[int, int], np.ndarray, list[LabeledObject]]:
    """The upright picture's (width, height), its boxes and the objects that they belong to.

    boxes: (N, 4) float32 xyxy in [0, 1]. Objects without an area or outside the picture are
    skipped and others clipped to it, each with a DataWarning.

    Args:
        stored_wh, orientation: of the picture, as `read_header` gives them.

    Raises: ValueError where the annotation's size contradicts the picture.
    """
    placement = find_placement(annotation.size_wh, stored_wh, orientation)
    if placement.contradicted and annotation.size_wh:
        raise ValueError(
            f"{annotation.path}{at_line(annotation.size_line)}: the boxes were drawn on a picture "
            f"of {by(annotation.size_wh)}, but {image_path.name} is {by(placement.size_wh)}, of "
            "another ratio; correct the size if the boxes fit, or label the picture again"
        )
    boxes, kept = [], []
    for item in annotation.objects:
        flaw, box_px = clip_box(item.box_px, placement.drawn_wh)
        if flaw:
            said = describe_box(item, flaw, placement.drawn_wh)
            warn(f"{annotation.path}: {said}; {'clipped' if box_px else 'skipped'}")
        if box_px:
            boxes.append(placement.fractions(box_px))
            kept.append(item)
    return placement.size_wh, np.array(boxes, np.float32).reshape(-1, 4), kept


def warn(message: str) -> None:
    """A DataWarning."""
    warnings.warn(message, DataWarning, stacklevel=2)
