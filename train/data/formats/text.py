"""Text of label files: UTF-8 or UTF-16 decoded, another encoding named with its line."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from train.data.annotation import MalformedLabels

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read_text(path: Path) -> str:
    """A text file: UTF-8 or, where its first bytes say so, UTF-16.

    Raises: MalformedLabels (a ValueError), naming file and line, for another encoding. OSError.
    """
    content = path.read_bytes()
    try:
        return content.decode("utf-16" if content[:2] in _UTF16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unknown_encoding(path, line, error) from error


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end) of each line that is not blank; one is held at a time.

    Raises: as `read_text`, at the line that it concerns.
    """
    with path.open("rb") as file:
        if file.read(2) in _UTF16:
            chunks: Iterable[str] = read_text(path).replace("\r\n", "\n").split("\n")
        else:
            file.seek(0)
            chunks = _decoded_lines(path, file)
        number = 0
        for chunk in chunks:
            for line in chunk.rstrip("\r\n").split("\r"):  # as old Macs ended lines
                number += 1
                if line.strip():
                    yield number, line


def _decoded_lines(path: Path, file: Iterable[bytes]) -> Iterator[str]:
    for number, raw in enumerate(file, 1):
        try:
            yield raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise _unknown_encoding(path, number, error) from error


def _unknown_encoding(path: Path, line: int, error: UnicodeDecodeError) -> MalformedLabels:
    expected = "UTF-16, as its first bytes say" if "16" in error.encoding else "UTF-8"
    reason = (
        f"expected text in {expected}, got the byte 0x{error.object[error.start]:02x}; "
        "save it as UTF-8"
    )
    return MalformedLabels(f"{path}, line {line}", line, reason)


def clean_name(name: str) -> str:
    """A class name: composed Unicode (NFC), so that one typed on a Mac is one; no outer space."""
    return unicodedata.normalize("NFC", name).strip()
