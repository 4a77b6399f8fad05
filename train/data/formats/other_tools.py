"""Labels that are not read: whose own form they are in, for the message that refuses them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from train.data.formats.files import FolderFiles

_LOOKED_AT = 3  # files of a suffix
_MOST_BYTES = 20_000_000
_NUMBER = r"-?\d+(?:\.\d+)?"
_TEXTS = (  # the first line of a label file
    ("KITTI's", re.compile(rf"[A-Za-z]\w*(?: {_NUMBER}){{14,15}}")),
    ("DOTA's", re.compile(rf"imagesource:.*|(?:{_NUMBER} ){{8}}\S+ \d")),
    ("the Open Images toolkit's", re.compile(rf"[A-Za-z][\w ]*(?: {_NUMBER}){{4}}")),
    ("VisDrone's or MOT's", re.compile(rf"{_NUMBER}(?:,{_NUMBER}){{7,9}},?")),
    ("YOLOv4-PyTorch's", re.compile(r"\S.*\.\w+(?: \d+,\d+,\d+,\d+,\d+)+")),
)
_TAGS = ((b"<dataset>", "dlib imglab's own"),)
_NAMES = (
    ("Edge Impulse's info.labels without bounding_boxes.labels", re.compile(r"info\.labels")),
    ("WIDER FACE's own", re.compile(r"wider_face_.*_bbx_gt\.txt")),
    ("TensorFlow records", re.compile(r".*\.tfrecords?(?:-\d+.*)?|.*\.record")),
    ("JSON lines", re.compile(r".*\.jsonl")),
)


def other_form(files: FolderFiles) -> str | None:
    """ "CVAT's own" and so on, where the files of a folder tell; else None."""
    for whose, pattern in _NAMES:
        if any(pattern.fullmatch(path.name.lower()) for path in files.paths):
            return whose
    for path in files.with_suffix(".xml")[:_LOOKED_AT]:
        for tag, form in _TAGS:
            if tag in _start(path):
                return form
    for path in files.with_suffix(".json")[:_LOOKED_AT]:
        known = _json_form(path)
        if known:
            return known
    for path in files.with_suffix(".txt")[:_LOOKED_AT]:
        line = _start(path).decode("utf-8", "replace").strip().split("\n")[0].strip()
        for whose, pattern in _TEXTS:
            if pattern.fullmatch(line):
                return f"{whose} own"
    return None


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(2048)


def _json_form(path: Path) -> str | None:
    try:
        content = json.loads(path.read_bytes()[:_MOST_BYTES])
    except (ValueError, RecursionError):
        return None
    sample = content[0] if isinstance(content, list) and content else content
    if not isinstance(sample, dict):
        return None
    return next((whose for whose, fits in _JSONS if fits(sample)), None)


def _has(*keys: str) -> Callable[[dict[str, Any]], bool]:
    return lambda sample: set(keys) <= sample.keys()


def _is_via(sample: dict[str, Any]) -> bool:
    first = next(iter(sample.values()), None)
    return "_via_img_metadata" in sample or (isinstance(first, dict) and "regions" in first)


def _is_json_min(sample: dict[str, Any]) -> bool:
    """Label Studio's JSON-MIN: a list of regions under the name of a control."""
    regions = [value[0] for value in sample.values() if isinstance(value, list) and value]
    return any(isinstance(one, dict) and "original_width" in one for one in regions)


_JSONS: tuple[tuple[str, Callable[[dict[str, Any]], bool]], ...] = (
    ("CreateML's own for classes without boxes", _has("image", "annotations")),
    ("Label Studio's JSON-MIN", _is_json_min),
    ("Supervisely's own", _has("objects", "size")),
    ("VoTT's own", _has("assets", "tags")),
    ("Datumaro's own", _has("items", "categories")),
    ("COCO detections, which name neither pictures nor classes", _has("image_id", "score")),
    ("COCO without its list of categories", _has("images", "annotations")),
    ("VIA's own", _is_via),
)
