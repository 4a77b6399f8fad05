"""Labeled folders to write, and what was written."""

import csv

from train.data.annotation import Annotation, LabeledObject
from train.data.formats.writers import WRITERS
from train.data.labeled_folder import ClassList, GivenSplit, Item, LabeledFolder

ODD_NAMES = ("größe 'x'", "# no comment", '"quoted": yes', "1", "null", "- 猫 & <b>")


def labelled(name, corners, number=1, **flags):
    return LabeledObject(name, corners, flags.pop("difficult", False), number, 9, 9, **flags)


def item(path, *objects, size=(40, 20), flaws=()):
    """A picture's item; the label file lies beside it."""
    label = path.with_suffix(".xml")
    annotation = Annotation(label, path.name, size, objects, 1, 4)
    return Item(path.stem, label, annotation, path, flaws)


def folder_of(root, items, splits=None, classes=None, binding=True, **more):
    given = {
        name: GivenSplit(root / f"{name}.txt", dict(enumerate(ids, 1)), is_list=True)
        for name, ids in (splits or {}).items()
    }
    lines = classes and ClassList(root / "labels.txt", tuple(enumerate(classes, 1)), binding)
    items = {one.image_id: one for one in items}
    return LabeledFolder(root, "PASCAL VOC", "by hand", items, given, lines, **more)


def write(folder, to):
    out = folder.root.with_name(to)
    return WRITERS[to](folder, out), out


def rows(out):
    path = out / "not_kept.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def losses(out):
    return [(row["file"], row["line"], row["kind"]) for row in rows(out)]


def content(folder, **changes):
    """image id → [(class, box, difficult, crowd)], splits, classes."""
    items = {
        image_id: [
            (
                found.name,
                tuple(round(corner, 4) for corner in found.box_px),
                changes.get("difficult", found.difficult),
                changes.get("crowd", found.crowd),
            )
            for found in one.annotation.objects
        ]
        for image_id, one in folder.items.items()
    }
    splits = {name: sorted(split.lines.values()) for name, split in folder.splits.items()}
    return items, splits, folder.classes.names
