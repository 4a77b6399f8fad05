"""COCO file: one JSON with images, annotations and categories, read without stopping at a flaw."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from train.data.annotation import Box, Flaw, LabeledObject, MalformedLabels
from train.data.formats.files import UNPRINTABLE
from train.data.formats.listed.content import Category, ListedImage, ListFile
from train.data.formats.located_json import Element, read_arrays
from train.data.formats.numbers import json_number
from train.data.formats.text import clean_name

LISTS = ("images", "annotations", "categories")


def read_coco_file(path: Path) -> ListFile | None:
    """One file; None where it is JSON of another kind, such as captions or panoptic segments.

    Raises: MalformedLabels, naming line and column, where it is no whole JSON. OSError.
    """
    arrays = read_arrays(path, LISTS)
    if len(arrays) < len(LISTS) or _is_panoptic(arrays["annotations"]):
        return None
    flaws: list[Flaw] = []
    categories, doubtful = _read_categories(arrays["categories"], flaws)
    images, by_id = _read_images(path, arrays["images"], flaws)
    names: dict[str, str | Flaw] = {key: row.name for key, row in categories.items()}
    for element in arrays["annotations"]:
        _add_annotation(element, by_id, names | doubtful if doubtful else names, flaws)
    ordered = sorted(categories.values(), key=lambda row: row.number)
    return ListFile(path, tuple(images), tuple(ordered), tuple(flaws))


def _is_panoptic(annotations: list[Element]) -> bool:
    return bool(annotations) and all(
        isinstance(value, dict) and "segments_info" in value and "bbox" not in value
        for _, value in annotations
    )


def _key(value: Any) -> str | None:
    """An id as it is compared: 1, 1.0 and "1" are one; None for what is no id."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else None
    return str(value)


def _show(value: Any) -> str:
    text = ascii(value) if isinstance(value, str) and UNPRINTABLE.search(value) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _read_categories(
    elements: list[Element], flaws: list[Flaw]
) -> tuple[dict[str, Category], dict[str, str | Flaw]]:
    """(key → category, key → flaw of each annotation that names this doubtful category)."""
    found: dict[str, Category] = {}
    doubtful: dict[str, str | Flaw] = {}
    named: dict[str, int] = {}
    for line, value in elements:
        key = _key(value.get("id")) if isinstance(value, dict) else None
        name = clean_name(value["name"]) if key and isinstance(value.get("name"), str) else ""
        if key is None or not name or UNPRINTABLE.search(name):
            message = (
                'category expected an object with an "id" and a "name" of one line, '
                f"got {_show(value)}; complete it"
            )
            flaws.append(Flaw("bad-labels", line, message, 0))
            continue
        if key in found:
            first = found[key]
            message = f"category id {key} is {first.name!r} on line {first.line} already"
            if first.name != name:
                message += f", here {name!r}"
                doubtful[key] = Flaw("unknown-class", line, message, 0)
            cure = "give each category an id of its own"
            flaws.append(Flaw("bad-labels", line, f"{message}; {cure}", 0))
            continue
        if name in named:
            message = (
                f"the category {name!r} stands on line {named[name]} already, with another id; "
                "both are taken as one class: merge them, or rename one"
            )
            flaws.append(Flaw("bad-labels", line, message, 0))
        named.setdefault(name, line)
        number = (0, int(key), "") if re.fullmatch(r"-?\d{1,18}", key) else (1, 0, key)
        found[key] = Category(line, number, name)
    return found, doubtful


def _read_images(
    path: Path, elements: list[Element], flaws: list[Flaw]
) -> tuple[list[ListedImage], dict[str, ListedImage]]:
    """(all, id → image)."""
    images: list[ListedImage] = []
    by_id: dict[str, ListedImage] = {}
    for line, value in elements:
        fields = value if isinstance(value, dict) else {}
        key, file_name = _key(fields.get("id")), fields.get("file_name")
        name = file_name.strip() if isinstance(file_name, str) else ""
        if key is None or not name.strip("./\\") or UNPRINTABLE.search(name):
            message = (
                'image expected an object with an "id" and a "file_name" of one line, '
                f"got {_show(value)}; complete it"
            )
            flaws.append(Flaw("unknown-image", line, message, 0))
            continue
        image = ListedImage(line, name, _size(fields))
        first = by_id.get(key)
        if first and first.file_name == image.file_name:
            message = f"{name} stands on line {first.line} already; remove one of the two"
            flaws.append(Flaw("duplicate-image", line, message, 0))
            continue
        images.append(image)
        if first:
            _refuse_both(path, key, first, image)
        by_id.setdefault(key, image)
    return images, by_id


