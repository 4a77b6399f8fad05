"""Paths as they are shown: Linux takes any bytes for a name, and pages, topics and JSON do not."""

from __future__ import annotations

import logging
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)

MOST_SECRET_BYTES = 1 << 16
PIPE_SECONDS = 2.0  # a program that fills or reads a pipe is there by then


def printable_path(path: str | os.PathLike[str]) -> str:
    """A path in UTF-8; bytes of it that are none are written \\xff."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def is_there(path: str | os.PathLike[str]) -> bool:
    """True if there is something of that name, or may be, in a folder that must not be entered;
    False also for a text that is too long for a name, which Python's own `exists` repeats."""
    try:
        return Path(path).exists()
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False


@contextmanager
def told_of_pipe(path: str | os.PathLike[str]) -> Iterator[None]:
    """Opening a file, as the context: of a named pipe whose other end nobody opens it is said that
    it is waited for."""
    try:
        is_pipe = stat.S_ISFIFO(Path(path).stat().st_mode)
    except OSError:  # opening it says why
        is_pipe = False
    if not is_pipe:
        yield
        return
    text = "%s is a named pipe: waiting for a program at its other end"
    timer = threading.Timer(PIPE_SECONDS, log.warning, (text, printable_path(path)))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def read_secret(path: str | os.PathLike[str]) -> str:
    """Text of a small file or pipe, of which an error shows nothing.

    Raises: OSError; ValueError for more than a token or a password can be, and for no UTF-8.
    """
    with told_of_pipe(path), Path(path).open("rb") as file:
        data = file.read(MOST_SECRET_BYTES + 1)
    if len(data) > MOST_SECRET_BYTES:
        raise ValueError(f"{printable_path(path)}: one line expected, got a large file")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{printable_path(path)}: text in UTF-8 expected") from None
