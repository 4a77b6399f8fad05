"""A repaired annotation file: the tree with its flaws mended, all else as it was."""

from __future__ import annotations

import xml.etree.ElementTree as ET  # changes only; reading goes through voc_xml

from train.data.lint.findings import Change
from train.data.lint.survey import Record, Survey
from train.data.voc import VocObject, corner_text
from train.placement import Box, Placement, by, clip_box, describe_box
from train.voc_xml import read_tree

_TAGS = ("xmin", "ymin", "xmax", "ymax")


def repair_annotation(survey: Survey, record: Record) -> tuple[ET.Element, list[Change]]:
    """The root of a usable annotation, repaired, and what was changed; no change, no flaw.

    The boxes of a picture that is turned upright are turned along.
    """
    root, _ = read_tree(record.path)
    file, annotation, placement = survey.relative(record.path), record.annotation, record.placement
    nodes = root.findall("object")
    changes = []
    for number in sorted({flaw.number for flaw in record.flaws}):
        flaw = next(flaw for flaw in record.flaws if flaw.number == number)
        text = f"removed object {number}: without a name or a corner"
        changes.append(Change(file, flaw.line, flaw.kind, text))
        _remove(root, nodes[number - 1])
    kept: set[tuple[str, Box]] = set()
    for item in annotation.objects:
        node = nodes[item.number - 1]
        name = survey.corrections.get(item.name, item.name)
        flaw, text, box = _repair_box(item, placement)
        if flaw:
            text = f"{describe_box(item)} {text}"
            changes.append(Change(file, item.box_line, flaw, text))
        if box and (name, box) in kept:
            text = f"{describe_box(item)} removed: the same box is there"
            changes.append(Change(file, item.box_line, "duplicate-box", text))
            box = None
        if box is None:
            _remove(root, node)
            continue
        kept.add((name, box))
        if name != item.name:
            text = f"renamed {item.name!r} to {name!r}"
            changes.append(Change(file, item.name_line, "misspelt-class", text))
            node.find("name").text = name
        if box != item.box_px:
            for tag, value in zip(_TAGS, box, strict=True):
                node.find(f"bndbox/{tag}").text = corner_text(value)
    return root, changes + _repair_size(root, file, record)


def _repair_box(item: VocObject, placement: Placement) -> tuple[str | None, str, Box | None]:
    """(flaw, what is done about it, the box in pixels of the upright picture or None)."""
    flaw, box = clip_box(item.box_px, placement.drawn_wh)
    text = "removed"
    if flaw == "inverted-box":
        x_a, y_a, x_b, y_b = item.box_px
        righted = (min(x_a, x_b), min(y_a, y_b), max(x_a, x_b), max(y_a, y_b))
        _, box = clip_box(righted, placement.drawn_wh)
        text = "removed: outside the picture even with its corners swapped back"
    if box is None:
        return flaw, text, None
    return flaw, f"becomes ({', '.join(map(corner_text, box))})", placement.upright_px(box)


def _repair_size(root: ET.Element, file: str, record: Record) -> list[Change]:
    annotation, placement = record.annotation, record.placement
    if annotation.size_wh == placement.size_wh:
        return []
    size = root.find("size")
    if size is None:
        size = ET.Element("size")
        size.tail = root.text
        root.insert(0, size)
    for tag, value in zip(("width", "height"), placement.size_wh, strict=True):
        node = size.find(tag)
        (ET.SubElement(size, tag) if node is None else node).text = str(value)
    old = by(annotation.size_wh) if annotation.size_wh else "none"
    kind, text = "missing-size", f"size {old} becomes {by(placement.size_wh)}"
    if annotation.size_wh:
        kind = "size-mismatch" if placement.contradicted else "exif-turned"
    if placement.turn:
        text += "; boxes turned along"
    return [Change(file, annotation.size_line, kind, text)]


def _remove(root: ET.Element, node: ET.Element) -> None:
    place = list(root).index(node)
    if place and place == len(root) - 1:
        root[place - 1].tail = node.tail  # the indentation before the closing tag
    root.remove(node)
