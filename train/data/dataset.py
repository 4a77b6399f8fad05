"""A labelled folder as pictures, boxes and class ids, without TensorFlow.

python -m train.data check DIR                  # what is wrong with it
python -m train.data check DIR --fix OUT        # a repaired copy
python -m train.data check DIR --report set.png # classes, box sizes, samples
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_runtime.media.images import read_header, read_image
from train.data.annotation import check_class_names
from train.data.formats.image_ids import SPLIT_NAMES
from train.data.formats.registry import read_folder
from train.data.geometry import DataWarning, at_line, place_boxes, plain_warnings, warn
from train.data.labeled_folder import Item, LabeledFolder
from train.data.splits import SplitItem, settle_splits
from train.data.systematic import find_systematic

__all__ = [
    "DataWarning",
    "DetectionDataset",
    "Example",
    "LabeledData",
    "load_dataset",
    "open_data",
    "plain_warnings",
    "read_image",
]


_CUT = ("train", "val", "test", "trainval")  # splits that others are made of, or judged by
_NAMED = 10  # warnings of one entry each, before a last one that counts the rest


@dataclass(frozen=True, eq=False)
class Example:
    """One annotated picture.

    width, height: pixels. boxes: (N, 4) float32 xyxy in [0, 1] of the picture, each with an area.
    class_ids: (N,) int64, index into the data set's class_names. difficult: (N,) bool, boxes that
    count neither way: VOC's difficult, COCO's crowd. image_id: see `LabeledFolder.items`. crowd:
    (N,) bool, of the difficult ones those that are one box around many; None for none.
    """

    image_path: Path
    width: int
    height: int
    boxes: np.ndarray
    class_ids: np.ndarray
    difficult: np.ndarray
    image_id: str
    crowd: np.ndarray | None = None

    @property
    def single(self) -> np.ndarray:
        """(N,) bool, boxes around one object: a crowd learnt as one would be a wrong object."""
        return np.ones(len(self.boxes), bool) if self.crowd is None else ~self.crowd


@dataclass(frozen=True, eq=False)
class DetectionDataset:
    """One split of a labelled folder, in the order of the split."""

    root: Path
    split: str
    class_names: tuple[str, ...]
    examples: list[Example]

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Example:
        return self.examples[index]

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)

    @property
    def box_count(self) -> int:
        return sum(len(example.boxes) for example in self.examples)

    def class_counts(self) -> dict[str, int]:
        """Boxes of each class, in the order of class_names, zeros included."""
        counts = np.zeros(len(self.class_names), np.int64)
        for example in self.examples:
            counts += np.bincount(example.class_ids, minlength=len(counts))
        return dict(zip(self.class_names, counts.tolist(), strict=True))

    def fingerprint(self) -> str:
        """16 hex digits of the images' names, in order, and their boxes; not of the pixels."""
        digest = hashlib.sha256()
        for example in self.examples:
            digest.update(example.image_id.encode())
            digest.update(example.boxes.tobytes())
            digest.update(example.class_ids.tobytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class LabeledData:
    """A labelled folder with its splits, given or made.

    Attributes:
        splits: name → image ids.
        made: whether a split was made and not given.
        notes: sentences for the screen: what was recognised and what was made of it.
    """

    folder: LabeledFolder
    splits: Mapping[str, tuple[str, ...]]
    made: bool
    notes: tuple[str, ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the folder's list of classes, else all names found, sorted.

        Over the whole folder, so that every split numbers its classes alike.

        Raises: ValueError where no box has one, or the list names one twice.
        """
        folder = self.folder
        found = {name for name, count in folder.class_counts.items() if count}
        if not found:
            raise ValueError(
                f"{folder.root}: boxes to learn from expected, got none that can be used in its "
                f"{len(folder.items)} pictures; label objects in them, and mend the pictures and "
                "labels that `python -m train.data check` warns of"
            )
        if folder.classes is None:
            return check_class_names(sorted(found), f"{folder.root}: classes of the boxes")
        names = folder.classes.names
        if not folder.classes.binding:
            names = tuple(name for name in names if name in found)
        return check_class_names(names, str(folder.classes.path))

    def load(self, split: str, class_names: Sequence[str] | None = None) -> DetectionDataset:
        """One split; pictures stay on disk, see `read_image`.

        Box numbers are corners in pixels (x / width, with no +1). Boxes without an area or wholly
        outside the picture are skipped, others clipped to it, and files that are no pictures are
        left out, each with a DataWarning.

        Args:
            split: "val", "valid" and "validation" are one.
            class_names: None for the folder's own.

        Raises: ValueError for a missing or empty split, a malformed annotation, a missing picture,
            a size of another ratio than the picture's, a class that class_names lacks, and where
            most boxes of the folder are wrong in one way.
        """
        split = SPLIT_NAMES.get(split, split)
        items = self._items(split)
        systematic = find_systematic(self.folder)
        if systematic is not None:
            raise ValueError(f"{self.folder.root}: {systematic.message}")
        for item in items:
            _check(item)
        names = self.class_names if class_names is None else check_class_names(class_names)
        self._warn_of_losses()
        examples = [example for item in items if (example := _to_example(item, names))]
        if not examples:
            raise ValueError(
                f"{self.folder.root}: expected pictures in the split {split!r}, got none of its "
                f"{len(items)} that can be read; look at the warnings"
            )
        return DetectionDataset(self.folder.root, split, names, examples)

    def _warn_of_losses(self) -> None:
        """A DataWarning for each entry of a label file that belongs to no picture."""
        flaws = self.folder.flaws
        for path, flaw in flaws[:_NAMED]:
            warn(f"{path}{at_line(flaw.line)}: {flaw.message}; left out")
        if len(flaws) > _NAMED:
            warn(f"{self.folder.root}: {len(flaws) - _NAMED} more such entries left out")

    def _items(self, split: str) -> list[Item]:
        """Raises: ValueError where the split is missing, empty, or names what is not there."""
        folder = self.folder
        given = folder.splits.get(split)
        where = given.path if given else folder.root
        ids = self.splits.get(split)
        if ids is None:
            names = ", ".join(sorted(self.splits)) or "none"
            why = "".join(f" ({note})" for note in self.notes[1:])
            raise ValueError(
                f"{where}: no split {split!r}; the folder has: {names}; choose one of them{why}"
            )
        if not ids:
            raise ValueError(f"{where}: expected one image id a line, got an empty file; fill it")
        image_id, count = Counter(ids).most_common(1)[0]
        if count > 1:
            raise ValueError(
                f"{where}: expected each image id once, got {image_id!r} {count} times; keep one"
            )
        for image_id in ids:
            if image_id not in folder.items:
                raise ValueError(
                    f"{where}{_line_of(folder, split, image_id)}: expected an annotation for "
                    f"{image_id!r} of the split {split!r}, got no such file; add it or remove the "
                    "line from the split"
                )
        return [folder.items[image_id] for image_id in ids]


def open_data(root: str | Path, write: bool = True) -> LabeledData:
    """Recognise and read a labelled folder, and make the splits that it lacks.

    Made splits are written to a file, see `train.data.splits`, which later runs reuse. Where none
    can be made, a note says why.

    Args:
        write: False to leave made splits unwritten.

    Raises: ValueError where no format fits; OSError.
    """
    folder = read_folder(root)
    given, notes = _given_splits(folder)
    notes = [folder.describe(), *folder.notes, *notes]
    if {"train", "val", "test"} <= given.keys():
        return LabeledData(folder, given, made=False, notes=tuple(notes))
    items = {item.image_id: _split_item(item) for item in folder.items.values() if _is_usable(item)}
    useless = [item for item in folder.items.values() if item.image_id not in items]
    if useless and not given:
        notes.append(
            f"{len(useless)} labelled pictures cannot be used and are in no split, the first "
            f"{useless[0].path}; python -m train.data check says why"
        )
    # What cannot be used stays in its split, where loading names it.
    cut = {name: tuple(i for i in given[name] if i in items) for name in _CUT if name in given}
    try:
        made = settle_splits(folder.root, list(items.values()), cut, write=write)
    except ValueError as error:
        return LabeledData(folder, given, made=False, notes=(*notes, str(error)))
    kept = {name: tuple(i for i in given[name] if i not in items) for name in cut}
    splits = {name: (*ids, *kept.get(name, ())) for name, ids in made.splits.items()}
    whole = {name: ids for name, ids in given.items() if name not in ("train", "trainval")}
    splits = {**splits, **whole}
    return LabeledData(folder, splits, made=True, notes=(*notes, *made.notes))


def _given_splits(folder: LabeledFolder) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """The splits that a folder gives, without those that judge nothing, and notes on these."""
    given = {name: tuple(split.lines.values()) for name, split in folder.splits.items()}
    notes = []
    train = set(given.get("train", ()))
    for name in ("val", "test"):
        ids = given.get(name, ())
        if ids and train.issuperset(ids):
            notes.append(f"{name} has no picture that train has not: it is not used.")
        elif ids and not any(image_id in folder.items for image_id in ids):
            notes.append(f"None of the {len(ids)} pictures of {name} is labelled: it is not used.")
        else:
            continue
        del given[name]
    return given, notes


def load_dataset(
    root: str | Path, split: str, class_names: Sequence[str] | None = None
) -> DetectionDataset:
    """`open_data(root).load(split, class_names)`, for one split."""
    return open_data(root).load(split, class_names)


def _is_usable(item: Item) -> bool:
    return item.annotation is not None and item.image_path is not None and not item.flaws


def _split_item(item: Item) -> SplitItem:
    assert item.annotation is not None and item.image_path is not None  # asked for before
    counts = Counter(each.name for each in item.annotation.objects)
    return SplitItem(item.image_id, item.image_path, counts)


def _line_of(folder: LabeledFolder, split: str, image_id: str) -> str:
    given = folder.splits.get(split)
    if given is None or not given.is_list:
        return ""
    return at_line(next((n for n, each in given.lines.items() if each == image_id), 0))


def _check(item: Item) -> None:
    """Raises: ValueError, with file and line, for an item that cannot be trained on."""
    if item.malformed is not None:
        raise item.malformed
    for flaw in item.flaws:
        raise ValueError(f"{item.path}{at_line(flaw.line)}: {flaw.message}")
    if item.image_path is None:
        line = item.annotation.line if item.annotation else 0
        raise ValueError(f"{item.path}{at_line(line)}: {item.image_problem}")


def _to_example(item: Item, class_names: tuple[str, ...]) -> Example | None:
    """None, with a DataWarning, where the picture cannot be read."""
    annotation = item.annotation
    assert annotation is not None and item.image_path is not None  # see _check
    for each in annotation.objects:
        if each.name not in class_names:
            raise ValueError(
                f"{item.path}{at_line(each.name_line)}: got the class {each.name!r}, expected one "
                f"of {', '.join(class_names)}; correct the name or the list of classes"
            )
    try:
        header = read_header(item.image_path)
    except ValueError as error:
        warn(f"{error}; left out")
        return None
    (width, height), boxes, kept = place_boxes(annotation, item.image_path, *header)
    return Example(
        item.image_path,
        width,
        height,
        boxes,
        np.array([class_names.index(each.name) for each in kept], np.int64),
        np.array([each.difficult or each.crowd for each in kept], bool),
        item.image_id,
        np.array([each.crowd for each in kept], bool),
    )
