"""Folders of lists of labels: each a file that names pictures and their boxes.

Not the lists' own ids but the pictures' paths become image ids, and classes go by name: the files
of several splits may number both differently.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from train.data.annotation import Annotation, Flaw, MalformedLabels
from train.data.formats.files import FolderFiles
from train.data.formats.image_ids import split_of, unique_ids
from train.data.formats.listed.content import ListedImage, ListFile, some
from train.data.formats.listed.pictures import file_split, find_pictures, image_split
from train.data.labeled_folder import ClassList, GivenSplit, Item, LabeledFolder

_SPLIT_ORDER = ("train", "val", "test")


@dataclass
class _Entry:
    """A picture with all that the files say about it.

    place: path below the root, or where the file looks for it. splits: paths that put it there.
    """

    file: ListFile
    image: ListedImage
    picture: Path | None
    problem: str
    place: str
    splits: dict[str, Path] = field(default_factory=dict)


def read_lists(
    files: FolderFiles,
    lists: Sequence[ListFile],
    form: str,
    name_tag: str,
    notes: Sequence[str] = (),
) -> LabeledFolder:
    """The folder, from its lists.

    Args:
        form: as `LabeledFolder.format`.
        name_tag: what a picture's name is called in the lists, for people.
    """
    lists = sorted(lists, key=lambda file: _file_order(files, file.path))
    found = find_pictures(files, lists, name_tag)
    flaws = [(file.path, flaw) for file in lists for flaw in file.flaws]
    entries = _merge(files, lists, found, flaws)
    ids = dict(zip(entries, unique_ids(list(entries)), strict=True))
    items = {ids[place]: _item(ids[place], entry) for place, entry in entries.items()}
    annotations = [item.annotation for item in items.values() if item.annotation]
    names = {item.name for annotation in annotations for item in annotation.objects}
    classes, class_notes = _classes(lists, names)
    pictures = {entry.picture for entry in entries.values()}
    return LabeledFolder(
        files.root,
        form,
        _layout(files, lists, pictures),
        dict(sorted(items.items())),
        _splits(entries, ids),
        classes,
        unannotated=tuple(path for path in files.images if path not in pictures),
        flaws=tuple(flaws),
        notes=(*class_notes, *notes),
        background=True,
    )


def _file_order(files: FolderFiles, path: Path) -> tuple[int, str]:
    return _split_order(file_split(files, path) or ""), files.relative(path)


def _split_order(split: str) -> int:
    return _SPLIT_ORDER.index(split) if split in _SPLIT_ORDER else len(_SPLIT_ORDER)


def _merge(
    files: FolderFiles,
    lists: Sequence[ListFile],
    found: dict[int, tuple[Path | None, str]],
    flaws: list[tuple[Path, Flaw]],
) -> dict[str, _Entry]:
    """place → entry; what several entries say about one picture in one."""
    entries: dict[str, _Entry] = {}
    for file in lists:
        for image in file.images:
            split = image_split(files, file.path, image)
            picture, problem = found[id(image)]
            place = files.relative(picture) if picture else _place(files, file.path, image)
            entry = _Entry(file, image, picture, problem, place)
            first = entries.setdefault(place, entry)
            if first is not entry:
                flaw = _join(files, first, entry)
                flaws += [(file.path, flaw)] if flaw else []
            if split:
                first.splits.setdefault(split, file.path)
    if not any(entry.splits for entry in entries.values()):
        _split_by_folder(files, entries.values())
    return entries


def _place(files: FolderFiles, label: Path, image: ListedImage) -> str:
    """Path at which a missing picture would lie."""
    names = image.file_name.replace("\\", "/").split("/")
    kept = [name for name in names if name not in ("", ".", "..")]
    return "/".join([*files.parts(label), *kept])


def _join(files: FolderFiles, first: _Entry, second: _Entry) -> Flaw | None:
    """Add the objects of a second entry for a picture to the first, where they are of one file.

    Those of another file must be the same, or they are left aside.
    """
    if first.file is second.file:
        splits = {first.image.split, second.image.split} - {None}
        if len(splits) > 1:
            path, line = first.file.path, first.image.line
            reason = (
                f"expected {first.image.file_name} in one split, got it again on line "
                f"{second.image.line} in another, and one picture; add the other picture, or "
                "remove one of the two"
            )
            first.image.malformed = MalformedLabels(f"{path}, line {line}", line, reason)
        offset = len(first.image.objects) + len(first.image.flaws)
        first.image.objects += [
            replace(item, number=item.number + offset) for item in second.image.objects
        ]
        first.image.flaws += [
            replace(flaw, number=flaw.number + offset) for flaw in second.image.flaws
        ]
        message = (
            f"{second.image.file_name} is the picture of line {first.image.line}, too; the boxes "
            "of both are taken: make them one image"
        )
    elif _content(first.image) != _content(second.image):
        where = f"{files.relative(first.file.path)}, line {first.image.line},"
        message = (
            f"{second.image.file_name} has other boxes in {where} which count, "
            f"{len(second.image.objects)} here do not; remove one of the two images"
        )
    else:
        return None
    return Flaw("duplicate-image", second.image.line, message, 0)


def _content(image: ListedImage) -> list[tuple]:
    return sorted((item.name, item.box_px, item.difficult, item.crowd) for item in image.objects)


def _split_by_folder(files: FolderFiles, entries: Iterable[_Entry]) -> None:
    """Splits by the pictures' folders, for one file that names the pictures of train/ and val/."""
    given = [
        (entry, split, entry.picture.parent)
        for entry in entries
        if entry.picture and (split := split_of(files.parts(entry.picture)))
    ]
    if any(split == "train" for _, split, _ in given):
        for entry, split, folder in given:
            entry.splits[split] = folder


