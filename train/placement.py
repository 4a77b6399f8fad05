"""How the boxes of an annotation lie on its picture, and what is left of them: arithmetic only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from train.data.voc import VocObject

Turn = Callable[[float, float], tuple[float, float]]
Box = tuple[float, float, float, float]
# EXIF orientations that swap width and height: where a stored point (x, y) in [0, 1] comes to lie.
_TURNS: dict[int, Turn] = {
    5: lambda x, y: (y, x),
    6: lambda x, y: (1 - y, x),
    7: lambda x, y: (1 - y, 1 - x),
    8: lambda x, y: (y, 1 - x),
}
_BOX_FLAWS = {
    "no-area": "has no area",
    "inverted-box": "has swapped corners, so it has no area",
    "box-outside": "is outside the {} picture",
    "box-over-edge": "leaves the {} picture",
}


@dataclass(frozen=True)
class Placement:
    """How boxes lie on a picture.

    size_wh: of the upright picture, pixels. drawn_wh: of the picture that the boxes were drawn on.
    turn: brings their points upright, None where they are. contradicted: the annotation gives a
    size that the picture has neither upright nor as stored.
    """

    size_wh: tuple[int, int]
    drawn_wh: tuple[int, int]
    turn: Turn | None
    contradicted: bool

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
        if self.turn is None:
            return box_px
        box = self.fractions(box_px)
        sides = self.size_wh * 2
        return tuple(round(part * side, 6) for part, side in zip(box, sides, strict=True))


def find_placement(
    annotated_wh: tuple[int, int] | None, stored_wh: tuple[int, int], orientation: int
) -> Placement:
    """How boxes lie, from the sizes in annotation and picture file and the EXIF orientation."""
    turn = _TURNS.get(orientation)
    size_wh = stored_wh[::-1] if turn else stored_wh
    if annotated_wh in (None, size_wh):
        return Placement(size_wh, size_wh, None, contradicted=False)
    if turn and annotated_wh == stored_wh:
        return Placement(size_wh, stored_wh, turn, contradicted=False)
    return Placement(size_wh, size_wh, None, contradicted=True)


def clip_box(box_px: Box, size_wh: tuple[float, float]) -> tuple[str | None, Box | None]:
    """What is wrong with a box, if anything, and the part of it inside the picture, if any.

    The flaw is one for `describe_box`. A box that leaves the picture has a flaw and a part inside.
    """
    x_min, y_min, x_max, y_max = box_px
    if x_min == x_max or y_min == y_max:
        return "no-area", None
    if x_min > x_max or y_min > y_max:
        return "inverted-box", None
    clipped = max(x_min, 0), max(y_min, 0), min(x_max, size_wh[0]), min(y_max, size_wh[1])
    if clipped[0] >= clipped[2] or clipped[1] >= clipped[3]:
        return "box-outside", None
    return None if clipped == tuple(box_px) else "box-over-edge", clipped


def describe_box(
    item: VocObject, flaw: str | None = None, size_wh: tuple[int, int] | None = None
) -> str:
    """A box for a message, with its flaw: "box cat (4, 2, 4, 10) has no area"."""
    corners = ", ".join(f"{part:g}" for part in item.box_px)
    text = f"box {item.name} ({corners})"
    return f"{text} {_BOX_FLAWS[flaw].format(size_wh and by(size_wh))}" if flaw else text


def by(size_wh: tuple[int, int]) -> str:
    """A (width, height) for a message: "640x480"."""
    return f"{size_wh[0]}x{size_wh[1]}"