def _refuse_both(path: Path, key: str, first: ListedImage, second: ListedImage) -> None:
    """Two images with one id: nobody can tell whose boxes are whose."""
    for image, other in ((first, second), (second, first)):
        reason = (
            f"expected an id of its own for each image, got {key} for {image.file_name} and, on "
            f"line {other.line}, {other.file_name}; give them ids of their own, also in "
            '"annotations"'
        )
        where = f"{path}, line {image.line}"
        image.malformed = image.malformed or MalformedLabels(where, image.line, reason)


def _size(fields: dict[str, Any]) -> tuple[int, int] | None:
    width, height = (json_number(fields.get(key)) for key in ("width", "height"))
    if width is None or height is None or width < 1 or height < 1:
        return None  # the picture itself knows better, so a bad size is no reason to stop
    return int(width), int(height)


def _add_annotation(
    element: Element,
    by_id: dict[str, ListedImage],
    names: dict[str, str | Flaw],
    flaws: list[Flaw],
) -> None:
    line, value = element
    if not isinstance(value, dict) or "image_id" not in value:
        message = f'annotation expected an object with an "image_id", got {_show(value)}; complete'
        flaws.append(Flaw("unknown-image", line, f"{message} or remove it", 0))
        return
    image = by_id.get(_key(value["image_id"]) or "")
    if image is None:
        message = (
            f'annotation expected an "image_id" that is among "images", got '
            f"{_show(value['image_id'])}; add the image or remove the annotation"
        )
        flaws.append(Flaw("unknown-image", line, message, 0))
        return
    found = _read_object(value, line, len(image.objects) + len(image.flaws) + 1, names)
    if isinstance(found, LabeledObject):
        image.objects.append(found)
    else:
        image.flaws.append(found)


def _read_object(
    value: dict[str, Any], line: int, number: int, names: dict[str, str | Flaw]
) -> LabeledObject | Flaw:
    what = f"object {number} of {_show(value['image_id'])}"
    if "category_id" not in value:
        message = f'{what} has no "category_id"; give the box a class'
        return Flaw("missing-tag", line, message, number)
    name = names.get(_key(value["category_id"]) or "")
    if not isinstance(name, str):
        message = (
            f'{what} expected a "category_id" that is among "categories", got '
            f"{_show(value['category_id'])}; add the category or correct the id"
        )
        if name:
            message = f"{what} has an unclear class: {name.message}; correct the categories"
        return Flaw("unknown-class", line, message, number)
    box = _read_box(value)
    if isinstance(box, tuple):
        # Some tools' "ignore" says what VOC's difficult says: not to be counted.
        difficult, crowd = value.get("ignore") == 1, value.get("iscrowd") == 1
        return LabeledObject(name, box, difficult, number, line, line, crowd)
    if box is None:
        message = f'{what} has no "bbox", nor a polygon in "segmentation"; add it or remove it'
        return Flaw("missing-tag", line, message, number)
    return Flaw("bad-number", line, f"{what} {box}; correct it or remove it", number)


def _read_box(value: dict[str, Any]) -> Box | str | None:
    """[x, y, width, height] to corners; what is wrong with it; None where there is none."""
    bbox = value.get("bbox")
    if bbox is None or bbox == []:
        return _polygon_box(value.get("segmentation"))
    if isinstance(bbox, list) and len(bbox) == 4:
        x, y, width, height = (json_number(part) for part in bbox)
        if x is not None and y is not None and width is not None and height is not None:
            box = x, y, x + width, y + height
            if all(math.isfinite(corner) for corner in box):
                return box
    return f'expected four numbers, "bbox": [x, y, width, height], got {_show(bbox)}'


def _polygon_box(segmentation: Any) -> Box | str | None:
    """Polygons to box: the smallest one around all their points. None for other masks (RLE)."""
    if not isinstance(segmentation, list) or not segmentation:
        return None
    rings = segmentation if isinstance(segmentation[0], list) else [segmentation]
    points: list[float] = []
    for ring in rings:
        numbers = [json_number(part) for part in ring] if isinstance(ring, list) else []
        usable = [part for part in numbers if part is not None]
        if len(usable) < max(len(numbers), 6) or len(usable) % 2:
            return f'expected polygons [x, y, x, y, ...] in "segmentation", got {_show(ring)}'
        points += usable
    x, y = points[::2], points[1::2]
    return min(x), min(y), max(x), max(y)
