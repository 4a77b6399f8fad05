"""PASCAL VOC: annotation files read and written, and folders of them in every common layout.

The XML files may lie in Annotations/ (or annots/, labels/, xmls/ ...), with the pictures in
JPEGImages/ (or images/ ...), beside the pictures, in folders of splits (train/ valid/ test/) or in
sub-folders that are part of the ids. Lists of splits are ImageSets/Main/*.txt, or train.txt and so
on in ImageSets/, beside or above the XML files.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET  # builds and writes only; defusedxml reads
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, parse

from edge_runtime.exports.base import number_text
from train.data.annotation import Annotation, Flaw, LabeledObject, MalformedLabels
from train.data.formats.base import Format, Recognized
from train.data.formats.files import FolderFiles, is_absolute, path_parts, picture_name, same_name
from train.data.formats.image_ids import SPLIT_NAMES, plain_id, unique_ids
from train.data.formats.text import clean_name, read_text
from train.data.geometry import at_line
from train.data.labeled_folder import ClassList, GivenSplit, Item, LabeledFolder

LAYOUT = ("Annotations", "JPEGImages", "ImageSets/Main")  # the standard one
_WHOLE_SETS = ("default", "all", "everything")  # lists of all pictures that some tools write
_SNIFFED_BYTES = 2048
_ROOT_TAG = re.compile(rb"<annotation[\s>/]")  # CVAT's own XML begins with <annotations>


class _LineBuilder(ET.TreeBuilder):
    """Notes the line on which each element starts; keeps comments, for a tree written back."""

    def __init__(self) -> None:
        super().__init__(insert_comments=True)
        self.lines: dict[ET.Element, int] = {}
        self.expat: Any = None  # the parser, once there is one

    def start(self, tag: str, attributes: dict[str, str]) -> ET.Element:
        element = super().start(tag, attributes)
        self.lines[element] = self.expat.CurrentLineNumber
        return element


def read_tree(path: Path) -> tuple[ET.Element, dict[ET.Element, int]]:
    """The root of an annotation file and the line, from 1, of each of its elements.

    Raises: MalformedLabels where it is no well-formed XML, declares entities or has another root
    than <annotation>. OSError where it cannot be read.
    """
    builder = _LineBuilder()
    parser = DefusedXMLParser(target=builder, forbid_dtd=True)
    builder.expat = parser.parser
    try:
        root = parse(path, parser=parser).getroot()
    except ET.ParseError as error:
        line, _ = error.position
        reason = f"expected well-formed XML, got {error}; repair or remove the file"
        raise MalformedLabels(f"{path}, line {line}", line, reason) from error
    except DefusedXmlException as error:
        reason = (
            f"expected plain XML, got a DTD or entities ({type(error).__name__}); "
            "remove the <!DOCTYPE> part"
        )
        raise MalformedLabels(str(path), parser.parser.CurrentLineNumber, reason) from error
    except (LookupError, ValueError) as error:  # an encoding that Python or expat does not know
        reason = f"expected XML in a known encoding, got {error}; save it as UTF-8"
        raise MalformedLabels(str(path), 1, reason) from error
    if root.tag != "annotation":
        reason = (
            f"expected a VOC file with the root tag <annotation>, got <{root.tag}>; "
            "export the labels as PASCAL VOC"
        )
        raise MalformedLabels(str(path), builder.lines[root], reason)
    return root, builder.lines


def read_annotation(path: str | Path) -> Annotation:
    """Parse one annotation file; boxes are as written, not clipped and not checked for area.

    Raises: ValueError naming the file where it is no well-formed XML (with the line), declares
    entities, or lacks a tag that a box needs (with the tag). OSError where it cannot be read.
    """
    annotation, flaws = scan_annotation(path)
    for flaw in flaws:
        raise ValueError(f"{path}: {flaw.message}")
    return annotation


def scan_annotation(path: str | Path) -> tuple[Annotation, list[Flaw]]:
    """As `read_annotation`, but objects that cannot be used are left out and their flaws listed.

    Raises: MalformedLabels (a ValueError) where the file as a whole is of no use. OSError.
    """
    path = Path(path)
    root, lines = read_tree(path)
    objects: list[LabeledObject] = []
    flaws: list[Flaw] = []
    for number, node in enumerate(root.findall("object"), 1):
        found = _read_object(number, node, lines)
        if isinstance(found, LabeledObject):
            objects.append(found)
        else:
            flaws += found
    filename = (root.findtext("filename") or "").strip() or None
    size = root.find("size")
    size_line = lines[root if size is None else size]
    annotation = Annotation(path, filename, _size(root), tuple(objects), lines[root], size_line)
    return annotation, flaws


def _size(root: ET.Element) -> tuple[int, int] | None:
    try:
        width, height = (
            int(float(root.findtext(f"size/{tag}", ""))) for tag in ("width", "height")
        )
    except (ValueError, OverflowError):
        return None  # the picture itself knows better, so a bad tag is no reason to stop
    return (width, height) if width > 0 and height > 0 else None


def _read_object(
    number: int, node: ET.Element, lines: dict[ET.Element, int]
) -> LabeledObject | list[Flaw]:
    flaws: list[Flaw] = []
    name_node, box_node = node.find("name"), node.find("bndbox")
    name = clean_name(node.findtext("name") or "")
    if not name:
        line = lines[node if name_node is None else name_node]
        message = f"object {number} has no <name>; give the box a class"
        flaws.append(Flaw("missing-tag", line, message, number))
    corners: list[float] = []
    if box_node is None:
        message = f"object {number} has no <bndbox>; add it or remove the object"
        flaws.append(Flaw("missing-tag", lines[node], message, number))
    else:
        for tag in ("xmin", "ymin", "xmax", "ymax"):
            corner = _corner(number, box_node, tag, lines)
            if isinstance(corner, Flaw):
                flaws.append(corner)
            else:
                corners.append(corner)
    if flaws or name_node is None or box_node is None:
        return flaws
    x_min, y_min, x_max, y_max = corners
    difficult = (node.findtext("difficult") or "0").strip().lower() in ("1", "true")
    box_px = x_min, y_min, x_max, y_max
    return LabeledObject(name, box_px, difficult, number, lines[name_node], lines[box_node])


def _corner(
    number: int, box_node: ET.Element, tag: str, lines: dict[ET.Element, int]
) -> float | Flaw:
    node = box_node.find(tag)
    if node is None:
        message = f"object {number} has no <{tag}> in a <bndbox>; add it or remove the object"
        return Flaw("missing-tag", lines[box_node], message, number)
    text = (node.text or "").strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isfinite(value):
        return value
    message = (
        f"object {number} expected a number of pixels in <{tag}>, got {text!r}; "
        "correct it or remove the object"
    )
    return Flaw("bad-number", lines[node], message, number)


def write_annotation(
    path: str | Path,
    image_name: str,
    width: int,
    height: int,
    boxes_px: np.ndarray,
    names: Sequence[str],
) -> None:
    """Write one annotation file that `read_annotation` reads back.

    boxes_px: (N, 4) xyxy corners in pixels, whole numbers are written as such. names: N classes.

    Raises: ValueError where boxes and names differ in number.
    """
    boxes_px = np.asarray(boxes_px).reshape(-1, 4)
    if len(boxes_px) != len(names):
        raise ValueError(
            f"expected one class name a box, got {len(boxes_px)} boxes and {len(names)} names; "
            "pass sequences of equal length"
        )
    root = ET.Element("annotation")
    ET.SubElement(root, "filename").text = image_name
    size = ET.SubElement(root, "size")
    for tag, value in (("width", width), ("height", height), ("depth", 3)):
        ET.SubElement(size, tag).text = str(value)
    for box, name in zip(boxes_px.tolist(), names, strict=True):
        node = ET.SubElement(root, "object")
        ET.SubElement(node, "name").text = name
        ET.SubElement(node, "difficult").text = "0"
        bndbox = ET.SubElement(node, "bndbox")
        for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True):
            ET.SubElement(bndbox, tag).text = number_text(value)
    ET.indent(root)
    write_tree(root, path)


def write_tree(root: ET.Element, path: str | Path) -> None:
    """Write an annotation's tree as it is, in UTF-8."""
    ET.ElementTree(root).write(path, encoding="utf-8")


