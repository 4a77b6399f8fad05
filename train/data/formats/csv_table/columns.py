"""Columns of a table of boxes: recognised by its header, else by what its first rows hold."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from train.data.formats.csv_table.titles import (
    CORNER_AND_SIZE,
    CORNERS,
    CORNERS_FROM_0,
    IMAGE,
    NAME,
    SIZE,
    SPLIT,
)
from train.data.formats.image_ids import IMAGE_SUFFIXES
from train.data.formats.numbers import finite_number

_FIRST_BYTES = 1 << 16
_FIRST_ROWS = 20
_AUTOML_USES = {
    "train": "train",
    "training": "train",
    "validation": "val",
    "validate": "val",
    "test": "test",
    "unassigned": None,
}


@dataclass(frozen=True)
class Columns:
    """Columns of a table: their numbers from 0, None where it is not there.

    Attributes:
        kind: for people.
        titles: of the columns; of a table without header what they hold.
        header_line: 0 where there is none.
        corners: x min, y min, x max, y max; () where `bbox` holds x, y, width, height as a text.
        sized: whether the last two of `corners` are width and height.
        vertices: the 8 columns of AutoML's four corners.
        fractions: whether boxes are in fractions of the picture, else in pixels.
        open_images: a table of far more pictures than anyone has.
    """

    kind: str
    delimiter: str
    titles: tuple[str, ...]
    header_line: int
    image: int
    name: int | None
    corners: tuple[int, ...] = ()
    sized: bool = False
    bbox: int | None = None
    vertices: tuple[int, ...] = ()
    width: int | None = None
    height: int | None = None
    split: int | None = None
    crowd: int | None = None
    fractions: bool = False
    open_images: bool = False


def parse_row(line: str, delimiter: str) -> list[str]:
    """The cells of a line, without outer space.

    Line by line, so that a quote that is never closed costs one row and not all that follow.

    Raises: csv.Error for such a quote, a NUL or a cell of more than 131072 characters.
    """
    rows = csv.reader([line], delimiter=delimiter, skipinitialspace=True, strict=True)
    return [cell.strip() for row in rows for cell in row]


def find_columns(path: Path) -> Columns | None:
    """The columns of a table of boxes; None where it is another table. Raises: OSError."""
    lines = list(_first_lines(path))
    if not lines:
        return None
    for delimiter in (",", ";", "\t"):
        rows = []
        for number, line in lines[:_FIRST_ROWS]:
            try:
                rows.append((number, parse_row(line, delimiter)))
            except csv.Error:
                continue
        for number, cells in rows[:1]:
            found = _from_header(cells, delimiter, number)
            if found:
                return found
        for _, cells in [] if rows and _is_header(rows[0][1]) else rows:
            found = _from_cells(cells, delimiter)
            if found:
                return found
    return None


def _first_lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open("rb") as file:
        content = file.read(_FIRST_BYTES)
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    lines = re.split("\r\n|\r|\n", content.decode(encoding, errors="replace"))
    yield from ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def _is_header(cells: list[str]) -> bool:
    """Whether a row is one of titles, understood or not: no picture, no number, as in no data."""
    return len(cells) > 4 and not any(
        not cell or _has_image_suffix(cell) or finite_number(cell) is not None for cell in cells[1:]
    )


def _from_header(cells: list[str], delimiter: str, line: int) -> Columns | None:
    titles = [re.sub(r"[\s-]+", "_", cell.lower()) for cell in cells]

    def find(names: list[str]) -> int | None:
        return next((titles.index(name) for name in names if name in titles), None)

    def find_all(groups: tuple[list[str], ...]) -> tuple[int, ...]:
        found = tuple(at for names in groups if (at := find(names)) is not None)
        return found if len(found) == len(groups) else ()

    image, name, bbox = find(IMAGE), find(NAME), find(["bbox"])
    corners = find_all(CORNERS_FROM_0) or find_all(CORNERS)
    has_end = bbox is not None or find(CORNERS[2]) is not None or find(CORNERS[3]) is not None
    sized = () if has_end else find_all(CORNER_AND_SIZE)
    if image is None or not (corners or sized or bbox is not None) or image == name:
        return None
    open_images = {"imageid", "labelname", "xmin"} <= set(titles)
    size = find_all(SIZE)
    if set(size) & set(sized):  # those of the box
        size = ()
    return Columns(
        "Open Images" if open_images else "boxes in pixels",
        delimiter,
        tuple(cells),
        line,
        image,
        name,
        corners or sized,
        bool(sized),
        None if corners else bbox,
        width=size[0] if size else None,
        height=size[1] if size else None,
        split=find(SPLIT),
        crowd=find(["isgroupof", "is_group_of", "iscrowd"]),
        fractions=open_images,
        open_images=open_images,
    )


def _from_cells(cells: list[str], delimiter: str) -> Columns | None:
    if len(cells) >= 9 and cells[0].lower() in _AUTOML_USES and (cells[1] or cells[2]):
        corners = tuple(f"{axis}{corner}" for corner in range(1, 5) for axis in "xy")
        return Columns(
            "AutoML, boxes in fractions",
            delimiter,
            ("use", "path", "label", *corners),
            0,
            image=1,
            name=2,
            vertices=tuple(range(3, 11)),
            split=0,
            fractions=True,
        )
    numbers = [finite_number(cell) is not None for cell in cells[1:5]]
    if len(cells) == 8 and _has_image_suffix(cells[5]) and all(numbers):
        return Columns(
            "makesense.ai, boxes in pixels",
            delimiter,
            ("label", "x", "y", "width", "height", "image", "image width", "image height"),
            0,
            image=5,
            name=0,
            corners=(1, 2, 3, 4),
            sized=True,
            width=6,
            height=7,
        )
    is_image = len(cells) == 6 and _has_image_suffix(cells[0])
    if is_image and (all(numbers) or not any(cells[1:])):
        titles = ("path", "x1", "y1", "x2", "y2", "class")
        return Columns(
            "rows without header, boxes in pixels", delimiter, titles, 0, 0, 5, (1, 2, 3, 4)
        )
    return None


def _has_image_suffix(text: str) -> bool:
    return PurePosixPath(text.replace("\\", "/")).suffix.lower() in IMAGE_SUFFIXES


def split_of_cell(text: str) -> str | None:
    """The split that a cell names; None where it names none."""
    lower = text.lower()
    return _AUTOML_USES.get(lower, {"valid": "val", "testing": "test"}.get(lower, text or None))
