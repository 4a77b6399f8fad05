"""Class names beside a table: Open Images' descriptions of its ids, and lists of classes."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from train.data.formats.class_names import read_class_list
from train.data.formats.csv_table.columns import parse_row
from train.data.formats.files import FolderFiles
from train.data.formats.text import clean_name, read_lines
from train.data.labeled_folder import ClassList

_LISTS = ("classes.csv", "class.csv", "class_list.csv", "class_mapping.csv", "labels.csv")


def read_descriptions(files: FolderFiles) -> dict[str, str]:
    """Open Images' ids such as /m/01g317 → names, of class-descriptions*.csv or FiftyOne's
    metadata/classes.csv; {} without one.

    Raises: ValueError, naming file and line, for a row of other than two cells. OSError.
    """
    names = {}
    for path in files.with_suffix(".csv"):
        if _is_descriptions(path):
            for _, (label, name) in _pairs(path):
                names[label] = clean_name(name)
    return names


def _is_descriptions(path: Path) -> bool:
    name = path.name.lower()
    if "class-descriptions" in name:
        return True
    if name not in _LISTS:
        return False
    with path.open("rb") as file:
        return file.read(4).lstrip(b'"').startswith(b"/m/")


def find_class_list(files: FolderFiles, tables: set[Path]) -> ClassList | None:
    """The order of the classes: keras-retinanet's classes.csv (name,0), else a name a line.

    Raises: ValueError, naming file and line, where it is malformed. OSError.
    """
    for path in files.with_suffix(".csv"):
        if path.name.lower() in _LISTS and path not in tables and not _is_descriptions(path):
            return _read_numbered(path)
    for path in files.with_suffix(".txt"):
        if path.name.lower() in ("labels.txt", "classes.txt"):
            return read_class_list(path)
    return None


def _read_numbered(path: Path) -> ClassList:
    numbered: dict[int, tuple[int, str]] = {}
    for line, (name, number) in _pairs(path):
        if not number.isdecimal() and not numbered:
            continue  # a header
        if not number.isdecimal() or int(number[:9]) in numbered:
            raise ValueError(
                f"{path}, line {line}: expected a class name and a number of its own, got "
                f"{name!r} and {number!r}; correct the line"
            )
        numbered[int(number[:9])] = line, clean_name(name)
    if not numbered:
        raise ValueError(f"{path}: expected lines such as cat,0, got none; fill it")
    return ClassList(path, tuple(name for _, name in sorted(numbered.items())))


def _pairs(path: Path) -> Iterator[tuple[int, tuple[str, str]]]:
    for line, text in read_lines(path):
        try:
            cells = parse_row(text, ",")
        except csv.Error as error:
            raise ValueError(f"{path}, line {line}: {error}; correct the line") from error
        if len(cells) != 2:
            raise ValueError(
                f"{path}, line {line}: expected two cells, got {len(cells)}; correct the line, "
                "with quotes around a name that holds a comma"
            )
        yield line, (cells[0], cells[1])
