"""Rectangles of lists in JSON: a label and four numbers x, y, width, height."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from train.data.annotation import Box, Flaw, LabeledObject
from train.data.formats.listed.content import ListedImage
from train.data.formats.located_json import Element
from train.data.formats.numbers import json_number, shown
from train.data.formats.text import clean_name

_SIDES = ("x", "y", "width", "height")


def read_sides(value: Any) -> tuple[float, float, float, float] | None:
    """x, y, width, height of an object; None where one is missing or no number."""
    fields = value if isinstance(value, dict) else {}
    x, y, width, height = (json_number(fields.get(side)) for side in _SIDES)
    if x is None or y is None or width is None or height is None:
        return None
    return x, y, width, height


def read_label(value: Any, what: str, line: int, number: int) -> str | Flaw:
    """The class name."""
    name = clean_name(value) if isinstance(value, str) else ""
    if name:
        return name
    return Flaw("missing-tag", line, f'{what} has no "label"; give the box a class', number)


def read_rectangle(
    label: Any, sides: Any, what: str, line: int, number: int, *, centered: bool
) -> LabeledObject | Flaw:
    """An object, from its label and its sides in pixels; what: it, for a message.

    centered: whether x, y are the center, else the corner at the top left.
    """
    name = read_label(label, what, line, number)
    if isinstance(name, Flaw):
        return name
    found = read_sides(sides)
    if found is None:
        message = (
            f"{what} expected numbers of pixels in {', '.join(_SIDES)}, got "
            f"{shown(json.dumps(sides))}; correct it or remove it"
        )
        return Flaw("bad-number", line, message, number)
    x, y, width, height = found
    left, top = (x - width / 2, y - height / 2) if centered else (x, y)
    box: Box = left, top, left + width, top + height
    return LabeledObject(name, box, False, number, line, line)


def listed_image(
    name: str, line: int, boxes: Sequence[Element], *, sides_key: str | None, centered: bool
) -> ListedImage:
    """A picture with its boxes, each an object with a "label".

    sides_key: the key of the object that holds the sides; None where they stand beside the label.
    """
    image = ListedImage(line, name, None)
    for number, (box_line, value) in enumerate(boxes, 1):
        fields = value if isinstance(value, dict) else {}
        what = f"object {number} of {name}"
        sides = fields.get(sides_key) if sides_key else fields
        label = fields.get("label")
        found = read_rectangle(label, sides, what, box_line, number, centered=centered)
        if isinstance(found, Flaw):
            image.flaws.append(found)
        else:
            image.objects.append(found)
    return image
