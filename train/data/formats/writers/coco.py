"""COCO, written: images/ and annotations/instances_SPLIT.json, a line an image or annotation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from train.data.annotation import LabeledObject
from train.data.formats.writers.selection import (
    COMMON_SPLITS,
    Kept,
    Picture,
    Target,
    copy_picture,
    kept,
    writing,
)
from train.data.labeled_folder import LabeledFolder

NO_SPLIT = "default"  # CVAT's name for it, which other tools read, too


def write_coco(folder: LabeledFolder, out: Path) -> Kept:
    """Write a labelled folder as COCO; `out` appears whole or not at all.

    A file for each of train, val and test; pictures in none of them are those of
    instances_default.json, since the name of another split would get lost on reading: that is
    noted. Boxes stay as they were drawn, with the size that they were drawn on. Crowds are kept as
    iscrowd, difficult ones as "ignore": 1.

    Raises: ValueError where `out` holds something or nothing can be written. OSError.
    """
    with writing(folder, out, Target(COMMON_SPLITS, any_path=True)) as (target, selection):
        numbers = {name: n for n, name in enumerate(selection.class_names, 1)}
        rows = {}
        count = 0
        for image_number, picture in enumerate(selection.pictures.values(), 1):
            place = target if picture.whole_path else target / "images"
            copy_picture(picture, place / picture.name)
            rows[picture.image_id] = _rows(picture, image_number, count, numbers)
            count += len(picture.objects)
        selection.boxes = count
        files = dict(selection.splits)
        if selection.rest:
            files[NO_SPLIT] = selection.rest
        (target / "annotations").mkdir(exist_ok=True)  # a whole path may begin so
        for split, pictures in files.items():
            text = _text([rows[picture.image_id] for picture in pictures], numbers)
            path = target / "annotations" / f"instances_{split}.json"
            path.write_text(text, encoding="utf-8")
    return kept(selection)


def _rows(
    picture: Picture, image_number: int, offset: int, numbers: dict[str, int]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The picture's entry under "images" and its entries under "annotations"."""
    width, height = picture.size_wh
    image = {"id": image_number, "file_name": picture.name, "width": width, "height": height}
    annotations = [
        _annotation(item, offset + n, image_number, numbers[item.name])
        for n, item in enumerate(picture.objects, 1)
    ]
    return image, annotations


def _annotation(
    item: LabeledObject, number: int, image_number: int, category: int
) -> dict[str, Any]:
    x_min, y_min, x_max, y_max = item.box_px
    width, height = x_max - x_min, y_max - y_min
    row = {
        "id": number,
        "image_id": image_number,
        "category_id": category,
        "bbox": [_plain(part) for part in (x_min, y_min, width, height)],
        "area": _plain(width * height),
        "segmentation": [],
        "iscrowd": int(item.crowd),
    }
    return row | {"ignore": 1} if item.difficult else row


def _plain(number: float) -> float:
    """Whole numbers without a point, others without the dust of a subtraction."""
    rounded = round(number, 6)
    return int(rounded) if rounded == int(rounded) else rounded


def _text(
    rows: Sequence[tuple[dict[str, Any], list[dict[str, Any]]]], numbers: dict[str, int]
) -> str:
    lists = {
        "images": [image for image, _ in rows],
        "annotations": [row for _, annotations in rows for row in annotations],
        "categories": [
            {"id": number, "name": name, "supercategory": ""} for name, number in numbers.items()
        ],
    }
    parts = ['"info": {"description": "Labels converted by python -m train.data convert"}']
    for key, elements in lists.items():
        lines = ",\n".join(json.dumps(element, ensure_ascii=False) for element in elements)
        parts.append(f'"{key}": [\n{lines}\n]')
    return "{\n" + ",\n".join(parts) + "\n}\n"
