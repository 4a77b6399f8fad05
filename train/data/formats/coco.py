"""COCO: a folder with JSON files of images, annotations and categories, and the pictures.

Not the JSON's own ids but the pictures' paths become image ids, and classes go by name: the files
of several splits may number both differently.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from urllib.parse import unquote

from train.data.annotation import Annotation, Flaw
from train.data.formats.base import Format, Recognized
from train.data.formats.coco_file import LISTS, CocoFile, CocoImage, read_coco_file
from train.data.formats.files import FolderFiles, distance
from train.data.formats.image_ids import SPLIT_NAMES, plain_id, split_of, unique_ids
from train.data.labeled_folder import ClassList, GivenSplit, Item, LabeledFolder
from train.data.splits.file import FILE_NAME

_HEAD_BYTES = 65536
_TOKENS = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?|[{}\[\]]')
# Files that come with COCO's instances_*.json and label the same pictures in other ways.
_SIBLINGS = re.compile(r"(person_keypoints|stuff|panoptic|captions)_")
_SPLIT_ORDER = ("train", "val", "test")


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


@dataclass
class _Entry:
    """A picture with all that the files say about it.

    place: path below the root, or where the file looks for it. splits: paths that put it there.
    """

    file: CocoFile
    image: CocoImage
    picture: Path | None
    problem: str
    place: str
    splits: dict[str, Path] = field(default_factory=dict)


def _read(files: FolderFiles, paths: Sequence[Path]) -> LabeledFolder:
    parsed = {path: read_coco_file(path) for path in paths}
    coco_files = sorted(
        (file for file in parsed.values() if file), key=lambda file: _file_order(files, file.path)
    )
    if not coco_files:
        raise ValueError(
            f"{paths[0]}: expected a COCO file with boxes, lists {', '.join(LISTS)}, got captions, "
            "segments or another kind; export the labels as COCO instances"
        )
    found = _find_pictures(files, coco_files)
    flaws = [(file.path, flaw) for file in coco_files for flaw in file.flaws]
    entries = _merge(files, coco_files, found, flaws)
    ids = dict(zip(entries, unique_ids(list(entries)), strict=True))
    items = {ids[place]: _item(ids[place], entry) for place, entry in entries.items()}
    annotations = [item.annotation for item in items.values() if item.annotation]
    names = {item.name for annotation in annotations for item in annotation.objects}
    classes, notes = _classes(coco_files, names)
    aside = [
        path
        for path in files.with_suffix(".json")
        if not parsed.get(path) and path.name != FILE_NAME  # the splits that we made
    ]
    if aside:
        notes.append(f"no COCO file with boxes, left aside: {_some(map(files.relative, aside))}")
    pictures = {entry.picture for entry in entries.values()}
    return LabeledFolder(
        files.root,
        FORMAT.name,
        _layout(files, coco_files, pictures),
        dict(sorted(items.items())),
        _splits(entries, ids),
        classes,
        unannotated=tuple(path for path in files.images if path not in pictures),
        flaws=tuple(flaws),
        notes=tuple(notes),
        background=True,
    )


def _file_split(files: FolderFiles, path: Path) -> str | None:
    """The one split that its name holds (instances_train2017.json), else that of its folders."""
    words = re.findall("[a-z]+", path.stem.lower())
    named = {SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES}
    return named.pop() if len(named) == 1 else split_of(files.parts(path))


def _file_order(files: FolderFiles, path: Path) -> tuple[int, str]:
    return _split_order(_file_split(files, path) or ""), files.relative(path)


def _split_order(split: str) -> int:
    return _SPLIT_ORDER.index(split) if split in _SPLIT_ORDER else len(_SPLIT_ORDER)


class _Pictures:
    """Pictures of a folder by the end of their path, as far as a "file_name" gives it."""

    def __init__(self, files: FolderFiles) -> None:
        self._files = files
        self._by_name: dict[str, list[tuple[tuple[str, ...], Path]]] = defaultdict(list)
        for path in files.images:
            parts = _parts(files.relative(path))
            self._by_name[parts[-1]].append((parts, path))

    def whole(self, label: Path, image: CocoImage) -> list[Path]:
        """Those whose path ends with all of "file_name" and that another split has no claim on.

        The best fits: in the split's folder, near the label file, in folders like images/.
        """
        wanted, split = _parts(image.file_name), _file_split(self._files, label)
        ranked = defaultdict(list)
        for parts, path in self._by_name.get(wanted[-1], ()):
            own = split_of(self._files.parts(path))
            if parts[-len(wanted) :] == wanted and (split is None or own in (None, split)):
                above = self._files.parts(path)[: len(parts) - len(wanted)]
                near = distance(self._files.parts(label), above)
                other = plain_id("/".join([*above, "x"])).count("/")
                exact = self._files.relative(path).endswith(image.file_name)
                ranked[own != split, near, other, not exact].append(path)
        return ranked[min(ranked)] if ranked else []

    def partial(self, label: Path, image: CocoImage, taken: Collection[Path]) -> list[Path]:
        """Those of the name that no "file_name" names in full; the longest common end of paths.

        None of another split or another folder than those of the label file and "file_name".
        """
        ranked = defaultdict(list)
        split = _file_split(self._files, label)
        above = [*self._files.parts(label), *([split] if split else [])]
        for name in dict.fromkeys((image.file_name, unquote(image.file_name))):
            wanted = _parts(name)
            for parts, path in self._by_name.get(wanted[-1], ()):
                folders = [*above, *wanted[:-1]]
                if path not in taken and not self._files.belongs_elsewhere(folders, path):
                    ranked[_common_end(parts, wanted)].append(path)
        return ranked[max(ranked)] if ranked else []


def _parts(path: str) -> tuple[str, ...]:
    """The names of a path as a file system may hold them: in any case and Unicode form."""
    folded = unicodedata.normalize("NFC", path.replace("\\", "/")).casefold()
    return tuple(part for part in folded.split("/") if part not in ("", ".", ".."))


def _common_end(first: Sequence[str], second: Sequence[str]) -> int:
    count = 0
    for a, b in zip(reversed(first), reversed(second), strict=False):
        if a != b:
            break
        count += 1
    return count


def _find_pictures(
    files: FolderFiles, coco_files: Sequence[CocoFile]
) -> dict[int, tuple[Path | None, str]]:
    """`id` of an image → (its picture, "") or (None, why)."""
    pictures = _Pictures(files)
    images = [(file.path, image) for file in coco_files for image in file.images]
    fits = {id(image): pictures.whole(path, image) for path, image in images}
    taken = {path for fit in fits.values() if len(fit) == 1 for path in fit}
    wanted_by: dict[Path, set[str]] = defaultdict(set)
    for path, image in images:
        if not fits[id(image)]:
            fits[id(image)] = pictures.partial(path, image, taken)
            for picture in fits[id(image)]:
                wanted_by[picture].add(image.file_name)
    return {id(image): _only(files, image, fits[id(image)], wanted_by) for _, image in images}


def _only(
    files: FolderFiles, image: CocoImage, fit: list[Path], wanted_by: dict[Path, set[str]]
) -> tuple[Path | None, str]:
    if not fit:
        return None, f"has no picture {image.file_name}; add the picture"
    if len(fit) > 1:
        names = " and ".join(files.relative(path) for path in fit)
        return None, f'{names} fit both; rename one of them or name its folder in "file_name"'
    others = sorted(wanted_by.get(fit[0], set()) - {image.file_name})
    if others:
        return None, (
            f"has no picture {image.file_name}; {files.relative(fit[0])} could be that of "
            f'{_some(others)}, too: put the pictures into the folders that "file_name" says'
        )
    return fit[0], ""


def _merge(
    files: FolderFiles,
    coco_files: Sequence[CocoFile],
    found: dict[int, tuple[Path | None, str]],
    flaws: list[tuple[Path, Flaw]],
) -> dict[str, _Entry]:
    """place → entry; what several entries say about one picture in one."""
    entries: dict[str, _Entry] = {}
    for file in coco_files:
        split = _file_split(files, file.path)
        for image in file.images:
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


def _place(files: FolderFiles, label: Path, image: CocoImage) -> str:
    """Path at which a missing picture would lie."""
    names = image.file_name.replace("\\", "/").split("/")
    kept = [name for name in names if name not in ("", ".", "..")]
    return "/".join([*files.parts(label), *kept])


def _join(files: FolderFiles, first: _Entry, second: _Entry) -> Flaw | None:
    """Add the objects of a second entry for a picture to the first, where they are of one file.

    Those of another file must be the same, or they are left aside.
    """
    if first.file is second.file:
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


def _content(image: CocoImage) -> list[tuple]:
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
    coco_files: Sequence[CocoFile], used: Collection[str]
) -> tuple[ClassList | None, list[str]]:
    """The categories in the order of their ids, those without a box left out, and notes.

    Where files disagree on the ids, the first file's order and then what only others have.
    """
    rows = [(n, row) for n, file in enumerate(coco_files) for row in file.categories]
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
        notes.append(f"categories without a box, no classes then: {_some(unused)}")
        lines = {name: line for name, line in lines.items() if name in used}
    if not lines:
        return None, notes
    return ClassList(coco_files[0].path, tuple((line, name) for name, line in lines.items())), notes


def _some(names: Iterable[str], most: int = 5) -> str:
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _layout(
    files: FolderFiles, coco_files: Sequence[CocoFile], pictures: Collection[Path | None]
) -> str:
    folders = sorted({"/".join(files.parts(path)) or "." for path in pictures if path})
    labels = _some((files.relative(file.path) for file in coco_files), 3)
    return f"{labels}, pictures in {_some(folders, 3)}/" if folders else f"{labels}, no pictures"
