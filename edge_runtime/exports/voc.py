"""PASCAL VOC export: an XML file a picture, as LabelImg writes it."""

from __future__ import annotations

import xml.etree.ElementTree as ET  # writes only
from pathlib import Path

from edge_runtime.exports.base import (
    CLASS_CURE,
    Job,
    Label,
    Picture,
    Writer,
    check_characters,
    number_text,
    plan_label_files,
)
from edge_runtime.media.atomic import atomic_path


class VocWriter(Writer):
    """NAME.xml in the job's folder; a picture without objects gets a file as well.

    Corners are in pixels of the upright picture, from 0, the last one not included.
    """

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        check_characters(job.class_names, CLASS_CURE)
        names = [part for image in job.images for part in Path(image).absolute().parts[-2:]]
        check_characters(names, "rename the file or its folder")
        self._targets = plan_label_files(job, "voc", ".xml")

    def write(self, picture: Picture) -> None:
        with atomic_path(self._targets[picture.number]) as temporary:
            tree = ET.ElementTree(_annotation(picture))
            tree.write(temporary, encoding="utf-8")


def _annotation(picture: Picture) -> ET.Element:
    root = ET.Element("annotation")
    path = Path(picture.path).absolute()
    _add(root, "folder", path.parent.name)
    _add(root, "filename", path.name)
    _add(ET.SubElement(root, "source"), "database", "Unknown")
    size = ET.SubElement(root, "size")
    for tag, value in (("width", picture.width), ("height", picture.height), ("depth", 3)):
        _add(size, tag, str(value))
    _add(root, "segmented", "0")
    for label in picture.labels():
        root.append(_object(label))
    ET.indent(root, "\t")
    return root


def _object(label: Label) -> ET.Element:
    node = ET.Element("object")
    _add(node, "name", label.name)
    _add(node, "pose", "Unspecified")
    _add(node, "truncated", "0")
    _add(node, "difficult", "0")
    box = ET.SubElement(node, "bndbox")
    for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), label.box, strict=True):
        _add(box, tag, number_text(value))
    return node


def _add(parent: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(parent, tag).text = text
