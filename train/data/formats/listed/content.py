"""List of labels: one file that names pictures, each with its boxes, as a reader gives it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from train.data.annotation import Flaw, LabeledObject, MalformedLabels


@dataclass
class ListedImage:
    """A picture's entry with its objects and flaws.

    file_name: as the list gives it: a name, or a path, perhaps of another machine.
    malformed: why it is unknown which boxes it has; the objects are of no use then.
    split: the one that the entry itself gives.
    """

    line: int
    file_name: str
    size_wh: tuple[int, int] | None
    objects: list[LabeledObject] = field(default_factory=list)
    flaws: list[Flaw] = field(default_factory=list)
    malformed: MalformedLabels | None = None
    split: str | None = None


@dataclass(frozen=True)
class Category:
    """A class that a list gives. number: its id or place, numbers as numbers, to sort by."""

    line: int
    number: tuple[int, int, str]
    name: str


@dataclass(frozen=True)
class ListFile:
    """A list. categories: in the order of their numbers. flaws: those that belong to no image."""

    path: Path
    images: tuple[ListedImage, ...]
    categories: tuple[Category, ...]
    flaws: tuple[Flaw, ...]


def some(names: Iterable[str], most: int = 5) -> str:
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
