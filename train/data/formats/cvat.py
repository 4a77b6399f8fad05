"""CVAT for images 1.1: an XML file that lists pictures, each with its shapes in pixels.

A shape becomes the box around it. CVAT turns pictures upright before it shows them. Form:
https://docs.cvat.ai/docs/other/xml_format
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET  # names a type only, see `located_xml`
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from train.data.annotation import Box, Flaw, LabeledObject
from train.data.formats.base import OWN_FORM, Format, Recognized
from train.data.formats.files import UNPRINTABLE, FolderFiles
from train.data.formats.image_ids import split_of
from train.data.formats.listed.content import Category, ListedImage, ListFile, some
from train.data.formats.listed.folder import read_lists
from train.data.formats.located_xml import read_xml
from train.data.formats.numbers import finite_number, shown
from train.data.formats.shapes import around, around_ellipse, around_rotated
from train.data.formats.text import clean_name
from train.data.labeled_folder import LabeledFolder

_SNIFFED_BYTES = 2048
_ROOT_TAG = re.compile(rb"<annotations[\s>/]")
_EMPTY = re.compile(rb"<image [^>]*(?:/>|>\s*</image>)")
_SHAPES = ("box", "polygon", "ellipse", "mask")
_OF_BOX = ("xtl", "ytl", "xbr", "ybr")
_OF_ELLIPSE = ("cx", "cy", "rx", "ry")
_OF_MASK = ("left", "top", "width", "height")
_NO_SPLIT = "default"  # CVAT's own word for none
_FEWEST_POINTS = 3

_Lines = dict[ET.Element, int]


def recognize(files: FolderFiles) -> Recognized | None:
    """CVAT's XML where there are files with the root <annotations>."""
    counts = {path: _count_images(path) for path in files.with_suffix(".xml")}
    paths = [path for path, count in counts.items() if count is not None]
    if not paths:
        return None
    return Recognized(sum(counts[path] or 0 for path in paths), partial(_read, files, paths))


FORMAT = Format("CVAT", recognize, OWN_FORM)


def _count_images(path: Path) -> int | None:
    """Pictures with shapes; None of another XML."""
    with path.open("rb") as file:
        start = file.read(_SNIFFED_BYTES).replace(b"\0", b"")  # UTF-16 as well
        if not _ROOT_TAG.search(start):
            return None
        whole = start + file.read().replace(b"\0", b"")
    return max(1, whole.count(b"<image ") - len(_EMPTY.findall(whole)))


def _read(files: FolderFiles, paths: Sequence[Path]) -> LabeledFolder:
    notes: list[str] = []
    lists = [read_cvat_file(path, notes) for path in paths]
    return read_lists(files, lists, FORMAT.name, "the attribute name", notes)


def read_cvat_file(path: Path, notes: list[str]) -> ListFile:
    """One file; sentences for the screen on what was left aside are added to `notes`.

    Raises: ValueError, naming the line, where it is no XML, is CVAT's form of a video or has no
    pictures. OSError.
    """
    root, lines = read_xml(path)
    track = root.find("track")
    if track is not None:
        raise ValueError(
            f"{path}, line {lines[track]}: expected CVAT for images, got <track>, CVAT for video; "
            'export the task as "CVAT for images 1.1", with its pictures'
        )
    nodes = root.findall("image")
    if root.tag != "annotations" or not nodes:
        raise ValueError(
            f"{path}: expected CVAT's <annotations> with <image> elements, got none; export the "
            'task as "CVAT for images 1.1"'
        )
    flaws: list[Flaw] = []
    aside: Counter[str] = Counter()
    images: list[ListedImage] = []
    for node in nodes:
        found = _read_image(node, lines, aside)
        if isinstance(found, Flaw):
            flaws.append(found)
        else:
            images.append(found)
    notes += [f"{path}: {count} {what}" for what, count in aside.items()]
    return ListFile(path, tuple(images), _read_labels(root, lines), tuple(flaws))


