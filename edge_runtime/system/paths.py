"""Paths as they are shown: Linux takes any bytes for a name, and pages, topics and JSON do not."""

from __future__ import annotations

import os
from pathlib import Path


def printable_path(path: str | Path) -> str:
    """A path in UTF-8; bytes of it that are none are written \\xff."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def c_path(path: str | Path) -> str:
    """A path for a library that takes it in UTF-8, and may end the process over another.

    Raises: ValueError for one that is not UTF-8.
    """
    try:
        os.fsencode(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"a name in UTF-8 expected, got {printable_path(path)}; rename the file or its folder"
        ) from error
    return os.fsdecode(path)
