"""Label files, one a picture, that give class names: folders of them in every common layout.

The label files may lie in Annotations/ (or annots/, labels/, xmls/ ...), with the pictures in
JPEGImages/ (or images/ ...), beside the pictures, in folders of splits (train/ valid/ test/) or in
sub-folders that are part of the ids. Lists of splits are ImageSets/Main/*.txt, or train.txt and so
on in ImageSets/, beside or above the label files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from train.data.annotation import Annotation, Flaw, MalformedLabels
from train.data.formats.files import FolderFiles, is_absolute, path_parts, picture_name, same_name
from train.data.formats.image_ids import SPLIT_NAMES, plain_id, unique_ids
from train.data.formats.text import clean_name, read_text
from train.data.geometry import at_line
from train.data.labeled_folder import ClassList, GivenSplit, Item, LabeledFolder

_WHOLE_SETS = ("default", "all", "everything")  # lists of all pictures that some tools write


@dataclass(frozen=True)
class PictureFiles:
    """A form of label files, one a picture.

    Attributes:
        format: as `LabeledFolder.format`.
        files, name_tag: what they and their picture's name in them are called, for people.
        scan: a file → its annotation and the flaws of objects that are not in it. Raises:
            MalformedLabels where it is of no use as a whole; OSError.
        listed_are_classes: whether labels.txt binds, see `ClassList.binding`.
    """

    format: str
    files: str
    name_tag: str
    scan: Callable[[Path], tuple[Annotation, list[Flaw]]]
    listed_are_classes: bool


def read_picture_files(
    files: FolderFiles, labels: Sequence[Path], form: PictureFiles
) -> LabeledFolder:
    """The folder, from its label files.

    Raises: ValueError for a list in another encoding. OSError.
    """
    ids = unique_ids([files.relative(path) for path in labels])
    items = {
        image_id: _read_item(files, image_id, path, form)
        for image_id, path in sorted(zip(ids, labels, strict=True))
    }
    used = {item.image_path for item in items.values()}
    notes = _name_notes(files, items.values(), form)
    items = _without_rivals(files, items)
    splits, list_notes = _listed_splits(files, labels, items)
    classes, class_notes = _read_classes(files, labels, form.listed_are_classes)
    return LabeledFolder(
        root=files.root,
        format=form.format,
        layout=f"{form.files} in {files.describe_folders(labels)}",
        items=items,
        splits=splits or _folder_splits(files, items),
        classes=classes,
        unannotated=tuple(path for path in files.images if path not in used),
        notes=(*notes, *list_notes, *class_notes),
    )


def _without_rivals(files: FolderFiles, items: dict[str, Item]) -> dict[str, Item]:
    """Annotations of one and the same picture made malformed: nobody knows which one is right."""
    by_image: dict[Path, list[Item]] = defaultdict(list)
    for item in items.values():
        if item.image_path:
            by_image[item.image_path].append(item)
    refused = {}
    for image, rivals in by_image.items():
        for item in rivals if len(rivals) > 1 else ():
            other = next(each for each in rivals if each is not item)
            line = item.annotation.line if item.annotation else 0
            reason = (
                f"two annotations name one picture, {files.relative(image)}: this one and "
                f"{files.relative(other.path)}; remove one of them or add its own picture"
            )
            where = f"{item.path}{at_line(line)}"
            malformed = item.malformed or MalformedLabels(where, line, reason)
            refused[item.image_id] = replace(item, annotation=None, flaws=(), malformed=malformed)
    return items | refused


def _name_notes(files: FolderFiles, items: Iterable[Item], form: PictureFiles) -> list[str]:
    """A sentence on files that have one picture's name and give that of another."""
    found = []
    for item in items:
        name = picture_name(item.annotation.filename) if item.annotation else ""
        if item.image_path and files.has_image(name) and not same_name(item.image_path.name, name):
            found.append((item, name))
    if not found:
        return []
    item, name = found[0]
    assert item.image_path is not None
    return [
        f"{files.root}: {len(found)} {form.files} have the name of one picture and "
        f"{form.name_tag} gives another, such as {files.relative(item.path)}, which says {name}; "
        f"the picture of the file's own name counts, {files.relative(item.image_path)}"
    ]


def _read_item(files: FolderFiles, image_id: str, path: Path, form: PictureFiles) -> Item:
    annotation: Annotation | None = None
    malformed: MalformedLabels | None = None
    flaws: list[Flaw] = []
    try:
        annotation, flaws = form.scan(path)
    except MalformedLabels as error:
        malformed = error
    image, problem = files.find_image(path, annotation.filename if annotation else None)
    return Item(image_id, path, annotation, image, tuple(flaws), malformed, problem)