def _read_labels(root: ET.Element, lines: _Lines) -> tuple[Category, ...]:
    """The classes of the task or project in its order, parts of skeletons left out."""
    meta = root.find("meta")
    found: dict[str, Category] = {}
    for node in meta.iter("label") if meta is not None else ():
        name = clean_name(node.findtext("name") or "")
        if name and node.find("parent") is None:
            found.setdefault(name, Category(lines[node], (0, len(found), ""), name))
    return tuple(found.values())


def _read_image(node: ET.Element, lines: _Lines, aside: Counter[str]) -> ListedImage | Flaw:
    name = node.get("name", "").strip()
    if not name.strip("./\\") or UNPRINTABLE.search(name):
        message = f"<image> expected a name of one line, got {name!a}; add the picture's name"
        return Flaw("unknown-image", lines[node], message, 0)
    subset = node.get("subset", _NO_SPLIT).strip()
    split = split_of([subset])
    if split is None and subset.lower() not in ("", _NO_SPLIT):
        aside[f"pictures are in the subset {shown(subset)}, which is no split"] += 1
    image = ListedImage(lines[node], name, _size(node), split=split)
    number = 0
    for shape in node:
        if shape.tag == "tag":
            label = shown(shape.get("label", ""))
            aside[f"tags {label} of whole pictures are left aside: they are no boxes"] += 1
        elif isinstance(shape.tag, str):  # no comment
            number += 1
            found = _read_shape(shape, f"object {number} of {name}", number, lines[shape])
            if isinstance(found, Flaw):
                image.flaws.append(found)
            else:
                image.objects.append(found)
    return image


def _size(node: ET.Element) -> tuple[int, int] | None:
    sides = [finite_number(node.get(side, "")) for side in ("width", "height")]
    width, height = sides
    if width is None or height is None or width < 1 or height < 1:
        return None  # the picture itself knows better, so a bad size is no reason to stop
    return int(width), int(height)


def _read_shape(shape: ET.Element, what: str, number: int, line: int) -> LabeledObject | Flaw:
    name = clean_name(shape.get("label", ""))
    if not name:
        message = f"{what} has no label; give the shape a class"
        return Flaw("missing-tag", line, message, number)
    if shape.tag not in _SHAPES:
        message = (
            f"{what} expected a shape with an area, {some(_SHAPES)}, got <{shape.tag}>; draw a "
            "rectangle instead, or remove the shape"
        )
        return Flaw("missing-tag", line, message, number)
    box = _read_box(shape)
    if isinstance(box, str):
        return Flaw("bad-number", line, f"{what} {box}; correct it or remove the shape", number)
    return LabeledObject(name, box, False, number, line, line)


def _read_box(shape: ET.Element) -> Box | str:
    """The box around a shape, or what is wrong with it."""
    if shape.tag == "polygon":
        return _polygon_box(shape.get("points", ""))
    names = {"box": _OF_BOX, "ellipse": _OF_ELLIPSE, "mask": _OF_MASK}[shape.tag]
    texts = [shape.get(name) for name in names] + [shape.get("rotation", "0")]
    numbers = [finite_number(text or "") for text in texts]
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers):
        shape_text = " ".join(f'{k}="{v}"' for k, v in shape.attrib.items() if k in names)
        return f"expected numbers in {', '.join(names)} of <{shape.tag}>, got {shown(shape_text)}"
    a, b, c, d, degrees = known
    if shape.tag == "mask":
        return a, b, a + c, b + d
    if shape.tag == "ellipse":
        return around_ellipse((a, b), (c, d), degrees)
    return around_rotated((a, b, c, d), degrees, ((a + c) / 2, (b + d) / 2))


def _polygon_box(text: str) -> Box | str:
    pairs = [pair.split(",") for pair in text.split(";")]
    numbers = [finite_number(part) for pair in pairs for part in pair]
    known = [number for number in numbers if number is not None]
    whole = len(known) == len(numbers) and all(len(pair) == 2 for pair in pairs)
    if not whole or len(pairs) < _FEWEST_POINTS:
        return f"expected points of at least {_FEWEST_POINTS} pairs x,y;x,y, got {shown(text)}"
    return around(zip(known[::2], known[1::2], strict=True))
