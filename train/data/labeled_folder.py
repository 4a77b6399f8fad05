"""Labelled folder: pictures, their annotations and splits, whatever format they came in.

`train.data.formats` makes it; training, checks, splits and conversion read it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from train.data.annotation import Annotation, Flaw, MalformedLabels


@dataclass(frozen=True)
class Item:
    """One picture of a labelled folder, or one annotation whose picture is missing.

    Attributes:
        image_id: unique in the folder; the picture's path without suffix and without the folders
            that only give the layout, see `train.data.formats.image_ids.plain_id`.
        path: the label file; the picture where it has none.
        annotation: None where the label file is malformed, see `malformed`.
        flaws: of objects that are not in the annotation.
        image_path: None where there is no picture; `image_problem` says why.
    """

    image_id: str
    path: Path
    annotation: Annotation | None
    image_path: Path | None
    flaws: tuple[Flaw, ...] = ()
    malformed: MalformedLabels | None = None
    image_problem: str = ""


@dataclass(frozen=True)
class GivenSplit:
    """A split that the folder itself gives.

    Attributes:
        path: the list file, the label file or the folder that makes it one.
        lines: line number in the list, from 1 → image id; of a folder a running number.
        is_list: whether `path` is a list with lines.
    """

    path: Path
    lines: dict[int, str]
    is_list: bool = False


@dataclass(frozen=True)
class ClassList:
    """The classes in the order that the folder gives: of labels.txt, data.yaml, categories.

    Attributes:
        path: the file that gives them.
        lines: (line, name) of each, in order; line 0 where it is not known.
        binding: whether the list was written for this set: then a class without a box is a flaw.
            Of lists that come with a tool or a larger set, only classes with boxes are taken.
    """

    path: Path
    lines: tuple[tuple[int, str], ...]
    binding: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for _, name in self.lines)


@dataclass(frozen=True)
class LabeledFolder:
    """All that a folder holds, read once and without stopping at a flaw.

    Attributes:
        format: the name of a row of the registry, such as "PASCAL VOC" or "COCO".
        layout: how it was recognised, for people: "XML files in annots/, pictures in images/".
        items: image id → item, in the order of the ids.
        splits: name ("train", "val", "test" or another list's) → split; {} where none is given.
        classes: None where the folder has no list of classes.
        unannotated: pictures that belong to no annotation where the format demands one.
        flaws: (path, flaw) of label files that belong to no item: an unknown image id, a broken
            line of a table.
        notes: sentences for the screen on what was taken how, or left aside.
        background: whether the format counts a picture without annotation as background; such
            pictures are items then.
    """

    root: Path
    format: str
    layout: str
    items: dict[str, Item]
    splits: dict[str, GivenSplit]
    classes: ClassList | None = None
    unannotated: tuple[Path, ...] = ()
    flaws: tuple[tuple[Path, Flaw], ...] = ()
    notes: tuple[str, ...] = ()
    background: bool = False

    @cached_property
    def class_counts(self) -> Counter[str]:
        """Objects of each class name, as written, over all annotations."""
        found = (item.annotation.objects for item in self.items.values() if item.annotation)
        return Counter(each.name for objects in found for each in objects)

    def describe(self) -> str:
        """One line: what was recognised, and how much of it."""
        boxes = self.class_counts.total()
        usual = [name for name in ("train", "val", "test", "trainval") if name in self.splits]
        splits = ", ".join(f"{name} {len(self.splits[name].lines)}" for name in usual)
        others = len(self.splits) - len(usual)
        if others:
            splits += f"{', ' if usual else ''}{others} other lists"
        return (
            f"{self.root}: {self.format}, {self.layout}; {len(self.items)} pictures, "
            f"{boxes} boxes; {f'splits {splits}' if splits else 'no splits'}"
        )
