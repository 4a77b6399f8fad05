"""Label files of a YOLO set, and which belongs to which picture."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from train.data.formats.files import FolderFiles, distance
from train.data.formats.fractions import MOST_FRACTION
from train.data.formats.image_ids import IMAGE_SUFFIXES, SPLIT_NAMES, plain_id, split_of
from train.data.formats.numbers import finite_number
from train.data.formats.text import clean_name

_SNIFFED_BYTES = 4096
_LABEL_FOLDER = re.compile(r"labels?\b.*|labels?[_-].*|obj_\w+_data")
# Text files that come with a set and are label files only if they read like one.
_OTHER_TEXT = re.compile(
    r"readme.*|requirements.*|licen[sc]e.*|_?classes|predefined_classes|labels|label_?map|notes"
)


def sniff(path: Path) -> str:
    """Likeness of a text file's first line to a label.

    Returns: "empty", "list" of pictures, "fractions" of a label file, "numbers" of one that are
    no fractions, "other".
    """
    with path.open("rb") as file:
        content = file.read(_SNIFFED_BYTES)
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    lines = content.decode(encoding, errors="replace").strip().splitlines()
    if not lines:
        return "empty"
    line = lines[0].strip()
    if PurePosixPath(line.replace("\\", "/")).suffix.lower() in IMAGE_SUFFIXES:
        return "list"
    values = [finite_number(text) for text in line.split()]
    numbers = [value for value in values if value is not None]
    if len(values) < 5 or len(numbers) < len(values) or not numbers[0].is_integer():
        return "other"
    return "fractions" if all(abs(value) <= MOST_FRACTION for value in numbers[1:5]) else "numbers"


def is_other_text(path: Path) -> bool:
    """Whether a text file is no label file by its name: a README, classes.txt."""
    return _OTHER_TEXT.fullmatch(path.stem.lower()) is not None


def in_label_folder(files: FolderFiles, path: Path) -> bool:
    """Whether a folder's name says that label files lie in it."""
    return any(_LABEL_FOLDER.fullmatch(part.lower()) for part in files.parts(path))


def stem_key(path: Path) -> str:
    """Names that differ only in case or in how Unicode is composed are one."""
    return clean_name(path.stem).casefold()


@dataclass(frozen=True)
class Pairs:
    """labels: picture → its label file, or several that fit alike. lost: label files without one.

    bare: pictures in folders that have no label file at all.
    """

    labels: dict[Path, list[Path]]
    lost: list[Path]
    bare: list[Path]


def pair_labels(files: FolderFiles) -> Pairs:
    """The label file of each picture.

    It lies in labels/ where the picture lies in images/, or beside the picture. Folders that have
    no pair of that kind take the nearest label file of the name, if it is in no other split.
    """
    stems = {stem_key(path) for path in files.images}
    texts = [path for path in files.with_suffix(".txt") if _may_be_label(files, path, stems)]
    by_place = {(files.parts(path), stem_key(path)): path for path in texts}
    labels: dict[Path, list[Path]] = {}
    for image in files.images:
        for folder in _usual_folders(files.parts(image)):
            label = by_place.get((folder, stem_key(image)))
            if label:
                labels[image] = [label]
                break
    _pair_nearest(files, texts, labels)
    taken = {path for paths in labels.values() for path in paths}
    return Pairs(labels, _lost_labels(files, texts, taken), _bare_images(files, labels, texts))


def _may_be_label(files: FolderFiles, path: Path, stems: set[str]) -> bool:
    has_picture = stem_key(path) in stems
    if is_other_text(path):
        return has_picture and sniff(path) in ("fractions", "numbers")
    if has_picture and not split_word(path):
        return True  # whatever stands in it
    kind = sniff(path)
    known = has_picture or in_label_folder(files, path)
    return kind in ("fractions", "numbers") or (known and kind != "list")


def split_word(path: Path) -> str | None:
    """A list's split by its name: "train" of train.txt and autosplit_train.txt; None for others.

    Of a name such as test_small all of it is the split's.
    """
    stem = path.stem.lower().removeprefix("autosplit_")
    if not any(word in SPLIT_NAMES for word in re.findall("[a-z]+", stem)):
        return None
    return split_of([stem]) or stem


def _usual_folders(parts: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Folders in which the label file of a picture is looked for first."""
    folders = []
    for index in reversed(range(len(parts))):
        if parts[index].lower() == "images":
            name = {"images": "labels", "Images": "Labels"}.get(parts[index], "LABELS")
            folders = [(*parts[:index], name, *parts[index + 1 :])]
            folders.append((*parts[:index], "labels", *parts[index + 1 :]))
            break
    return [*folders, parts]


def _pair_nearest(files: FolderFiles, texts: list[Path], labels: dict[Path, list[Path]]) -> None:
    used = {files.parts(path) for pair in labels.items() for path in (pair[0], pair[1][0])}
    by_stem = defaultdict(list)
    for path in texts:
        if files.parts(path) not in used:
            by_stem[stem_key(path)].append(path)
    for image in files.images:
        if files.parts(image) in used:
            continue
        ranked = defaultdict(list)
        for path in by_stem[stem_key(image)]:
            away = _apart(files, image, path)
            if away is not None:
                ranked[away].append(path)
        if ranked:
            labels[image] = ranked[min(ranked)]


def _apart(files: FolderFiles, image: Path, label: Path) -> int | None:
    """Distance of the two, None where they do not belong together."""
    first, second = files.parts(image), files.parts(label)
    splits = split_of(first), split_of(second)
    if None not in splits and splits[0] != splits[1]:
        return None
    away = distance(first, second)
    if away < 3:
        return away
    plain = [tuple(plain_id(files.relative(path)).split("/")[:-1]) for path in (image, label)]
    return 2 if distance(*plain) in (0, 2) else None


def _lost_labels(files: FolderFiles, texts: list[Path], taken: set[Path]) -> list[Path]:
    """Label files that no picture took; others' notes with numbers in them left out."""
    folders = {files.parts(path) for path in taken}
    lost = []
    for path in texts:
        if path in taken or is_other_text(path):
            continue
        kind = sniff(path)
        near = files.parts(path) in folders and kind in ("fractions", "numbers")
        if kind != "list" and (in_label_folder(files, path) or kind == "fractions" or near):
            lost.append(path)
    return lost


def _bare_images(
    files: FolderFiles, labels: dict[Path, list[Path]], texts: list[Path]
) -> list[Path]:
    folders = {files.parts(path) for path in [*labels, *texts]}
    return [
        image
        for image in files.images
        if not any(folder in folders for folder in _usual_folders(files.parts(image)))
    ]
