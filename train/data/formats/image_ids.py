"""Image ids and split names, from paths below a labelled folder."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff")
)
# Pictures that Pillow does not read everywhere, or not as one still picture.
UNREAD_SUFFIXES = frozenset(
    (".heic", ".heif", ".avif", ".gif", ".jxl", ".jp2", ".dng", ".cr2", ".nef", ".arw")
)

# `val`, `valid` and `validation` are one thing.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


# Folders that say what lies in them and nothing about the pictures: no part of an id.
_LAYOUT_NAMES = frozenset(
    (
        *("annotations", "annotation", "annots", "annot", "anno", "xml", "xmls"),
        *("labels", "label", "labelimg", "data", "dataset"),
        *("images", "image", "imgs", "img", "jpegimages", "pictures", "photos", "jpg", "jpegs"),
        *("obj_train_data", "obj_valid_data", "obj_test_data", "obj_validation_data"),
    )
)


_LAYOUT_WORD = "(?:images?|imgs?|labels?|annotations?|data|dataset|set)"
_SPLIT_FOLDER = re.compile(
    rf"(?:{_LAYOUT_WORD}[ _-])?({'|'.join(SPLIT_NAMES)})(?:[ _-]?(?:{_LAYOUT_WORD}|zip)|[_-]?\d+)*"
)


def split_of(parts: Sequence[str]) -> str | None:
    """The split whose name is among a file's folders, as in "train2017", "Test set", "img_val"."""
    for part in parts:
        match = _SPLIT_FOLDER.fullmatch(part.lower())
        if match:
            return SPLIT_NAMES[match[1]]
    return None


def plain_id(path: str) -> str:
    """A picture's, label file's or list line's path → id: no suffix, no folders of the layout.

    "Annotations/cam1/p000.xml" and "cam1/p000" are cam1/p000; "train/images/a.jpg" is a.
    """
    pure = PurePosixPath(unicodedata.normalize("NFC", path.replace("\\", "/")))
    stem = (
        pure.stem
        if pure.suffix.lower() in IMAGE_SUFFIXES | {".xml", ".txt", ".json"}
        else pure.name
    )
    folders = [part for part in pure.parts[:-1] if part not in ("/", ".", "..")]
    kept = [part for part in folders if not says_layout(part)]
    return "/".join([*kept, stem])


def says_layout(part: str) -> bool:
    return part.lower() in _LAYOUT_NAMES or split_of([part]) is not None


def unique_ids(relative: Sequence[str]) -> list[str]:
    """`plain_id` of each path below the root; the whole path where two would be one.

    Without suffix even then, unless it is all that differs. Folders above the set itself, as in
    VOC2012/Annotations/a.xml, are left out.
    """
    above = folders_above(relative)
    ids = [plain_id("/".join(PurePosixPath(path).parts[above:])) for path in relative]
    for longer in (lambda path: str(PurePosixPath(path).with_suffix("")), str):
        counts: dict[str, int] = defaultdict(int)
        for image_id in ids:
            counts[image_id] += 1
        ids = [
            longer(path) if counts[image_id] > 1 else image_id
            for path, image_id in zip(relative, ids, strict=True)
        ]
    return ids


def folders_above(relative: Sequence[str]) -> int:
    """Number of folders that all paths have in common before the first of the layout."""
    if not relative:
        return 0
    folders = [PurePosixPath(path).parts[:-1] for path in relative]
    for place, parts in enumerate(zip(*folders, strict=False)):
        if len(set(parts)) > 1:
            return 0
        if says_layout(parts[0]):
            return place
    return 0
