"""Regions of Label Studio: shapes in percent of a picture's sides → boxes in pixels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from train.data.annotation import Box, Flaw, LabeledObject
from train.data.formats.fractions import to_pixels
from train.data.formats.listed.content import some
from train.data.formats.listed.rectangles import read_sides
from train.data.formats.numbers import json_number, shown
from train.data.formats.shapes import around, around_ellipse, around_rotated
from train.data.formats.text import clean_name

_WITH_AREA = ("rectanglelabels", "polygonlabels", "ellipselabels")
_OF_AREA = (*_WITH_AREA, "labels", "rectangle", "polygon", "ellipse")
# What is said of a whole picture, or of a region besides its class.
ASIDE = ("choices", "textarea", "taxonomy", "rating", "number", "datetime", "relation", "pairwise")
_FEWEST_POINTS = 3


def region_size(result: Any) -> tuple[int, int] | None:
    """(width, height) of the picture that a region was drawn on, in pixels."""
    fields = result if isinstance(result, dict) else {}
    width, height = (json_number(fields.get(f"original_{side}")) for side in ("width", "height"))
    if width is None or height is None or width < 1 or height < 1:
        return None
    return int(width), int(height)


def read_region(result: Any, what: str, line: int, number: int) -> LabeledObject | Flaw:
    """An object, from a result of an annotation; what: it, for a message."""
    fields = result if isinstance(result, dict) else {}
    kind, value = fields.get("type"), fields.get("value")
    if kind not in _OF_AREA or not isinstance(value, dict):
        message = (
            f"{what} expected a shape with an area, {some(_WITH_AREA)}, got "
            f"{shown(str(kind))}; draw a rectangle instead, or remove it"
        )
        return Flaw("missing-tag", line, message, number)
    labels = value.get(kind)
    names = labels if isinstance(labels, list) else []
    name = clean_name(names[0]) if len(names) == 1 and isinstance(names[0], str) else ""
    if not name:
        message = (
            f'{what} expected one class in "{kind}", got {shown(json.dumps(labels))}; give one'
        )
        return Flaw("missing-tag", line, message, number)
    size_wh = region_size(fields)
    box = _read_box(value, size_wh) if size_wh else _NO_SIZE
    if fields.get("image_rotation"):
        box = "was drawn on a picture turned in Label Studio: turn it back and draw the box again"
    if isinstance(box, str):
        return Flaw("bad-number", line, f"{what} {box}", number)
    return LabeledObject(name, box, False, number, line, line)


_NO_SIZE = (
    'expected numbers of pixels in "original_width" and "original_height", got others; without '
    "them percent are no box: export it again or remove it"
)


def _read_box(value: Mapping[str, Any], size_wh: tuple[int, int]) -> Box | str:
    """The box around a shape in percent, or what is wrong with it. Angles are those of pixels."""
    width, height = size_wh
    degrees = json_number(value.get("rotation") or 0)
    if "points" in value:
        points = value["points"]
        pairs = points if isinstance(points, list) else []
        corners = [
            (x / 100, y / 100)
            for pair in pairs
            if isinstance(pair, list) and len(pair) == 2
            for x, y in [map(json_number, pair)]
            if x is not None and y is not None
        ]
        if len(corners) == len(pairs) >= _FEWEST_POINTS:
            return to_pixels(around(corners), size_wh)
        return _expected(f'"points" of at least {_FEWEST_POINTS} pairs [x, y]', points)
    if "radiusX" in value:
        numbers = [json_number(value.get(key)) for key in ("x", "y", "radiusX", "radiusY")]
        x, y, rx, ry = numbers
        if x is None or y is None or rx is None or ry is None or degrees is None:
            return _expected("numbers in x, y, radiusX, radiusY", value)
        center, radii = (x * width / 100, y * height / 100), (rx * width / 100, ry * height / 100)
        return around_ellipse(center, radii, degrees)
    sides = read_sides(value)
    if sides is None or degrees is None:
        return _expected("numbers in x, y, width, height", value)
    x, y, w, h = (side / 100 for side in sides)
    box = to_pixels((x, y, x + w, y + h), size_wh)
    return around_rotated(box, degrees, box[:2])


def _expected(what: str, got: Any) -> str:
    return f"expected {what} in percent, got {shown(json.dumps(got))}; correct it or remove it"
