"""The PASCAL VOC annotation file: the one writer, and the XML side of the one reader.

Numbers in a `<bndbox>` are taken as corner coordinates in pixels, x / width and y / height with
no +1. VOC's own files count pixels from 1 and include the last one; labelImg and its heirs, whose
files are the common ones today, write corners. The difference is at most a pixel.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET  # builds and writes only; reading goes through voc_xml
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from train.voc_xml import read_tree


@dataclass(frozen=True)
class VocObject:
    """One `<object>`: its class name, its box in pixels as written, unchecked, and its flag.

    number: of the `<object>`, from 1. name_line, box_line: where `<name>` and `<bndbox>` start.
    """

    name: str
    box_px: tuple[float, float, float, float]
    difficult: bool
    number: int
    name_line: int
    box_line: int


@dataclass(frozen=True)
class VocFlaw:
    """Why an `<object>` cannot be used: "missing-tag" or "bad-number", where, and what to do."""

    kind: str
    line: int
    message: str
    number: int


@dataclass(frozen=True)
class VocAnnotation:
    """One annotation file. `size_wh` is None where the file gives no usable size.

    line, size_line: where the root and `<size>` start; without a `<size>` the root's line.
    """

    path: Path
    filename: str | None
    size_wh: tuple[int, int] | None
    objects: tuple[VocObject, ...]
    line: int
    size_line: int


def read_annotation(path: str | Path) -> VocAnnotation:
    """Parse one annotation file; boxes are as written, not clipped and not checked for area.

    Raises: ValueError naming the file where it is no well-formed XML (with the line), declares
    entities, or lacks a tag that a box needs (with the tag). OSError where it cannot be read.
    """
    annotation, flaws = scan_annotation(path)
    for flaw in flaws:
        raise ValueError(f"{path}: {flaw.message}")
    return annotation


def scan_annotation(path: str | Path) -> tuple[VocAnnotation, list[VocFlaw]]:
    """As `read_annotation`, but objects that cannot be used are left out and their flaws listed.

    Raises: MalformedXml (a ValueError) where the file as a whole is of no use. OSError.
    """
    path = Path(path)
    root, lines = read_tree(path)
    objects, flaws = [], []
    for number, node in enumerate(root.findall("object"), 1):
        found = _read_object(number, node, lines)
        (flaws.extend if isinstance(found, list) else objects.append)(found)
    filename = (root.findtext("filename") or "").strip() or None
    size = root.find("size")
    size_line = lines[root if size is None else size]
    objects = tuple(objects)
    return VocAnnotation(path, filename, _size(root), objects, lines[root], size_line), flaws


def _size(root: ET.Element) -> tuple[int, int] | None:
    try:
        width, height = (int(float(root.findtext(f"size/{tag}"))) for tag in ("width", "height"))
    except (TypeError, ValueError, OverflowError):
        return None  # the picture itself knows better, so a bad tag is no reason to stop
    return (width, height) if width > 0 and height > 0 else None


def _read_object(number: int, node: ET.Element, lines: dict) -> VocObject | list[VocFlaw]:
    flaws = []
    name_node, box_node = node.find("name"), node.find("bndbox")
    name = (node.findtext("name") or "").strip()
    if not name:
        line = lines[node if name_node is None else name_node]
        message = f"object {number} has no <name>; give the box a class"
        flaws.append(VocFlaw("missing-tag", line, message, number))
    corners = []
    if box_node is None:
        message = f"object {number} has no <bndbox>; add it or remove the object"
        flaws.append(VocFlaw("missing-tag", lines[node], message, number))
    else:
        for tag in ("xmin", "ymin", "xmax", "ymax"):
            corner = _corner(number, box_node, tag, lines)
            (flaws if isinstance(corner, VocFlaw) else corners).append(corner)
    if flaws:
        return flaws
    difficult = (node.findtext("difficult") or "0").strip().lower() in ("1", "true")
    return VocObject(name, tuple(corners), difficult, number, lines[name_node], lines[box_node])


def _corner(number: int, box_node: ET.Element, tag: str, lines: dict) -> float | VocFlaw:
    node = box_node.find(tag)
    if node is None:
        message = f"object {number} has no <{tag}> in a <bndbox>; add it or remove the object"
        return VocFlaw("missing-tag", lines[box_node], message, number)
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
    return VocFlaw("bad-number", lines[node], message, number)


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
            ET.SubElement(bndbox, tag).text = corner_text(value)
    ET.indent(root)
    write_tree(root, path)


def corner_text(value: float) -> str:
    """A number of pixels as it is written: whole ones without a point."""
    return f"{value:.12g}"


def write_tree(root: ET.Element, path: str | Path) -> None:
    """Write an annotation's tree as it is, in UTF-8."""
    ET.ElementTree(root).write(path, encoding="utf-8")
