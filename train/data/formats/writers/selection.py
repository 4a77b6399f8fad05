"""Selection: what of a labelled folder can be written, and a line on everything that cannot."""

from __future__ import annotations

import csv
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge_runtime.media.images import read_header
from train.atomic_folder import atomic_folder, check_free
from train.data.annotation import Annotation, LabeledObject
from train.data.formats.files import UNPRINTABLE
from train.data.formats.image_ids import plain_id, split_of, unique_ids
from train.data.geometry import Placement, by, clip_box, describe_box, find_placement
from train.data.labeled_folder import GivenSplit, Item, LabeledFolder

LOG_NAME = "not_kept.csv"
COMMON_SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Target:
    """Limits of a format.

    Attributes:
        splits: names of those that it has a place for; () for any.
        any_path: whether a picture may lie anywhere, so that an id which is a whole path can stay.
    """

    splits: tuple[str, ...] = ()
    any_path: bool = False


@dataclass(frozen=True, order=True)
class NotKept:
    """Something that the written folder lacks. file, line: where it was read; 0 for no line."""

    file: str
    line: int
    kind: str
    what: str
    why: str


@dataclass(frozen=True)
class Kept:
    """Summary of a written folder. splits: name → number of pictures."""

    pictures: int
    boxes: int
    splits: dict[str, int]
    not_kept: tuple[NotKept, ...]

    def describe(self) -> str:
        """One line: how much was written."""
        splits = ", ".join(f"{name} {count}" for name, count in self.splits.items())
        return f"{self.pictures} pictures, {self.boxes} boxes; " + (
            f"splits {splits}" if splits else "no splits"
        )

    def describe_losses(self) -> str:
        """One line: what was not kept, each kind with its number; "" where all was."""
        counts = Counter(row.kind for row in self.not_kept).most_common()
        return ", ".join(f"{count} {kind}" for kind, count in counts)


@dataclass(frozen=True)
class Picture:
    """A picture that can be written.

    Attributes:
        image_id: as written. objects: those whose box has an area on the picture.
        whole_path: whether the id is the path from the root, and not from images/ or the like.
    """

    image_id: str
    source: Path
    annotation: Annotation
    placement: Placement
    objects: tuple[LabeledObject, ...]
    whole_path: bool = False

    @property
    def name(self) -> str:
        """The picture's path as written, with the suffix that it had."""
        return self.image_id + self.source.suffix

    @property
    def size_wh(self) -> tuple[int, int]:
        """Of the picture that the boxes were drawn on, pixels."""
        return self.annotation.size_wh or self.placement.drawn_wh


@dataclass
class Selection:
    """The part of a folder that can be written.

    Attributes:
        pictures: image id as read → picture. rest: those of them in no split.
        class_names: of the folder's list (see `ClassList.binding`), then others that a box has.
        splits: name → pictures; none of them empty. split_paths: name → what gave it.
        not_kept: to be added to by a writer. boxes: that it wrote.
    """

    folder: LabeledFolder
    pictures: dict[str, Picture]
    class_names: tuple[str, ...] = ()
    splits: dict[str, list[Picture]] = field(default_factory=dict)
    split_paths: dict[str, Path] = field(default_factory=dict)
    rest: list[Picture] = field(default_factory=list)
    not_kept: list[NotKept] = field(default_factory=list)
    boxes: int = 0

    def lose(self, path: Path, line: int, kind: str, what: str, why: str) -> None:
        """Note what cannot be kept."""
        inside = path.is_relative_to(self.folder.root)
        file = path.relative_to(self.folder.root).as_posix() if inside else str(path)
        self.not_kept.append(NotKept(file, line, kind, what, why))

    def lose_object(self, picture: Picture, item: LabeledObject, kind: str, why: str) -> None:
        """Note an object, or its flag, that cannot be kept."""
        self.lose(picture.annotation.path, item.box_line, kind, describe_box(item), why)


@contextmanager
def writing(folder: LabeledFolder, out: Path, form: Target) -> Iterator[tuple[Path, Selection]]:
    """A temporary folder that becomes `out` when the block ends, and what to write into it.

    Raises: ValueError where `out` holds something or nothing can be written. OSError.
    """
    check_free(out, folder.root)
    selection = _select(folder, form)
    with atomic_folder(out) as target:
        yield target, selection
        selection.not_kept.sort()
        if selection.not_kept:
            with (target / LOG_NAME).open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(("file", "line", "kind", "what", "why"))
                for row in selection.not_kept:
                    writer.writerow((row.file, row.line or "", row.kind, row.what, row.why))


