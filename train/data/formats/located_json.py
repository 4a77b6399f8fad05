"""JSON with lines: arrays and values of a file's top-level object, each element with its line.

The standard library's parser keeps no positions, so the top level is walked here and each element
handed to it at a known offset. That is the parse, there is no second one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from train.data.annotation import MalformedLabels
from train.data.formats.text import read_text

_SPACE = re.compile(r"[ \t\n\r]*")


class Element(NamedTuple):
    """An element of an array, or a value, and the line, from 1, on which it starts."""

    line: int
    value: Any


class Keys(NamedTuple):
    """What stands under some keys of an object: elements of arrays, and single values.

    lines: on which each key starts.
    """

    arrays: dict[str, list[Element]]
    values: dict[str, Element]
    lines: dict[str, int]


def read_arrays(path: Path, keys: Collection[str]) -> dict[str, list[Element]]:
    """`read_object` for arrays alone."""
    return read_object(path, keys).arrays


def read_object(path: Path, arrays: Collection[str], values: Collection[str] = ()) -> Keys:
    """The arrays and values under some keys of a file's top-level object.

    Keys of arrays with something else are absent.

    Raises: MalformedLabels, naming line and column, where the file is no JSON object or gives one
    of the keys twice; ValueError for another encoding than UTF-8 and UTF-16. OSError.
    """
    walk = _Walk(path, read_text(path))
    found = walk.members(arrays, values)
    walk.finish("}")
    return found


def read_list(
    path: Path, arrays: Collection[str], values: Collection[str]
) -> list[tuple[int, Keys | None]]:
    """The elements of a file's top-level list: (line, as `read_object`, or None for no object).

    Raises: as `read_object`.
    """
    walk = _Walk(path, read_text(path))
    walk.expect("[")
    found: list[tuple[int, Keys | None]] = []
    closed = walk.skip("]")
    while not closed:
        line = walk.line()
        if walk.peek() == "{":
            found.append((line, walk.members(arrays, values)))
        else:
            walk.value()
            found.append((line, None))
        closed = walk.expect(",]") == "]"
    walk.finish("]")
    return found


def read_arrays_under(path: Path, key: str) -> Keys | None:
    """All arrays and values of the object under a key of a file's top-level object; None without.

    Raises: as `read_object`.
    """
    walk = _Walk(path, read_text(path))
    found: list[Keys] = []
    walk.members((), (), {key: lambda: found.append(walk.members(None, ()))})
    walk.finish("}")
    return found[0] if found else None


def first_of_list(path: Path) -> Any:
    """The first element of a file's top-level list; None where it is another file."""
    with path.open("rb") as file:
        start = file.read(16).replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if start and not start.startswith(b"["):
        return None
    try:
        walk = _Walk(path, read_text(path))
        walk.expect("[")
        return walk.value()
    except MalformedLabels:
        return None


class _Walk:
    """A place in a text that only moves forward."""

    def __init__(self, path: Path, text: str) -> None:
        self.path, self.text = path, text
        self._at = 0
        self._line, self._counted = 1, 0
        self._decoder = json.JSONDecoder()

    def peek(self) -> str:
        """The next character that is no white space; "" at the end."""
        space = _SPACE.match(self.text, self._at)
        self._at = space.end() if space else self._at
        return self.text[self._at : self._at + 1]

    def at_end(self) -> bool:
        return self.peek() == ""

    def skip(self, character: str) -> bool:
        """Whether the next character was this one, which is then behind."""
        if self.peek() != character:
            return False
        self._at += 1
        return True

    def expect(self, characters: str) -> str:
        found = self.peek()
        if not found or found not in characters:
            wanted = " or ".join(repr(character) for character in characters)
            raise self.malformed(f"expected {wanted}, got {self.found()}")
        self._at += 1
        return found

    def line(self) -> int:
        """Of the next character that is no white space."""
        self.peek()
        self._line += self.text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def array(self) -> list[Element]:
        self.expect("[")
        elements: list[Element] = []
        closed = self.skip("]")
        while not closed:
            elements.append(Element(self.line(), self.value()))
            closed = self.expect(",]") == "]"
        return elements

    def members(
        self,
        arrays: Collection[str] | None,
        values: Collection[str],
        objects: Mapping[str, Callable[[], None]] | None = None,
    ) -> Keys:
        """The arrays and values under some keys of an object.

        arrays: None for all keys, other values then included. objects: what reads an object.
        """
        objects = objects or {}
        found = Keys({}, {}, {})
        first = found.lines
        self.expect("{")
        closed = self.skip("}")
        while not closed:
            line, key = self.line(), self.key()
            wanted = arrays is None or key in arrays or key in values or key in objects
            if key in first and wanted:
                raise self.malformed(
                    f"expected each key once, got {key!r} again (line {first[key]} has it)",
                    "merge the two lists",
                )
            first[key] = line
            self.expect(":")
            if key in objects and self.peek() == "{":
                objects[key]()
            elif (arrays is None or key in arrays) and self.peek() == "[":
                found.arrays[key] = self.array()
            else:
                value = Element(self.line(), self.value())
                if arrays is None or key in values:
                    found.values[key] = value
            closed = self.expect(",}") == "}"
        return found

    def key(self) -> str:
        if not self.at_end() and self.peek() != '"':
            raise self.malformed(f"expected a key in double quotes, got {self.found()}")
        return str(self.value())

    def finish(self, last: str) -> None:
        """Raises: MalformedLabels where more than white space follows the last character."""
        if not self.at_end():
            raise self.malformed(f"expected nothing behind the last {last!r}, got {self.found()}")

    def value(self) -> Any:
        self.peek()
        try:
            value, self._at = self._decoder.raw_decode(self.text, self._at)
        except json.JSONDecodeError as error:
            self._at = error.pos
            raise self.malformed(f"expected JSON, got: {error.msg}") from error
        except RecursionError as error:
            raise self.malformed("expected lists nested less deep, got too deep ones") from error
        except ValueError as error:  # a whole number of thousands of digits
            raise self.malformed(f"expected usual numbers, got: {error}") from error
        return value

    def found(self) -> str:
        """Next character, for a message."""
        text = self.text[self._at : self._at + 20].split("\n")[0]
        return repr(text) if text else "the end of the file"

    def malformed(self, reason: str, cure: str = "") -> MalformedLabels:
        """The error for the place reached so far."""
        at = min(self._at, len(self.text))
        line = self.text.count("\n", 0, at) + 1
        column = at - (self.text.rfind("\n", 0, at) + 1) + 1
        cure = cure or "is it complete? export or copy it again, or correct it"
        return MalformedLabels(
            f"{self.path}, line {line}, column {column}", line, f"{reason}; {cure}"
        )
