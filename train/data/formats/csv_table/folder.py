"""Tables of boxes: the rows of all tables of a folder gathered by picture."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path

from train.data.annotation import Annotation, Flaw, LabeledObject
from train.data.formats.csv_table.columns import Columns
from train.data.formats.csv_table.names import find_class_list, read_descriptions
from train.data.formats.csv_table.rows import NO_CLASS, Row, read_rows
from train.data.formats.files import FolderFiles, may_be_one
from train.data.formats.fractions import to_pixels, upright_size
from train.data.formats.image_ids import SPLIT_NAMES, plain_id, split_of, unique_ids
from train.data.geometry import by
from train.data.labeled_folder import GivenSplit, Item, LabeledFolder


@dataclass
class _Picture:
    """A picture's rows in one table."""

    table: Path
    image: Path | None
    problem: str
    line: int
    filename: str
    size_wh: tuple[int, int] | None = None
    size_line: int = 0
    objects: list[LabeledObject] = field(default_factory=list)
    flaws: list[Flaw] = field(default_factory=list)
    rows: int = 0

    def boxes(self) -> list[tuple[str, tuple[float, ...]]]:
        return sorted((one.name, one.box_px) for one in self.objects)


_Key = Path | str  # a picture, or what a table calls one that is not there or not its own


def read_folder(files: FolderFiles, tables: list[tuple[Path, Columns]]) -> LabeledFolder:
    """Read all tables.

    Raises: ValueError, naming file and line, where a table is no text (half a table is another
        data set), or for a malformed list of classes. OSError.
    """
    gathered = _Gathered(files, read_descriptions(files))
    for path, columns in tables:
        gathered.add_table(path, columns)
    gathered.settle_rivals()
    ids = _image_ids(files, gathered.pictures)
    items = {ids[key]: _item(ids[key], picture) for key, picture in gathered.pictures.items()}
    splits = _splits(gathered.splits, ids)
    if not splits:
        splits = files.folder_splits(
            (ids[key], key) for key in gathered.pictures if isinstance(key, Path)
        )
    kinds = " and ".join(dict.fromkeys(columns.kind for _, columns in tables))
    paths = [path for path, _ in tables]
    return LabeledFolder(
        files.root,
        "CSV",
        f"{', '.join(files.relative(path) for path in paths)}: {kinds}",
        dict(sorted(items.items())),
        splits,
        find_class_list(files, set(paths)),
        unannotated=tuple(path for path in files.images if path not in gathered.pictures),
        flaws=tuple(gathered.flaws),
        notes=tuple(gathered.notes),
    )


class _Gathered:
    """Pictures, splits and flaws of the tables that were added."""

    def __init__(self, files: FolderFiles, descriptions: dict[str, str]) -> None:
        self._files, self._descriptions = files, descriptions
        self.pictures: dict[_Key, _Picture] = {}
        self.splits: dict[str, list[tuple[Path, int, _Key]]] = defaultdict(list)
        self.flaws: list[tuple[Path, Flaw]] = []
        self.notes: list[str] = []
        self._texts: dict[Path, list[str]] = defaultdict(list)  # by which tables name a picture

    def add_table(self, path: Path, columns: Columns) -> None:
        split = _split_of_table(self._files, path)
        found: dict[str, tuple[Path | None, str]] = {}
        keys: dict[str, _Key] = {}
        pictures: dict[_Key, _Picture] = {}
        absent: set[str] = set()
        nameless: dict[str, int] = {}
        for row in read_rows(path, columns):
            if isinstance(row, Flaw):
                self.flaws.append((path, row))
                continue
            if row.image not in found:
                hint = None if columns.open_images else row.split or split
                found[row.image] = self._files.find_path(row.image, path, hint)
            image, problem = found[row.image]
            if image is None and columns.open_images and self._files.images:
                absent.add(row.image)
                continue
            key = keys.get(row.image)
            if key is None:
                key = keys[row.image] = self._key(image, row.image) if image else row.image
            if key not in pictures:
                pictures[key] = _Picture(path, image, problem, row.line, row.image)
                row_split = row.split if columns.split is not None else split
                if row_split:
                    self.splits[row_split].append((path, row.line, key))
            self._add_row(pictures[key], row, columns, nameless)
        self._note(path, columns, absent, nameless)
        self._merge(pictures)

    def _key(self, image: Path, text: str) -> _Key:
        """The picture; for a second path that may mean another one that path, until it is known."""
        texts = self._texts[image]
        if text not in texts:
            texts.append(text)
        return image if may_be_one(text, texts[0]) else text

    def settle_rivals(self) -> None:
        """Take a picture from rows whose path may mean another, see `FolderFiles.rivals`."""
        renamed: dict[_Key, _Key] = {}
        for image, texts in self._texts.items():
            refused = self._files.rivals(image, texts)
            for text in texts:
                key: _Key = image if may_be_one(text, texts[0]) else text
                if text not in refused:
                    renamed[key] = image
                elif key not in renamed:
                    renamed[key] = text
                    self.pictures[key].image, self.pictures[key].problem = None, refused[text]
        self.pictures = {renamed.get(key, key): each for key, each in self.pictures.items()}
        for split, members in self.splits.items():
            self.splits[split] = [(path, n, renamed.get(key, key)) for path, n, key in members]

    def _add_row(
        self, picture: _Picture, row: Row, columns: Columns, nameless: dict[str, int]
    ) -> None:
        contradiction = _add_size(picture, row, columns)
        flaw, box, name = row.flaw or contradiction, row.box, row.name
        if box is None and flaw is None:
            return
        picture.rows += 1
        if flaw:
            picture.flaws.append(replace(flaw, number=picture.rows))
            return
        if columns.open_images:
            name = self._descriptions.get(name, name)
            if name.startswith("/"):
                nameless.setdefault(name, row.line)
        if columns.fractions and box:
            # Fractions of a picture of unknown size are no box.
            box = to_pixels(box, picture.size_wh) if picture.size_wh else None
        if box:
            picture.objects.append(
                LabeledObject(name, box, False, picture.rows, row.line, row.line, row.crowd)
            )

    def _note(
        self, path: Path, columns: Columns, absent: set[str], nameless: dict[str, int]
    ) -> None:
        if columns.name is None:
            self.notes.append(
                f"{path}: has no column of classes; all its boxes are of the class {NO_CLASS!r}"
            )
        if absent:
            self.notes.append(
                f"{path}: names {len(absent)} pictures that are not here, left aside as usual for "
                "a part of Open Images"
            )
        if nameless:
            label, line = next(iter(nameless.items()))
            self.notes.append(
                f"{path}, line {line}: {len(nameless)} classes such as {label} have no name; add "
                "Open Images' class-descriptions file to the folder"
            )

    def _merge(self, pictures: dict[_Key, _Picture]) -> None:
        """Take over a table's pictures; of those in all.csv and train.csv those of the first."""
        for key, picture in pictures.items():
            first = self.pictures.setdefault(key, picture)
            if first.boxes() != picture.boxes():
                message = (
                    f"has other boxes on line {picture.line} and so on of "
                    f"{self._files.relative(picture.table)}; keep the right ones in one table"
                )
                first.flaws.append(Flaw("contradictory-rows", first.line, message, 0))