def _listed_splits(
    files: FolderFiles, labels: Sequence[Path], items: dict[str, Item]
) -> tuple[dict[str, GivenSplit], list[str]]:
    """The splits of list files, and notes. Raises: ValueError for a list in another encoding."""
    known = {plain_id(files.relative(item.path)): item for item in items.values()} | items
    splits: dict[str, GivenSplit] = {}
    notes = []
    for path in _list_files(files, labels):
        name = SPLIT_NAMES.get(path.stem.lower(), path.stem)
        if name in splits:
            notes.append(f"{path}: a second list of the split {name}; took {splits[name].path}")
        elif name.lower() not in _WHOLE_SETS:
            lines = enumerate(read_text(path).splitlines(), 1)
            found = {n: _listed_id(files, line.strip(), known) for n, line in lines if line.strip()}
            splits[name] = GivenSplit(path, found, is_list=True)
    return splits, notes


def _list_files(files: FolderFiles, labels: Iterable[Path]) -> list[Path]:
    """All lists of ImageSets/Main, else those of ImageSets, else train.txt and so on elsewhere."""
    lists = files.with_suffix(".txt")
    for ending in (("imagesets", "main"), ("imagesets",)):
        found = [path for path in lists if _lower(files.parts(path))[-len(ending) :] == ending]
        if found:
            return found
    label_folders = {path.parent for path in labels}
    places = {files.root, *label_folders, *(folder.parent for folder in label_folders)}
    names = {*SPLIT_NAMES, "trainval"}
    found = []
    for path in lists:
        folder = path.parent
        near = folder in places or (folder.name.lower() == "splits" and folder.parent in places)
        if near and path.stem.lower() in names:
            found.append(path)
    return found


def _lower(parts: Iterable[str]) -> tuple[str, ...]:
    return tuple(part.lower() for part in parts)


def _listed_id(files: FolderFiles, line: str, known: dict[str, Item]) -> str:
    """The id in a line: the whole line where it is one, since names may hold spaces, else its
    first word: VOC's own per-class files follow the id with 1, 0 or -1. With suffix or without.
    """
    for text in (line, line.split()[0]):
        for name in (text, plain_id(text), _known_end(files, text, known)):
            if name in known:
                return known[name].image_id
    return plain_id(line if len(line.split()) == 1 else line.split()[0])


def _known_end(files: FolderFiles, text: str, known: dict[str, Item]) -> str:
    """The longest end of a path of another machine that is an id; "" where none is.

    Of a path that starts in the set only the root's own name is cut off: cam1/0 is not 0.
    """
    parts = path_parts(text)
    for start in range(1, len(parts)):
        if not is_absolute(text) and parts[start - 1] != files.root.resolve().name:
            continue
        end = plain_id("/".join(parts[start:]))
        if end in known and not files.belongs_elsewhere(parts[:-1], known[end].path):
            return end
    return ""


def _folder_splits(files: FolderFiles, items: dict[str, Item]) -> dict[str, GivenSplit]:
    """The splits of folders: train/ valid/ test/ or images/train and so on; {} without any.

    The label files' folders count, and where they tell nothing the pictures'.
    """
    images = ((name, item.image_path) for name, item in items.items() if item.image_path)
    return files.folder_splits(
        (image_id, item.path) for image_id, item in items.items()
    ) or files.folder_splits(images)


def _read_classes(
    files: FolderFiles, labels: Iterable[Path], binding: bool
) -> tuple[ClassList | None, list[str]]:
    """The class names in labels.txt, a name a line, and notes; None without the file.

    It lies in the root or in a folder above the label files; the one nearest to the root counts.
    Blank lines do not count: the label files give names, no numbers.
    """
    above = {files.root}
    for folder in {path.parent for path in labels}:
        above |= {each for each in (folder, *folder.parents) if each.is_relative_to(files.root)}
    paths = [path for path in files.with_suffix(".txt") if path.name.lower() == "labels.txt"]
    paths = sorted((p for p in paths if p.parent in above), key=lambda p: (len(p.parts), p))
    if not paths:
        return None, []
    lines = enumerate(read_text(paths[0]).splitlines(), 1)
    names = tuple((n, clean_name(line)) for n, line in lines if line.strip())
    notes = [f"{path}: a second list of classes, left aside; took {paths[0]}" for path in paths[1:]]
    return ClassList(paths[0], names, binding=binding), notes