def make_layout(root: Path) -> None:
    """Make the empty folders of the standard layout."""
    for name in LAYOUT:
        (root / name).mkdir(parents=True)


def has_standard_layout(folder: LabeledFolder) -> bool:
    """Whether a labelled folder is VOC in its standard layout."""
    return folder.format == FORMAT.name and all((folder.root / name).is_dir() for name in LAYOUT)


def recognize(files: FolderFiles) -> Recognized | None:
    """VOC where there are XML files that begin as an annotation does."""
    labels = _label_files(files)
    return Recognized(len(labels), lambda: _read_folder(files, labels)) if labels else None


def _label_files(files: FolderFiles) -> list[Path]:
    """The XML files of all folders that hold an annotation; the malformed ones are named later."""
    by_folder: dict[Path, list[Path]] = {}
    for path in files.with_suffix(".xml"):
        by_folder.setdefault(path.parent, []).append(path)
    return [
        path for paths in by_folder.values() if any(map(_is_annotation, paths)) for path in paths
    ]


def _is_annotation(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(_SNIFFED_BYTES).replace(b"\0", b"")  # UTF-16 as well
    return _ROOT_TAG.search(start) is not None


def _read_folder(files: FolderFiles, labels: Sequence[Path]) -> LabeledFolder:
    ids = unique_ids([files.relative(path) for path in labels])
    items = {
        image_id: _read_item(files, image_id, path)
        for image_id, path in sorted(zip(ids, labels, strict=True))
    }
    used = {item.image_path for item in items.values()}
    notes = _name_notes(files, items.values())
    items = _without_rivals(files, items)
    splits, list_notes = _listed_splits(files, labels, items)
    classes, class_notes = _read_classes(files, labels)
    return LabeledFolder(
        root=files.root,
        format=FORMAT.name,
        layout=f"XML files in {files.describe_folders(labels)}",
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


def _name_notes(files: FolderFiles, items: Iterable[Item]) -> list[str]:
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
        f"{files.root}: {len(found)} XML files have the name of one picture and <filename> gives "
        f"another, such as {files.relative(item.path)}, which says {name}; the picture of the "
        f"file's own name counts, {files.relative(item.image_path)}"
    ]


def _read_item(files: FolderFiles, image_id: str, path: Path) -> Item:
    annotation: Annotation | None = None
    malformed: MalformedLabels | None = None
    flaws: list[Flaw] = []
    try:
        annotation, flaws = scan_annotation(path)
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

    The XML files' folders count, and where they tell nothing the pictures'.
    """
    images = ((name, item.image_path) for name, item in items.items() if item.image_path)
    return files.folder_splits(
        (image_id, item.path) for image_id, item in items.items()
    ) or files.folder_splits(images)


def _read_classes(files: FolderFiles, labels: Iterable[Path]) -> tuple[ClassList | None, list[str]]:
    """The class names in labels.txt, a name a line, and notes; None without the file.

    It lies in the root or in a folder above the XML files; the one nearest to the root counts.
    Blank lines do not count: the XML files give names, no numbers.
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
    return ClassList(paths[0], names, binding=True), notes


FORMAT = Format("PASCAL VOC", recognize)
