"""LabelMe: JSON files, one a picture, with shapes in pixels; also X-AnyLabeling's.

A shape becomes the box around it. LabelMe turns pictures upright before it shows them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from train.data.annotation import Annotation, Box, Flaw, LabeledObject, MalformedLabels
from train.data.formats.base import OWN_FORM, Format, Recognized
from train.data.formats.files import FolderFiles
from train.data.formats.located_json import Keys, read_object
from train.data.formats.numbers import shown
from train.data.formats.picture_files import PictureFiles, read_picture_files
from train.data.formats.text import clean_name

_SNIFFED_BYTES = 65536
# The picture inside may stand in front of the shapes.
_SHAPES = re.compile(rb'"(?:shapes"\s*:\s*\[|imageData"\s*:)')
_FEWEST_POINTS = {
    **{"circle": 2, "rectangle": 2, "mask": 2},
    **{"polygon": 3, "rotation": 3, "quadrilateral": 4},
}
_OF_OLD = "polygon"  # files of LabelMe 3 name no type
_CURE = "correct it or remove the shape"


def recognize(files: FolderFiles) -> Recognized | None:
    """LabelMe where there are JSON files with shapes; malformed ones among them are read, too."""
    found = {path for path in files.with_suffix(".json") if _has_shapes(path)}
    if not found:
        return None
    folders = {path.parent for path in found}
    stems = {(path.parent, path.stem) for path in files.images if path.parent in folders}
    labels = [
        path
        for path in files.with_suffix(".json")
        if path in found or (path.parent, path.stem) in stems
    ]
    if len(found) < len(labels) / 2:  # notes of another program beside the pictures
        labels = sorted(found)
    return Recognized(len(found), partial(read_picture_files, files, labels, _FILES))


def _has_shapes(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(_SNIFFED_BYTES).replace(b"\0", b"")  # UTF-16 as well
    is_object = start.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"{")
    return is_object and _SHAPES.search(start) is not None


def scan_annotation(path: Path) -> tuple[Annotation, list[Flaw]]:
    """One file; objects that cannot be used are left out and their flaws listed.

    Raises: MalformedLabels where it is no whole JSON, or has no list of shapes. OSError.
    """
    keys = read_object(path, ("shapes",), ("imagePath", "imageWidth", "imageHeight"))
    if "shapes" not in keys.arrays:
        reason = 'expected a LabelMe file with a list "shapes", got none; save the labels again'
        raise MalformedLabels(str(path), 1, reason)
    objects: list[LabeledObject] = []
    flaws: list[Flaw] = []
    for number, (line, value) in enumerate(keys.arrays["shapes"], 1):
        found = _read_shape(value, number, line)
        if isinstance(found, Flaw):
            flaws.append(found)
        else:
            objects.append(found)
    name, width = keys.values.get("imagePath"), keys.values.get("imageWidth")
    filename = name.value if name and isinstance(name.value, str) else None
    place = name.line if name else 1, width.line if width else 1
    return Annotation(path, filename, _size(keys), tuple(objects), *place), flaws


def _size(keys: Keys) -> tuple[int, int] | None:
    sides = [keys.values[key].value for key in ("imageWidth", "imageHeight") if key in keys.values]
    if len(sides) < 2 or not all(_is_number(side) and side >= 1 for side in sides):
        return None  # the picture itself knows better, so a bad size is no reason to stop
    return int(sides[0]), int(sides[1])


def _read_shape(value: Any, number: int, line: int) -> LabeledObject | Flaw:
    shape = value if isinstance(value, dict) else {}
    label = shape.get("label")
    name = clean_name(label) if isinstance(label, str) else ""
    if not name:
        return Flaw("missing-tag", line, f'object {number} has no "label"; give it a class', number)
    kind = shape.get("shape_type") or _OF_OLD
    fewest = _FEWEST_POINTS.get(kind) if isinstance(kind, str) else None
    if fewest is None:
        message = (
            f"object {number} expected a shape with an area, {', '.join(_FEWEST_POINTS)}, got "
            f"{shown(str(kind))}; draw a rectangle instead, or remove the shape"
        )
        return Flaw("missing-tag", line, message, number)
    points = _read_points(shape.get("points"), fewest)
    if points is None:
        message = (
            f'object {number} expected "points" of at least {fewest} pairs [x, y], got '
            f"{shown(str(shape.get('points')))}; {_CURE}"
        )
        return Flaw("bad-number", line, message, number)
    difficult = shape.get("difficult") is True
    return LabeledObject(name, _box(kind, points), difficult, number, line, line)


def _read_points(value: Any, fewest: int) -> list[tuple[float, float]] | None:
    pairs = value if isinstance(value, list) else []
    if len(pairs) < fewest or not all(isinstance(one, list) and len(one) == 2 for one in pairs):
        return None
    if not all(_is_number(part) for pair in pairs for part in pair):
        return None
    return [(float(x), float(y)) for x, y in pairs]


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) < 1e9  # NaN is not


def _box(kind: str, points: Sequence[tuple[float, float]]) -> Box:
    """The box around a shape; a circle's points are its center and one on its edge."""
    if kind == "circle":
        (x, y), edge = points[0], points[1]
        radius = math.dist((x, y), edge)
        return x - radius, y - radius, x + radius, y + radius
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


_FILES = PictureFiles("LabelMe", "JSON files", '"imagePath"', scan_annotation, False)
FORMAT = Format(_FILES.format, recognize, OWN_FORM)