def kept(selection: Selection) -> Kept:
    """Summary of a written selection."""
    splits = {name: len(pictures) for name, pictures in selection.splits.items()}
    return Kept(len(selection.pictures), selection.boxes, splits, tuple(selection.not_kept))


def copy_picture(picture: Picture, target: Path) -> None:
    """Copy the file byte for byte. Raises: ValueError where another picture took the name."""
    if target.exists():
        raise ValueError(
            f"{picture.source}: expected a name of its own for each picture, got {target.name} "
            "twice (this file system may take upper and lower case for one); rename one of them"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(picture.source, target)


def _select(folder: LabeledFolder, form: Target) -> Selection:
    selection = Selection(folder, {})
    for image_id, item in folder.items.items():
        picture = _select_picture(selection, item)
        if picture is not None:
            selection.pictures[image_id] = picture
    for path in folder.unannotated:
        why = "has no annotation, and without boxes it would become background"
        if folder.background:
            why = "is not among the annotated pictures"
        selection.lose(path, 0, "unannotated-picture", path.name, why)
    for path, flaw in folder.flaws:
        selection.lose(path, flaw.line, flaw.kind, "entry", flaw.message)
    if not selection.pictures:
        raise ValueError(
            f"{folder.root}: expected a picture that can be written, got none of "
            f"{len(folder.items)}; look at what `python -m train.data check` finds"
        )
    selection.class_names = _class_names(selection)
    placed = _select_splits(selection, form)
    _settle_ids(selection, placed, form)
    selection.splits = {
        split: [selection.pictures[image_id] for image_id in ids] for split, ids in placed.items()
    }
    somewhere = {image_id for ids in placed.values() for image_id in ids}
    selection.rest = [
        picture for image_id, picture in selection.pictures.items() if image_id not in somewhere
    ]
    return selection


def _settle_ids(selection: Selection, placed: dict[str, list[str]], form: Target) -> None:
    """Give each picture the id to write: its own, unless reading would give another.

    Reading takes folders such as train/ and images/ for layout. An id has them only where pictures
    in train/ and valid/ have one name, and then it is the whole path.
    """
    pictures = selection.pictures
    plain = {image_id: plain_id(f"{image_id}.jpg") for image_id in pictures}
    whole = _whole_paths(pictures, plain, placed) if form.any_path else set()
    taken = {image_id for image_id in pictures if plain[image_id] == image_id}
    for image_id, picture in pictures.items():
        if image_id in whole:
            pictures[image_id] = replace(picture, whole_path=True)
        elif image_id not in taken:
            new = re.sub(r"[/\\]+", "_", image_id)
            while new in taken:
                new += "_"
            taken.add(new)
            pictures[image_id] = replace(picture, image_id=new)
            why = f"becomes {new}, since folders' names like images/ get lost"
            selection.lose(picture.source, 0, "renamed", image_id, why)


def _whole_paths(
    pictures: dict[str, Picture], plain: dict[str, str], placed: dict[str, list[str]]
) -> set[str]:
    """Ids that stay where the picture lies at that very path, below the root.

    Only with the folder of its own split in it, or reading would give it another split.
    """
    splits: dict[str, list[str]] = defaultdict(list)
    for split, ids in placed.items():
        for image_id in ids:
            splits[image_id].append(split)
    whole = set()
    for image_id in pictures:
        named = split_of(image_id.split("/")[:-1])
        if splits[image_id] == ([named] if named else []):
            whole.add(image_id)
    whole = {each for each in whole if plain[each] not in pictures and "\\" not in each}
    while True:
        paths = {
            image_id: picture.name if image_id in whole else f"images/{number}.jpg"
            for number, (image_id, picture) in enumerate(pictures.items())
        }
        read = dict(zip(paths, unique_ids(list(paths.values())), strict=True))
        ends = {end for image_id in whole for end in _ends(image_id)}
        lost = {plain[each] for each in whole if read[each] != each or each in ends}
        if not lost:
            return whole
        whole = {image_id for image_id in whole if plain[image_id] not in lost}


def _ends(path: str) -> Iterator[str]:
    """Shorter paths that a path ends with: b/c and c of a/b/c."""
    while "/" in path:
        path = path.partition("/")[2]
        yield path


def _select_picture(selection: Selection, item: Item) -> Picture | None:
    """None, with the reason noted, where picture or annotation are of no use."""
    for flaw in item.flaws:
        selection.lose(item.path, flaw.line, flaw.kind, f"object {flaw.number}", flaw.message)
    name = item.image_id
    if item.malformed or item.annotation is None:
        line, reason = (item.malformed.line, item.malformed.reason) if item.malformed else (0, "")
        selection.lose(item.path, line, "malformed-labels", name, reason)
        return None
    annotation = item.annotation
    if item.flaws and not annotation.objects:
        why = "none of its objects can be used, and without them it would be background"
        selection.lose(item.path, annotation.line, "unusable-picture", name, why)
        return None
    if item.image_path is None:
        selection.lose(item.path, annotation.line, "missing-picture", name, item.image_problem)
        return None
    if UNPRINTABLE.search(name + item.image_path.suffix):
        why = "its name has line breaks or control characters"
        selection.lose(item.path, annotation.line, "bad-name", ascii(name), why)
        return None
    try:
        stored_wh, orientation = read_header(item.image_path)
    except (ValueError, FileNotFoundError) as error:
        selection.lose(item.image_path, 0, "undecodable-picture", name, str(error))
        return None
    placement = find_placement(annotation.size_wh, stored_wh, orientation)
    if placement.contradicted and annotation.size_wh:
        why = f"drawn on {by(annotation.size_wh)}, but the picture is {by(placement.size_wh)}"
        selection.lose(item.path, annotation.size_line, "size-mismatch", name, why)
        return None
    picture = Picture(name, item.image_path, annotation, placement, annotation.objects)
    return _with_usable_boxes(selection, picture)


def _with_usable_boxes(selection: Selection, picture: Picture) -> Picture:
    usable = []
    drawn_wh = picture.placement.drawn_wh
    for item in picture.objects:
        flaw, box = clip_box(item.box_px, drawn_wh)
        if box:
            usable.append(item)
        elif flaw:
            why = describe_box(item, flaw, drawn_wh).removeprefix(describe_box(item)).strip()
            selection.lose_object(picture, item, flaw, why)
    return replace(picture, objects=tuple(usable))


def _class_names(selection: Selection) -> tuple[str, ...]:
    folder = selection.folder
    found = {item.name for picture in selection.pictures.values() for item in picture.objects}
    listed = list(dict.fromkeys(folder.classes.names)) if folder.classes else []
    extra = sorted(found - set(listed))
    if folder.classes and not folder.classes.binding and found:
        listed = [name for name in listed if name in found]
    names = [*listed, *extra]
    for name in names:
        if UNPRINTABLE.search(name) or name != name.strip() or not name:
            raise ValueError(
                f"{folder.root}: expected class names of one line without outer spaces, got "
                f"{name!a}; rename the class"
            )
    if folder.classes:
        for name in extra:
            why = "the list of classes lacks it; it was added at the end"
            selection.lose(folder.classes.path, 0, "unknown-class", name, why)
    return tuple(names)


def _select_splits(selection: Selection, form: Target) -> dict[str, list[str]]:
    """Split → ids as read of its pictures that can be written."""
    placed: dict[str, list[str]] = {}
    for name, split in selection.folder.splits.items():
        if form.splits and name not in form.splits:
            why = f"the format has {', '.join(form.splits)} only; its pictures are written"
            selection.lose(split.path, 0, "other-split", name, why)
            continue
        ids = _split_ids(selection, split)
        if not ids:
            selection.lose(split.path, 0, "empty-split", name, "no picture of it can be written")
            continue
        safe = re.sub(r"[^\w.-]+", "_", name)
        placed[safe] = ids
        selection.split_paths[safe] = split.path
    return placed


def _split_ids(selection: Selection, split: GivenSplit) -> list[str]:
    found: dict[str, None] = {}
    for line, image_id in split.lines.items():
        at = line if split.is_list else 0
        if image_id in found:
            selection.lose(split.path, at, "duplicate-id", image_id, "named before")
        elif image_id in selection.pictures:
            found[image_id] = None
        elif image_id not in selection.folder.items:
            selection.lose(split.path, at, "missing-annotation", image_id, "has no annotation")
    return list(found)
