"""Rows of a table of boxes: one box each, checked cell by cell."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from train.data.annotation import Box, Flaw
from train.data.formats.csv_table.columns import Columns, parse_row, split_of_cell
from train.data.formats.fractions import MOST_FRACTION
from train.data.formats.numbers import finite_number, shown
from train.data.formats.text import clean_name, read_lines

NO_CLASS = "object"  # the class of all boxes of a table without a column of classes
_LONGEST_START = 10_000  # characters of a malformed row that are looked at
_CURE = "correct it or remove the row"


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        image: as written.
        box: xyxy, as written: in fractions or pixels as the table's columns say; None where the
            row says that its picture shows nothing, or where there is a flaw.
        size_wh: of the picture by the row, pixels.
    """

    line: int
    image: str
    split: str | None
    size_wh: tuple[int, int] | None
    name: str = ""
    box: Box | None = None
    crowd: bool = False
    flaw: Flaw | None = None


def read_rows(path: Path, columns: Columns) -> Iterator[Row | Flaw]:
    """The rows of a table; a flaw alone where a row names no picture.

    Raises: MalformedLabels, at the line that it concerns, where it is no text. OSError.
    """
    for line, text in read_lines(path):
        if line == columns.header_line:
            continue
        try:
            cells = parse_row(text, columns.delimiter)
        except csv.Error as error:
            message = f"expected cells separated by {columns.delimiter!r}, got {error}; {_CURE}"
            # Whose row it is can still be told where the picture comes first, as it mostly does.
            cells = text[:_LONGEST_START].split(columns.delimiter)
            image = cells[columns.image].strip() if columns.image < len(cells) else ""
            flaw = Flaw("malformed-row", line, message, 0)
            yield Row(line, image, None, None, flaw=flaw) if image else flaw
            continue
        yield _read_row(cells, line, columns)


def _read_row(cells: list[str], line: int, columns: Columns) -> Row | Flaw:
    expected = len(columns.titles)
    if any(cells[expected:]):
        message = (
            f"expected {expected} cells, got {len(cells)}; put quotes around a cell that holds "
            f"{columns.delimiter!r}"
        )
        flaw = Flaw("malformed-row", line, message, 0)
        image = cells[columns.image]
        return Row(line, image, None, None, flaw=flaw) if image else flaw
    cells = [*cells, *[""] * (expected - len(cells))]
    image = cells[columns.image]
    if not image:
        message = f"names no picture in {columns.titles[columns.image]}; {_CURE}"
        return Flaw("missing-cell", line, message, 0)
    split = None if columns.split is None else split_of_cell(cells[columns.split])
    size_wh = _size(cells, columns)
    name = NO_CLASS if columns.name is None else clean_name(cells[columns.name])
    used = [*columns.corners, *columns.vertices]
    if columns.bbox is not None:
        used.append(columns.bbox)
    if not any(cells[at] for at in used) and (columns.name is None or not name):
        return Row(line, image, split, size_wh)
    box = _read_box(cells, line, columns)
    if not isinstance(box, Flaw) and not name and columns.name is not None:
        title = columns.titles[columns.name]
        box = Flaw("missing-cell", line, f"has a box and no {title}; {_CURE}", 0)
    if isinstance(box, Flaw):
        return Row(line, image, split, size_wh, flaw=box)
    crowd = columns.crowd is not None and cells[columns.crowd].lower() in ("1", "true")
    return Row(line, image, split, size_wh, name, box, crowd)


def _size(cells: list[str], columns: Columns) -> tuple[int, int] | None:
    if columns.width is None or columns.height is None:
        return None
    width, height = (finite_number(cells[at]) for at in (columns.width, columns.height))
    return (int(width), int(height)) if width and height and min(width, height) >= 1 else None


def _read_box(cells: list[str], line: int, columns: Columns) -> Box | Flaw:
    if columns.bbox is not None:
        return _read_xywh(cells[columns.bbox], line, columns.titles[columns.bbox])
    if columns.vertices:
        corners = _read_vertices(cells, line, columns)
    else:
        corners = _read_numbers(cells, columns.corners, line, columns)
    if isinstance(corners, Flaw):
        return corners
    if columns.sized:
        return _from_size(corners, line, ", ".join(columns.titles[at] for at in columns.corners))
    x_min, y_min, x_max, y_max = corners
    largest = max(corners, key=abs)
    if columns.fractions and abs(largest) > MOST_FRACTION:
        message = (
            f"expected fractions of the picture, 0 to 1, got {largest:g}; divide pixels by the "
            "picture's width and height"
        )
        return Flaw("not-normalized", line, message, 0)
    return x_min, y_min, x_max, y_max


def _read_numbers(
    cells: list[str], used: tuple[int, ...], line: int, columns: Columns
) -> list[float] | Flaw:
    values = []
    for at in used:
        value = finite_number(cells[at])
        if value is None:
            title = columns.titles[at]
            if not cells[at]:
                return Flaw("missing-cell", line, f"has no {title}; {_CURE}", 0)
            message = f"expected a finite number in {title}, got {shown(cells[at])}; {_CURE}"
            return Flaw("bad-number", line, message, 0)
        values.append(value)
    return values


def _read_vertices(cells: list[str], line: int, columns: Columns) -> list[float] | Flaw:
    """Two opposite corners as written, x1 y1 and x3 y3; of all four corners the box around them."""
    used = columns.vertices
    others = used[2], used[3], used[6], used[7]
    if not any(cells[at] for at in others):
        return _read_numbers(cells, (used[0], used[1], used[4], used[5]), line, columns)
    values = _read_numbers(cells, used, line, columns)
    if isinstance(values, Flaw):
        return values
    return [min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])]


def _read_xywh(cell: str, line: int, title: str) -> Box | Flaw:
    values = [finite_number(text) for text in re.split(r"[\s,;]+", cell.strip("[]() "))]
    numbers = [value for value in values if value is not None]
    if len(values) != 4 or len(numbers) != 4:
        message = f"expected [x, y, width, height] in {title}, got {shown(cell)}; {_CURE}"
        return Flaw("bad-number", line, message, 0)
    return _from_size(numbers, line, title)


def _from_size(numbers: list[float], line: int, title: str) -> Box | Flaw:
    """x, y, width and height to corners."""
    x_min, y_min, width, height = numbers
    if width < 0 or height < 0:
        shown_numbers = shown(", ".join(f"{number:g}" for number in numbers))
        message = f"has a negative width or height in {title}, {shown_numbers}; {_CURE}"
        return Flaw("bad-number", line, message, 0)
    return x_min, y_min, x_min + width, y_min + height
