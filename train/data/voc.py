"""PASCAL VOC: annotation files, read and written, and the folder that holds them.

Numbers in a `<bndbox>` are taken as corner coordinates in pixels, x / width and y / height with
no +1. VOC's own files count pixels from 1 and include the last one; labelImg and its heirs, whose
files are the common ones today, write corners. The difference is at most a pixel.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET  # builds and writes only; defusedxml reads
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, parse

Box: TypeAlias = tuple[float, float, float, float]  # xyxy


@dataclass(frozen=True)
class VocObject:
    """One `<object>`: its class name, its box in pixels as written, unchecked, and its flag.

    number: of the `<object>`, from 1. name_line, box_line: where `<name>` and `<bndbox>` start.
    """

    name: str
    box_px: Box
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


class MalformedXml(ValueError):  # noqa: N818  (a flaw of the file, not of the program)
    """No VOC annotation can be read from a file. `line`: where. `reason`: without file and line."""

    def __init__(self, where: str, line: int, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.line, self.reason = line, reason


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

    Raises: MalformedXml where it is no well-formed XML, declares entities or has another root than
    <annotation>. OSError where it cannot be read.
    """
    builder = _LineBuilder()
    parser = DefusedXMLParser(target=builder, forbid_dtd=True)
    builder.expat = parser.parser
    try:
        root = parse(path, parser=parser).getroot()
    except ET.ParseError as error:
        line, _ = error.position
        reason = f"expected well-formed XML, got {error}; repair or remove the file"
        raise MalformedXml(f"{path}, line {line}", line, reason) from error
    except DefusedXmlException as error:
        reason = (
            f"expected plain XML, got a DTD or entities ({type(error).__name__}); "
            "remove the <!DOCTYPE> part"
        )
        raise MalformedXml(str(path), parser.parser.CurrentLineNumber, reason) from error
    except (LookupError, ValueError) as error:  # an encoding that Python or expat does not know
        reason = f"expected XML in a known encoding, got {error}; save it as UTF-8"
        raise MalformedXml(str(path), 1, reason) from error
    if root.tag != "annotation":
        reason = (
            f"expected a VOC file with the root tag <annotation>, got <{root.tag}>; "
            "export the labels as PASCAL VOC"
        )
        raise MalformedXml(str(path), builder.lines[root], reason)
    return root, builder.lines


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
    objects: list[VocObject] = []
    flaws: list[VocFlaw] = []
    for number, node in enumerate(root.findall("object"), 1):
        found = _read_object(number, node, lines)
        if isinstance(found, VocObject):
            objects.append(found)
        else:
            flaws += found
    filename = (root.findtext("filename") or "").strip() or None
    size = root.find("size")
    size_line = lines[root if size is None else size]
    annotation = VocAnnotation(path, filename, _size(root), tuple(objects), lines[root], size_line)
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
) -> VocObject | list[VocFlaw]:
    flaws: list[VocFlaw] = []
    name_node, box_node = node.find("name"), node.find("bndbox")
    name = (node.findtext("name") or "").strip()
    if not name:
        line = lines[node if name_node is None else name_node]
        message = f"object {number} has no <name>; give the box a class"
        flaws.append(VocFlaw("missing-tag", line, message, number))
    corners: list[float] = []
    if box_node is None:
        message = f"object {number} has no <bndbox>; add it or remove the object"
        flaws.append(VocFlaw("missing-tag", lines[node], message, number))
    else:
        for tag in ("xmin", "ymin", "xmax", "ymax"):
            corner = _corner(number, box_node, tag, lines)
            if isinstance(corner, VocFlaw):
                flaws.append(corner)
            else:
                corners.append(corner)
    if flaws or name_node is None or box_node is None:
        return flaws
    x_min, y_min, x_max, y_max = corners
    difficult = (node.findtext("difficult") or "0").strip().lower() in ("1", "true")
    box_px = x_min, y_min, x_max, y_max
    return VocObject(name, box_px, difficult, number, lines[name_node], lines[box_node])


def _corner(
    number: int, box_node: ET.Element, tag: str, lines: dict[ET.Element, int]
) -> float | VocFlaw:
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


_LAYOUT = ("Annotations", "JPEGImages", "ImageSets/Main")
_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".JPG", ".JPEG", ".PNG", ".BMP")


def make_layout(root: Path) -> None:
    """Make the empty folders of a VOC folder."""
    for name in _LAYOUT:
        (root / name).mkdir(parents=True)


