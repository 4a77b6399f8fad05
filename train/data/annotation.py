"""Annotation: the labelled boxes of one picture, as its label file gives them, in any format.

Numbers are taken as corner coordinates in pixels, x / width and y / height with no +1. VOC's own
files count pixels from 1 and include the last one; labelImg and its heirs, whose files are the
common ones today, write corners. The difference is at most a pixel.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

Box: TypeAlias = tuple[float, float, float, float]  # xyxy


@dataclass(frozen=True)
class LabeledObject:
    """One labelled object: its class name, its box in pixels as written, unchecked, its flags.

    Attributes:
        number: of the object in its picture, from 1.
        name_line, box_line: where its class and its box stand in the label file, from 1; 0 where
            the format has no lines.
        crowd: COCO's iscrowd, Open Images' IsGroupOf: one box around many.
    """

    name: str
    box_px: Box
    difficult: bool
    number: int
    name_line: int
    box_line: int
    crowd: bool = False


@dataclass(frozen=True)
class Flaw:
    """Why an object cannot be used: "missing-tag", "bad-number" and so on, where, what to do."""

    kind: str
    line: int
    message: str
    number: int


@dataclass(frozen=True)
class Annotation:
    """All labelled objects of one picture.

    Attributes:
        path: the label file; of a picture without one the picture itself.
        filename: the picture's name as the label file gives it, None where it does not.
        size_wh: of the picture that the boxes were drawn on, pixels; None where the file gives no
            usable size.
        line, size_line: where the picture's entry and its size stand in `path`.
    """

    path: Path
    filename: str | None
    size_wh: tuple[int, int] | None
    objects: tuple[LabeledObject, ...]
    line: int
    size_line: int


class MalformedLabels(ValueError):  # noqa: N818  (a flaw of the file, not of the program)
    """Nothing can be read from a label file. `line`: where. `reason`: without file and line."""

    def __init__(self, where: str, line: int, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.line, self.reason = line, reason


def check_class_names(names: Iterable[str], origin: str = "class_names") -> tuple[str, ...]:
    """The names as a tuple. Raises: ValueError where there is none or one comes twice."""
    names = tuple(names)
    if not names or len(set(names)) != len(names):
        raise ValueError(f"{origin}: expected different class names, got {names}; correct the list")
    return names
