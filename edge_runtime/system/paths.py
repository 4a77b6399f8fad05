"""Paths as they are shown: Linux takes any bytes for a name, and pages, topics and JSON do not."""

from __future__ import annotations

import os
from pathlib import Path


def printable_path(path: str | Path) -> str:
    """A path in UTF-8; bytes of it that are none are written \\xff."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