def check_layout(root: Path) -> None:
    """Raises: ValueError, naming a sub-folder that looks right, where `root` is no VOC folder."""
    missing = [name for name in _LAYOUT if not (root / name).is_dir()]
    if not missing:
        return
    cure = "point to the folder that holds them"
    if not root.is_dir():
        cure = "there is no such folder"
    else:
        for child in sorted(root.iterdir()):
            if all((child / name).is_dir() for name in _LAYOUT):
                cure = f"{child} looks like one, point to that"
                break
    raise ValueError(
        f"{root}: expected a VOC folder with {', '.join(_LAYOUT)}, got none of its "
        f"{', '.join(missing)}; {cure}"
    )


def read_split(root: Path, split: str) -> list[str]:
    """The image ids of a split, in the order of its file.

    Raises: ValueError, naming the splits that exist, where it is missing; where it is empty or
    names a picture twice.
    """
    path = split_path(root, split)
    if not path.is_file():
        found = ", ".join(split_names(root)) or "none"
        raise ValueError(f"{path}: no split {split!r}; the folder has: {found}; choose one of them")
    image_ids = list(split_lines(root, split).values())
    if not image_ids:
        raise ValueError(f"{path}: expected one image id a line, got an empty file; fill it")
    image_id, count = Counter(image_ids).most_common(1)[0]
    if count > 1:
        raise ValueError(
            f"{path}: expected each image id once, got {image_id!r} {count} times; keep one"
        )
    return image_ids


def split_path(root: Path, split: str) -> Path:
    """The file of a split."""
    return root / "ImageSets/Main" / f"{split}.txt"


def split_names(root: Path) -> list[str]:
    """The splits that a VOC folder has, sorted."""
    return sorted(file.stem for file in (root / "ImageSets/Main").glob("*.txt"))


def split_lines(root: Path, split: str) -> dict[int, str]:
    """Line number, from 1, → image id, for each line of a split's file that is not blank."""
    lines = split_path(root, split).read_text(encoding="utf-8-sig").splitlines()
    return {n: _image_id(root, line.strip()) for n, line in enumerate(lines, 1) if line.strip()}


def _image_id(root: Path, line: str) -> str:
    """The whole line where it has an annotation, since names may hold spaces; else its first word.

    VOC's own per-class files follow the id with 1, 0 or -1.
    """
    words = line.split()
    whole = len(words) == 1 or (root / "Annotations" / f"{line}.xml").is_file()
    return line if whole else words[0]


def find_class_names(root: Path) -> tuple[str, ...]:
    """The names in labels.txt, a name a line, else the sorted names of all the annotations.

    Raises: ValueError where there is none, or labels.txt names one twice.
    """
    labels = label_lines(root)
    if labels is not None:
        return check_class_names(labels.values(), str(root / "labels.txt"))
    files = sorted((root / "Annotations").glob("*.xml"))
    names = {item.name for file in files for item in read_annotation(file).objects}
    return check_class_names(sorted(names), str(root / "Annotations"))


def label_lines(root: Path) -> dict[int, str] | None:
    """Line number, from 1, → class name of labels.txt, without blank lines; None without a file."""
    path = root / "labels.txt"
    if not path.is_file():
        return None
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return {number: line.strip() for number, line in enumerate(lines, 1) if line.strip()}


def check_class_names(names: Iterable[str], origin: str = "class_names") -> tuple[str, ...]:
    """The names as a tuple. Raises: ValueError where there is none or one comes twice."""
    names = tuple(names)
    if not names or len(set(names)) != len(names):
        raise ValueError(f"{origin}: expected different class names, got {names}; correct the list")
    return names


def picture_files(root: Path) -> list[Path]:
    """The pictures of a VOC folder, sorted, annotated or not."""
    return sorted(path for path in (root / "JPEGImages").iterdir() if path.suffix in _SUFFIXES)


def find_image(root: Path, image_id: str, annotation: VocAnnotation) -> Path:
    """The picture of an annotation: named as the split names it, else as `<filename>` does.

    The stem comes first because tools that rename or copy files leave `<filename>` as it was.

    Raises: ValueError, naming the annotation and the expected path, where there is neither.
    """
    folder = root / "JPEGImages"
    for suffix in _SUFFIXES:
        path = folder / f"{image_id}{suffix}"
        if path.is_file():
            return path
    if annotation.filename:
        # The name alone: a path from another machine, or one that climbs out, is no use here.
        path = folder / annotation.filename.replace("\\", "/").rsplit("/", 1)[-1]
        if path.is_file():
            return path
    raise ValueError(
        f"{annotation.path}: expected its picture at {folder / image_id}.jpg (or .png and so on), "
        f"got no such file, nor one named by <filename> ({annotation.filename}); add the picture"
    )
