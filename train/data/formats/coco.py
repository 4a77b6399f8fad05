"""COCO: a folder with JSON files of images, annotations and categories, and the pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from train.data.formats.base import Format, Recognized
from train.data.formats.coco_file import LISTS, read_coco_file
from train.data.formats.files import FolderFiles
from train.data.formats.listed.content import some
from train.data.formats.listed.folder import read_lists
from train.data.labeled_folder import LabeledFolder
from train.data.splits.file import FILE_NAME

_HEAD_BYTES = 65536
_TOKENS = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?|[{}\[\]]')
# Files that come with COCO's instances_*.json and label the same pictures in other ways.
_SIBLINGS = re.compile(r"(person_keypoints|stuff|panoptic|captions)_")


def recognize(files: FolderFiles) -> Recognized | None:
    """Any .json whose top-level object has the lists "images", "annotations", "categories"."""
    counts = {path: _count_images(path) for path in files.with_suffix(".json")}
    paths = [path for path, count in counts.items() if count is not None]
    if any(path.name.startswith("instances") for path in paths):
        paths = [path for path in paths if not _SIBLINGS.match(path.name)]
    if not paths:
        return None
    return Recognized(sum(counts[path] or 0 for path in paths), partial(_read, files, paths))


FORMAT = Format("COCO", recognize)


def _count_images(path: Path) -> int | None:
    """About how many images a COCO file has; None for another JSON, told by its beginning.

    A file that is cut off counts as COCO by its first keys: reading it says where it ends.
    """
    if not path.is_file():
        return None  # a link to nowhere
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        text = head.decode(encoding, "ignore")
        if not text.lstrip().startswith("{") or not set(LISTS) & set(_top_keys(text)):
            return None
        content = head + file.read()
    if encoding == "utf-16":
        content = content.decode(encoding, "ignore").encode()
    whole = content.rstrip().endswith(b"}")
    if whole and not all(re.search(rb'"%b"\s*:\s*\[' % key.encode(), content) for key in LISTS):
        return None
    return content.count(b'"file_name"')


def _top_keys(text: str) -> list[str]:
    keys, depth = [], 0
    for match in _TOKENS.finditer(text):
        if match[2] and depth == 1:
            keys.append(match[1])
        elif match[1] is None:
            depth += 1 if match[0] in "{[" else -1
    return keys


def _read(files: FolderFiles, paths: Sequence[Path]) -> LabeledFolder:
    parsed = {path: read_coco_file(path) for path in paths}
    coco_files = [file for file in parsed.values() if file]
    if not coco_files:
        raise ValueError(
            f"{paths[0]}: expected a COCO file with boxes, lists {', '.join(LISTS)}, got captions, "
            "segments or another kind; export the labels as COCO instances"
        )
    aside = [
        path
        for path in files.with_suffix(".json")
        if not parsed.get(path) and path.name != FILE_NAME  # the splits that we made
    ]
    notes = []
    if aside:
        notes.append(f"no COCO file with boxes, left aside: {some(map(files.relative, aside))}")
    return read_lists(files, coco_files, FORMAT.name, '"file_name"', notes)
