"""Class lists: a class name a line, as in classes.txt, obj.names or labels.txt."""

from __future__ import annotations

from pathlib import Path

from train.data.formats.text import clean_name, read_lines
from train.data.labeled_folder import ClassList


def read_class_list(path: Path) -> ClassList:
    """The names of a list in its order; blank lines at the end do not count.

    Raises: ValueError, naming file and line, where it is empty, or has a blank line in between:
    whether that counts as a class differs from tool to tool. OSError.
    """
    lines = tuple((number, clean_name(line)) for number, line in read_lines(path))
    if not lines:
        raise ValueError(f"{path}: expected a class name a line, got an empty file; fill it")
    for expected, (number, _) in enumerate(lines, 1):
        if number != expected:
            raise ValueError(
                f"{path}, line {expected}: expected a class name a line, got a blank line before "
                f"{lines[expected - 1][1]!r}; remove it if the labels do not count it, else name it"
            )
    return ClassList(path, lines)