def _add_size(picture: _Picture, row: Row, columns: Columns) -> Flaw | None:
    """Note the size that a row gives its picture; a flaw where another row gives another."""
    size_wh = row.size_wh
    if columns.fractions:
        if picture.size_line:
            return None
        size_wh = (upright_size(picture.image) if picture.image else None) or size_wh
    if size_wh and picture.size_wh and size_wh != picture.size_wh:
        message = (
            f"says {by(size_wh)} of a picture that is {by(picture.size_wh)} on line "
            f"{picture.size_line}; correct one of them"
        )
        return Flaw("contradictory-size", row.line, message, 0)
    if picture.size_line == 0 or (size_wh and not picture.size_wh):
        picture.size_wh, picture.size_line = size_wh, row.line
    return None


def _split_of_table(files: FolderFiles, path: Path) -> str | None:
    """Of its name, as train_labels.csv or oidv6-train-annotations-bbox.csv, else its folder."""
    words = re.findall("[a-z]+", path.stem.lower())
    named = [SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES]
    return named[0] if named else split_of(files.parts(path))


def _image_ids(files: FolderFiles, pictures: dict[_Key, _Picture]) -> dict[_Key, str]:
    """Ids of pictures by their paths; those of absent ones give way to them."""
    paths = [key for key in pictures if isinstance(key, Path)]
    relative = [files.relative(path) for path in paths]
    ids: dict[_Key, str] = dict(zip(paths, unique_ids(relative), strict=True))
    taken = set(ids.values())
    for key in pictures:
        if isinstance(key, str):
            ids[key] = next(name for name in _names(key) if name not in taken)
            taken.add(ids[key])
    return ids


def _names(text: str) -> list[str]:
    plain = plain_id(text)
    return [plain, text, *(f"{text} ({number})" for number in range(2, 1000))]


def _item(image_id: str, picture: _Picture) -> Item:
    annotation = Annotation(
        picture.table,
        picture.filename,
        picture.size_wh,
        tuple(picture.objects),
        picture.line,
        picture.size_line,
    )
    return Item(
        image_id,
        picture.table,
        annotation,
        picture.image,
        tuple(picture.flaws),
        image_problem=picture.problem,
    )


def _splits(
    given: dict[str, list[tuple[Path, int, _Key]]], ids: dict[_Key, str]
) -> dict[str, GivenSplit]:
    """Lines are those of the pictures' first rows where one table gives a split, else counted."""
    order = {"train": 0, "val": 1, "test": 2}
    splits = {}
    for split in sorted(given, key=lambda name: (order.get(name, 3), name)):
        firsts: dict[_Key, tuple[Path, int, _Key]] = {}
        for member in given[split]:
            firsts.setdefault(member[2], member)  # it may stand in two tables
        members = list(firsts.values())
        lines = {line: ids[key] for _, line, key in members}
        if len({path for path, _, _ in members}) > 1:
            lines = dict(enumerate((ids[key] for _, _, key in members), 1))
        splits[split] = GivenSplit(members[0][0], lines)
    return splits
