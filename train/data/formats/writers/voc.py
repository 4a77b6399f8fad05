"""PASCAL VOC, written: Annotations/, JPEGImages/, ImageSets/Main/ and labels.txt."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from edge_runtime.exports.base import number_text
from train.data.formats.voc import make_layout, write_tree
from train.data.formats.writers.selection import (
    Kept,
    Picture,
    Selection,
    Target,
    copy_picture,
    kept,
    writing,
)
from train.data.labeled_folder import LabeledFolder


def write_voc(folder: LabeledFolder, out: Path) -> Kept:
    """Write a labelled folder as PASCAL VOC; `out` appears whole or not at all.

    Boxes stay as they were drawn, with the size that they were drawn on. VOC has no crowds: such
    a box becomes a difficult one, which is not counted either, and is noted.

    Raises: ValueError where `out` holds something or nothing can be written. OSError.
    """
    with writing(folder, out, Target()) as (target, selection):
        make_layout(target)
        for picture in selection.pictures.values():
            copy_picture(picture, target / "JPEGImages" / picture.name)
            path = target / "Annotations" / f"{picture.image_id}.xml"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_tree(_tree(selection, picture), path)
        for split, pictures in selection.splits.items():
            text = "".join(f"{picture.image_id}\n" for picture in pictures)
            (target / "ImageSets/Main" / f"{split}.txt").write_text(text, encoding="utf-8")
        if selection.class_names:
            text = "".join(f"{name}\n" for name in selection.class_names)
            (target / "labels.txt").write_text(text, encoding="utf-8")
    return kept(selection)


def _tree(selection: Selection, picture: Picture) -> ET.Element:
    root = ET.Element("annotation")
    ET.SubElement(root, "filename").text = picture.name.rsplit("/", 1)[-1]
    size = ET.SubElement(root, "size")
    for tag, number in zip(("width", "height", "depth"), (*picture.size_wh, 3), strict=True):
        ET.SubElement(size, tag).text = str(number)
    for item in picture.objects:
        if item.crowd:
            why = "VOC has no crowds; it became a difficult box"
            selection.lose_object(picture, item, "crowd-flag", why)
        node = ET.SubElement(root, "object")
        texts = {
            "name": item.name,
            "pose": "Unspecified",  # with "truncated" what other programs expect to be there
            "truncated": "0",
            "difficult": str(int(item.difficult or item.crowd)),
        }
        for tag, text in texts.items():
            ET.SubElement(node, tag).text = text
        box = ET.SubElement(node, "bndbox")
        for tag, corner in zip(("xmin", "ymin", "xmax", "ymax"), item.box_px, strict=True):
            ET.SubElement(box, tag).text = number_text(corner)
        selection.boxes += 1
    ET.indent(root)
    return root