def _item(image_id: str, entry: _Entry) -> Item:
    image, path = entry.image, entry.file.path
    annotation = Annotation(
        path, image.file_name, image.size_wh, tuple(image.objects), image.line, image.line
    )
    return Item(
        image_id,
        path,
        None if image.malformed else annotation,
        entry.picture,
        () if image.malformed else tuple(image.flaws),
        image.malformed,
        entry.problem,
    )


def _splits(entries: dict[str, _Entry], ids: dict[str, str]) -> dict[str, GivenSplit]:
    members: dict[str, list[str]] = defaultdict(list)
    paths: dict[str, Path] = {}
    for place, entry in entries.items():
        for split, path in entry.splits.items():
            members[split].append(ids[place])
            paths.setdefault(split, path)
    return {
        split: GivenSplit(paths[split], dict(enumerate(sorted(members[split]), 1)))
        for split in sorted(members, key=_split_order)
    }


def _classes(
    lists: Sequence[ListFile], used: Collection[str]
) -> tuple[ClassList | None, list[str]]:
    """The categories in the order of their ids, those without a box left out, and notes.

    Where files disagree on the ids, the first file's order and then what only others have.
    """
    rows = [(n, row) for n, file in enumerate(lists) for row in file.categories]
    agree = (
        len({(row.number, row.name) for _, row in rows})
        == len({row.number for _, row in rows})
        == len({row.name for _, row in rows})
    )
    order = sorted(rows, key=lambda pair: (0 if agree else pair[0], pair[1].number))
    lines: dict[str, int] = {}
    for n, row in order:
        lines.setdefault(row.name, 0 if n else row.line)
    unused = [name for name in lines if name not in used]
    notes = []
    if unused and used:
        notes.append(f"categories without a box, no classes then: {some(unused)}")
        lines = {name: line for name, line in lines.items() if name in used}
    if not lines:
        return None, notes
    return ClassList(lists[0].path, tuple((line, name) for name, line in lines.items())), notes


def _layout(
    files: FolderFiles, lists: Sequence[ListFile], pictures: Collection[Path | None]
) -> str:
    folders = sorted({"/".join(files.parts(path)) or "." for path in pictures if path})
    labels = some((files.relative(file.path) for file in lists), 3)
    return f"{labels}, pictures in {some(folders, 3)}/" if folders else f"{labels}, no pictures"
