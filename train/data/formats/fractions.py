"""Boxes in fractions of a picture: to pixels of its upright form."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.media.images import read_header
from train.data.annotation import Box

# Tools that round, or clip to the picture's last pixel, leave fractions a little above 1.
MOST_FRACTION = 1.05


def upright_size(image: Path) -> tuple[int, int] | None:
    """(width, height) of a picture turned upright; None where it cannot be opened."""
    try:
        size_wh, orientation = read_header(image)
    except (ValueError, OSError):
        return None  # whoever reads its pixels says why
    return size_wh[::-1] if 5 <= orientation <= 8 else size_wh


def to_pixels(box: Box, size_wh: tuple[int, int]) -> Box:
    """A box xyxy in fractions → in pixels; neither clipped nor checked.

    Rounded, or half of a width that is no binary fraction puts a box over the edge.
    """
    width, height = size_wh
    x_min, y_min, x_max, y_max = box
    return (
        round(x_min * width, 6),
        round(y_min * height, 6),
        round(x_max * width, 6),
        round(y_max * height, 6),
    )
