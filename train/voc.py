"""The PASCAL VOC annotation file: the one writer, and the XML side of the one reader.

Numbers in a `<bndbox>` are taken as corner coordinates in pixels, x / width and y / height with
no +1. VOC's own files count pixels from 1 and include the last one; labelImg and its heirs, whose
files are the common ones today, write corners. The difference is at most a pixel.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET  # builds and writes only; reading goes through defusedxml
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse


@dataclass(frozen=True)
class VocObject:
    """One `<object>`: its class name, its box in pixels as written, unchecked, and its flag."""

    name: str
    box_px: tuple[float, float, float, float]
    difficult: bool


@dataclass(frozen=True)
class VocAnnotation:
    """One annotation file. `size_wh` is None where the file gives no usable size."""

    path: Path
    filename: str | None
    size_wh: tuple[int, int] | None
    objects: tuple[VocObject, ...]


def read_annotation(path: str | Path) -> VocAnnotation:
    """Parse one annotation file; boxes are as written, not clipped and not checked for area.

    Raises: ValueError naming the file where it is no well-formed XML (with the line), declares
    entities, or lacks a tag that a box needs (with the tag). OSError where it cannot be read.
    """
    path = Path(path)
    try:
        root = parse(path, forbid_dtd=True).getroot()
    except ET.ParseError as error:
        line, _ = error.position
        raise ValueError(
            f"{path}, line {line}: expected well-formed XML, got {error}; repair or remove the file"
        ) from error
    except DefusedXmlException as error:
        raise ValueError(
            f"{path}: expected plain XML, got a DTD or entities ({type(error).__name__}); "
            "remove the <!DOCTYPE> part"
        ) from error
    if root.tag != "annotation":
        raise ValueError(
            f"{path}: expected a VOC file with the root tag <annotation>, got <{root.tag}>; "
            "export the labels as PASCAL VOC"
        )
    objects = tuple(
        _read_object(path, number, node) for number, node in enumerate(root.findall("object"), 1)
    )
    filename = (root.findtext("filename") or "").strip() or None
    return VocAnnotation(path, filename, _read_size(root), objects)


def _read_size(root: ET.Element) -> tuple[int, int] | None:
    try:
        width, height = (int(float(root.findtext(f"size/{tag}"))) for tag in ("width", "height"))
    except (TypeError, ValueError, OverflowError):
        return None  # the picture itself knows better, so a bad tag is no reason to stop
    return (width, height) if width > 0 and height > 0 else None


def _read_object(path: Path, number: int, node: ET.Element) -> VocObject:
    name = (node.findtext("name") or "").strip()
    if not name:
        raise ValueError(f"{path}: object {number} has no <name>; give the box a class")
    corners = [_number(path, number, node, tag) for tag in ("xmin", "ymin", "xmax", "ymax")]
    difficult = (node.findtext("difficult") or "0").strip().lower() in ("1", "true")
    return VocObject(name, (corners[0], corners[1], corners[2], corners[3]), difficult)


def _number(path: Path, number: int, node: ET.Element, tag: str) -> float:
    text = node.findtext(f"bndbox/{tag}")
    if text is None:
        raise ValueError(
            f"{path}: object {number} has no <{tag}> in a <bndbox>; add it or remove the object"
        )
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(
            f"{path}: object {number} expected a number of pixels in <{tag}>, "
            f"got {text.strip()!r}; correct it or remove the object"
        )
    return value


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
            ET.SubElement(bndbox, tag).text = f"{value:.12g}"
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8")
