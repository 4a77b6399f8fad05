"""Paths for OpenCV, which ends the process at a text that is no UTF-8."""

from __future__ import annotations

import os

from edge_runtime.system.paths import printable_path


def opencv_path(path: str | os.PathLike[str]) -> str:
    """The text that OpenCV turns into the bytes of a path, whatever the locale's encoding.

    Raises: ValueError for a path whose bytes are not UTF-8.
    """
    data = os.fsencode(path)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            "a name in UTF-8 expected, which is all that OpenCV takes, got "
            f"{printable_path(path)}; rename the file or its folder"
        ) from error


def opencv_text(text: str) -> str:
    """A text to be shown by OpenCV, with "?" for what is no UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")
