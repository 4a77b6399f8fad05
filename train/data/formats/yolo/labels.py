"""YOLO label file: a line an object, its class number and its place in fractions of the picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from train.data.annotation import Box, Flaw, LabeledObject
from train.data.formats.fractions import MOST_FRACTION, to_pixels
from train.data.formats.numbers import finite_number, shown
from train.data.formats.text import read_lines
from train.data.formats.yolo.classes import NumberedNames

_CURE = "correct it or remove the line"
_ROUNDING = 0.01  # of a confidence beyond 0 to 1


@dataclass
class Forms:
    """Lines that hold more than a box: how many, and where the first stands."""

    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, form: str, where: str) -> None:
        self.counts[form] = self.counts.get(form, 0) + 1
        self.first.setdefault(form, where)


def read_label_file(
    path: Path,
    size_wh: tuple[int, int],
    classes: NumberedNames,
    pose_numbers: int = 0,
    forms: Forms | None = None,
) -> tuple[list[LabeledObject], list[Flaw]]:
    """The objects of a picture, boxes in pixels of its upright form, and the flaws of the others.

    size_wh: of the upright picture. pose_numbers: as `Config`. forms: counts are added to it.

    Raises: MalformedLabels where it is no text. OSError.
    """
    objects: list[LabeledObject] = []
    flaws: list[Flaw] = []
    for number, (line, text) in enumerate(read_lines(path), 1):
        found = _read_line(text.split(), number, line, classes, pose_numbers)
        if isinstance(found, Flaw):
            flaws.append(found)
            continue
        name, form, box = found
        if forms and form:
            forms.add(form, f"{path}, line {line}")
        box_px = to_pixels(box, size_wh)
        objects.append(LabeledObject(name, box_px, False, number, line, line))
    return objects, flaws


def _read_line(
    texts: list[str], number: int, line: int, classes: NumberedNames, pose_numbers: int
) -> tuple[str, str, Box] | Flaw:
    """(class name, form, box xyxy in fractions) of a line."""
    name = _class_name(texts[0], number, line, classes)
    if isinstance(name, Flaw):
        return name
    values = _read_values(texts[1:], number, line)
    if isinstance(values, Flaw):
        return values
    form = _form(len(values), pose_numbers)
    if form is None:
        message = (
            f"object {number} expected a class number and 4 numbers (or the corners of a polygon, "
            f"3 or more), got {len(values)} after the class number; {_CURE}"
        )
        return Flaw("bad-number", line, message, number)
    if form == "confidence" and not -_ROUNDING <= values[4] <= 1 + _ROUNDING:
        message = (
            f"object {number} expected a confidence, 0 to 1, after the box, got {shown(texts[5])}, "
            "an angle perhaps, or the number of a track; export rotated boxes as their four "
            "corners, remove numbers of tracks"
        )
        return Flaw("bad-number", line, message, number)
    used = values if form == "polygon" else values[:4]
    largest = max(used, key=abs)
    if abs(largest) > MOST_FRACTION:
        message = (
            f"object {number} expected fractions of the picture, 0 to 1, got "
            f"{shown(texts[1 + used.index(largest)])}; divide pixels by the picture's width and "
            "height, or export the labels as YOLO again"
        )
        return Flaw("not-normalized", line, message, number)
    if form == "polygon":
        x, y = used[::2], used[1::2]
        return name, form, (min(x), min(y), max(x), max(y))
    center_x, center_y, width, height = used
    if width < 0 or height < 0:
        message = f"object {number} has a negative width or height, {width:g}, {height:g}; {_CURE}"
        return Flaw("bad-number", line, message, number)
    x_min, y_min = center_x - width / 2, center_y - height / 2
    return name, form, (x_min, y_min, center_x + width / 2, center_y + height / 2)


def _read_values(texts: list[str], number: int, line: int) -> list[float] | Flaw:
    values = []
    for text in texts:
        value = finite_number(text)
        if value is None:
            message = f"object {number} expected a finite number, got {shown(text)}; {_CURE}"
            return Flaw("bad-number", line, message, number)
        values.append(value)
    return values


def _class_name(text: str, number: int, line: int, classes: NumberedNames) -> str | Flaw:
    value = finite_number(text)
    if value is None or value != int(value):
        message = f"object {number} expected a whole class number first, got {shown(text)}; {_CURE}"
        return Flaw("bad-number", line, message, number)
    if int(value) not in classes.names:
        known = f"0 to {len(classes.names) - 1}"
        if list(classes.names) != list(range(len(classes.names))):
            known = f"{len(classes.names)} others"
        message = (
            f"object {number} has the class {shown(text)}, but {classes.path.name} names "
            f"{known}; correct the number or add the name there"
        )
        return Flaw("unknown-class", line, message, number)
    return classes.names[int(value)][1]


def _form(count: int, pose_numbers: int) -> str | None:
    """Form of a line with so many numbers after its class: "" is a box, None nothing known."""
    if count == 4:
        return ""
    if pose_numbers and count == 4 + pose_numbers:
        return "pose"
    if count == 5:
        return "confidence"
    return "polygon" if count >= 6 and count % 2 == 0 else None
