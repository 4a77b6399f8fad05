"""Shapes of labelling tools: the axis-aligned box around each, in the units of its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable

from train.data.annotation import Box

_DECIMALS = 6  # the cosine of 90 degrees is no exact 0


def around(points: Iterable[tuple[float, float]]) -> Box:
    """The box around points (x, y), one at least."""
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def around_rotated(box: Box, degrees: float, pivot: tuple[float, float]) -> Box:
    """The box around a rotated one's corners; as written where the angle is 0.

    degrees: clockwise as seen, since y points down. pivot: the (x, y) that stays.
    """
    if degrees % 360 == 0:
        return box
    x_min, y_min, x_max, y_max = box
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = [(x_min, y_min), (x_max, y_min), (x_max, y_max), (x_min, y_max)]
    offsets = [(x - pivot[0], y - pivot[1]) for x, y in corners]
    return _rounded(
        around((pivot[0] + x * cos - y * sin, pivot[1] + x * sin + y * cos) for x, y in offsets)
    )


def around_ellipse(center: tuple[float, float], radii: tuple[float, float], degrees: float) -> Box:
    """The box around an ellipse that is rotated around its center (x, y)."""
    (x, y), (rx, ry) = center, radii
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    half_width, half_height = math.hypot(rx * cos, ry * sin), math.hypot(rx * sin, ry * cos)
    return _rounded((x - half_width, y - half_height, x + half_width, y + half_height))


def _rounded(box: Box) -> Box:
    x_min, y_min, x_max, y_max = (round(corner, _DECIMALS) for corner in box)
    return x_min, y_min, x_max, y_max
