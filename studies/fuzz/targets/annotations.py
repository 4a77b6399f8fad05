"""Annotations: a small labelled folder in each format, its text changed, read as for a training."""

from __future__ import annotations

import io
import json
import tempfile
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from studies.fuzz.mutation import mutants
from studies.fuzz.targets.base import Target
from train.data.dataset import open_data

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

COCO = json.dumps(
    {
        "images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 20}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 3, "bbox": [2, 3, 10, 8], "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 4, "bbox": [20.5, 3, 10, 8], "area": 80},
        ],
        "categories": [{"id": 3, "name": "cat"}, {"id": 4, "name": "dog"}],
    }
)
VOC = """<?xml version="1.0" encoding="UTF-8"?>
<annotation><folder>images</folder><filename>a.png</filename>
<size><width>40</width><height>20</height><depth>3</depth></size>
<object><name>cat</name><difficult>0</difficult><truncated>0</truncated>
<bndbox><xmin>3</xmin><ymin>4</ymin><xmax>12</xmax><ymax>11</ymax></bndbox></object></annotation>
"""
YOLO = "0 0.2 0.3 0.25 0.4\n1 0.7 0.5 0.25 0.5\n"
YAML = """path: .
train: images
val: images
names:
  0: cat
  1: dog
"""
CSV = """filename,width,height,class,xmin,ymin,xmax,ymax
a.png,40,20,cat,2,3,12,11
a.png,40,20,dog,20,3,30,11
"""
# Where the changed text stands, and the other files of the folder.
FORMS: dict[str, tuple[str, str, dict[str, str]]] = {
    "coco": (COCO, "annotations.json", {}),
    "voc": (VOC, "a.xml", {}),
    "yolo": (YOLO, "labels/a.txt", {"data.yaml": YAML}),
    "yaml": (YAML, "data.yaml", {"labels/a.txt": YOLO}),
    "csv": (CSV, "labels.csv", {}),
}
# What stands in a number's or a name's place and have done harm elsewhere.
WORDS = (
    "NaN",
    "-Infinity",
    "1e999",
    "9" * 6000,
    "-1",
    "",
    "\\u0000",
    "[" * 20_000,
    "../../x",
    "&a;",
)


ABOUT = {
    "coco": "labels as COCO's JSON",
    "voc": "labels as PASCAL VOC's XML",
    "yolo": "labels as YOLO's lines",
    "yaml": "YOLO's data.yaml",
    "csv": "labels as a table",
}


def attempt(form: str, data: bytes) -> str:
    """Read the folder whose annotation has become `data`."""
    _, name, others = FORMS[form]
    picture = io.BytesIO()
    Image.new("RGB", (40, 20)).save(picture, "PNG")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is skipped is said by a warning
        place = "images/a.png" if "labels/a.txt" in (name, *others) else "a.png"
        files = {place: picture.getvalue(), name: data}
        files |= {other: text.encode() for other, text in others.items()}
        for path, content in files.items():
            (Path(folder) / path).parent.mkdir(exist_ok=True)
            (Path(folder) / path).write_bytes(content)
        try:
            found = open_data(folder, write=False).folder
        except (ValueError, OSError):
            return "refused"
    flawed = any(item.malformed or item.flaws for item in found.items.values())
    return "read, flaws named" if flawed else "read"


def inputs(form: str) -> SearchStrategy[bytes]:
    from hypothesis import strategies as st

    base = FORMS[form][0].encode()
    word = st.tuples(st.integers(0, len(base)), st.integers(0, 12), st.sampled_from(WORDS))
    return mutants(base) | word.map(lambda edit: _with_word(base, *edit))


def _with_word(base: bytes, place: int, gone: int, word: str) -> bytes:
    return base[:place] + word.encode() + base[place + gone :]


def _target(form: str) -> Target:
    return Target(form, ABOUT[form], partial(attempt, form), partial(inputs, form))


TARGETS = tuple(map(_target, FORMS))
