"""Registry of formats: which one a folder is in, and the folder read.

The form that most people have comes first where two fit alike.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from train.data.formats import (
    coco,
    createml,
    csv_table,
    cvat,
    edge_impulse,
    label_studio,
    labelme,
    voc,
    yolo,
)
from train.data.formats.base import Format, Recognized
from train.data.formats.files import ARCHIVES, FolderFiles
from train.data.formats.image_ids import split_of
from train.data.formats.other_tools import other_form
from train.data.labeled_folder import LabeledFolder

FORMATS: tuple[Format, ...] = (
    coco.FORMAT,
    voc.FORMAT,
    yolo.FORMAT,
    labelme.FORMAT,
    cvat.FORMAT,
    createml.FORMAT,
    label_studio.FORMAT,
    edge_impulse.FORMAT,
    csv_table.FORMAT,
)
# Files that stand once in a data set, in its root or the folder that is named.
_MARKS = (
    "_annotations.coco.json",
    "data.yaml",
    "data.yml",
    "obj.names",
    "_darknet.labels",
)
# The same of forms that may lie in one folder with another form of the same pictures.
_OWN_MARKS = ("_annotations.createml.json", "bounding_boxes.labels")
_LABEL_SUFFIXES = (".xml", ".txt", ".json", ".csv")
_LAYOUT_PARTS = frozenset(("imagesets", "annotations"))


def read_folder(root: str | Path) -> LabeledFolder:
    """Recognise a folder of labelled pictures and read all of it, without stopping at a flaw.

    Args:
        root: the folder, or a YOLO set's data.yaml, which then counts before other configurations.
            Its `path` is the folder where it exists outside of the file's own.

    Raises: ValueError, saying what the folder holds, where no format fits, or where it holds
        several data sets. OSError where a file cannot be read.
    """
    root = Path(root)
    config = None
    if root.suffix.lower() in (".yaml", ".yml") and root.is_file():
        config, root = yolo.named_config(root)
    files = FolderFiles(root, config)
    _check_one_set(files)
    found: list[tuple[Format, Recognized]] = []
    for each in FORMATS:
        recognized = each.recognize(files)
        if recognized is not None:
            found.append((each, recognized))
    if not found:
        raise ValueError(_unknown(files))
    chosen = max(found, key=lambda pair: pair[0].weight * pair[1].labels)  # of equals the first
    folder = chosen[1].read()
    aside = [
        f"{root}: labels in the format {other.name} ({recognized.labels} of them) are left aside, "
        f"since {chosen[0].name} has {chosen[1].labels}"
        for other, recognized in found
        if other is not chosen[0]
    ]
    return replace(folder, notes=(*folder.notes, *files.notes, *aside))


def _check_one_set(files: FolderFiles) -> None:
    """Raises: ValueError where folders beside each other are data sets of their own."""
    roots: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for path in files.paths:
        parts = files.parts(path)
        lower = [part.lower() for part in parts]
        if "imagesets" in lower:
            roots[""].add(parts[: lower.index("imagesets")])
        elif path.name in (*_MARKS, *_OWN_MARKS) or path.name.startswith("instances_"):
            while parts and (split_of(parts[-1:]) or parts[-1].lower() in _LAYOUT_PARTS):
                parts = parts[:-1]
            roots[path.name if path.name in _OWN_MARKS else ""].add(parts)
    for same in roots.values():
        outer = {root for root in same if not any(root[: len(o)] == o for o in same if o != root)}
        if len(outer) > 1:
            names = ", ".join(sorted("/".join(root) for root in outer))
            raise ValueError(
                f"{files.root}: expected one data set, got {len(outer)}: {names}; name one of them"
            )


def _unknown(files: FolderFiles) -> str:
    """Message for a folder that no format fits: what it holds, what is expected."""
    counts = {
        "pictures": len(files.images),
        **{f"{end} files": len(files.with_suffix(end)) for end in _LABEL_SUFFIXES},
    }
    held = ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "no such file"
    cure = "export the labels in one of these forms, or point to the folder that holds them"
    tables = files.with_suffix(".csv")
    if tables:
        with tables[0].open(encoding="utf-8", errors="replace") as file:
            header = file.readline(200).strip()
        cure = (
            f"{files.relative(tables[0])} begins with {header!r}, columns such as filename, class, "
            "xmin, ymin, xmax, ymax are expected"
        )
    other = other_form(files)
    if other:
        cure = f"the labels look like {other}; export or convert them to COCO, VOC or YOLO"
    elif not files.images and (archives := files.with_suffix(*ARCHIVES)):
        cure = f"unpack {files.relative(archives[0])} and name the folder that it makes"
    notes = "".join(f"; {note.removeprefix(f'{files.root}: ')}" for note in files.notes)
    return (
        f"{files.root}: expected labelled pictures as COCO JSON, PASCAL VOC XML, YOLO txt, LabelMe "
        "JSON, CVAT's XML, CreateML JSON, Label Studio's JSON, Edge Impulse's "
        "bounding_boxes.labels or a CSV table, "
        f"got {held}; {cure}{notes}"
    )
