"""PASCAL VOC: annotation files read and written, and folders of them in every common layout.

How the files, the pictures and the splits of a folder are found: `picture_files`.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET  # writes only, see `located_xml`
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from edge_runtime.exports.base import number_text
from train.data.annotation import Annotation, Flaw, LabeledObject, MalformedLabels
from train.data.formats.base import Format, Recognized
from train.data.formats.files import FolderFiles
from train.data.formats.located_xml import read_xml
from train.data.formats.picture_files import PictureFiles, read_picture_files
from train.data.formats.text import clean_name
from train.data.labeled_folder import LabeledFolder

LAYOUT = ("Annotations", "JPEGImages", "ImageSets/Main")  # the standard one
_SNIFFED_BYTES = 2048
_ROOT_TAG = re.compile(rb"<annotation[\s>/]")  # CVAT's own XML begins with <annotations>


def read_tree(path: Path) -> tuple[ET.Element, dict[ET.Element, int]]:
    """As `read_xml`, of an annotation file.

    Raises: MalformedLabels, as there, and where it has another root than <annotation>. OSError.
    """
    root, lines = read_xml(path)
    if root.tag != "annotation":
        reason = (
            f"expected a VOC file with the root tag <annotation>, got <{root.tag}>; "
            "export the labels as PASCAL VOC"
        )
        raise MalformedLabels(str(path), lines[root], reason)
    return root, lines


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
    return (
        Recognized(len(labels), partial(read_picture_files, files, labels, _FILES))
        if labels
        else None
    )


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


_FILES = PictureFiles(
    "PASCAL VOC", "XML files", "<filename>", scan_annotation, listed_are_classes=True
)
FORMAT = Format(_FILES.format, recognize)
