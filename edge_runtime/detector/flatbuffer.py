"""Flatbuffer tables, read slot by slot from bytes that nobody vouches for.

`flatbuffers` reads without a look at the bounds, and is imported only where a file is read by it: a
file of this project needs neither.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

# More entries than any file has; a damaged length must not keep a board busy for minutes.
MOST_ENTRIES = 1_000_000
MOST_TABLES = 100_000  # each becomes an object; entries that are columns do not

_P = ParamSpec("_P")
_T = TypeVar("_T")


class FlatbufferError(ValueError):
    """Bytes that are not the table which was expected."""


def _guarded(read: Callable[_P, _T]) -> Callable[_P, _T]:
    """What damaged bytes make of an unguarded reader, as a FlatbufferError."""

    @wraps(read)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return read(*args, **kwargs)
        except (struct.error, IndexError, TypeError, OverflowError, UnicodeDecodeError) as error:
            raise FlatbufferError(f"a damaged table ({error})") from error

    return guarded


class Table:
    """A table at a position of `data`. A missing field is its default, as in flatbuffers.

    Every method raises FlatbufferError where the bytes lead out of `data`.
    """

    def __init__(self, data: bytes, position: int) -> None:
        from flatbuffers.table import Table as Unchecked

        if not 0 <= position < len(data):
            raise FlatbufferError(f"a table at byte {position} of {len(data)}")
        self._data = data
        self._table: Any = Unchecked(data, position)

    @classmethod
    @_guarded
    def root(cls, data: bytes, identifier: bytes) -> Table:
        """The root table of a buffer. Raises: FlatbufferError without that file identifier."""
        if data[4:8] != identifier:
            raise FlatbufferError(f"the identifier {identifier!r} expected, got {data[4:8]!r}")
        return cls(data, struct.unpack_from("<I", data)[0])

    @_guarded
    def number(self, slot: int, kind: str, default: float = 0) -> Any:
        """A number; kind as in `struct`: "b" int8, "B" uint8 or bool, "i", "I", "f"."""
        offset = self._offset(slot)
        return struct.unpack_from(f"<{kind}", self._data, offset)[0] if offset else default

    @_guarded
    def text(self, slot: int) -> str:
        """A string; "" where there is none."""
        offset = self._offset(slot)
        return bytes(self._vector(offset, 1)).decode("utf-8") if offset else ""

    @_guarded
    def table(self, slot: int) -> Table | None:
        """A table inside; None where there is none."""
        offset = self._offset(slot)
        return Table(self._data, self._follow(offset)) if offset else None

    @_guarded
    def tables(self, slot: int) -> list[Table]:
        """A vector of tables."""
        positions = self._positions(slot)
        if len(positions) > MOST_TABLES:
            raise FlatbufferError(f"{MOST_TABLES} tables at most expected, got {len(positions)}")
        return [Table(self._data, int(position)) for position in positions]

    @_guarded
    def numbers(self, slot: int, dtype: str) -> np.ndarray:
        """A vector of numbers of a little-endian NumPy dtype, such as "<i4": (n,)."""
        offset = self._offset(slot)
        if not offset:
            return np.empty(0, dtype)
        return np.frombuffer(self._vector(offset, np.dtype(dtype).itemsize), dtype)

    def content(self, slot: int) -> bytes:
        """A vector of bytes."""
        return self.numbers(slot, "u1").tobytes()

    @_guarded
    def columns(self, slot: int, fields: Sequence[int]) -> np.ndarray:
        """float32 fields of a vector of tables at once: (tables, fields), 0 for missing ones.

        An anchor is a table of its own, and a file has thousands of them.
        """
        positions = self._positions(slot)
        vtables = positions - self._gather(positions, "<i4")
        sizes = self._gather(vtables, "<u2")
        found = np.zeros((len(positions), len(fields)), np.float32)
        for column, field in enumerate(fields):
            place = 4 + 2 * int(field)
            known = np.flatnonzero(sizes >= place + 2)
            offsets = self._gather(vtables[known] + place, "<u2").astype(np.int64)
            known, offsets = known[offsets > 0], offsets[offsets > 0]
            found[known, column] = self._gather(positions[known] + offsets, "<f4")
        return found

    def _offset(self, slot: int) -> int:
        """Absolute position of a field; 0 where it is missing."""
        offset = self._table.Offset(4 + 2 * int(slot))
        position = int(self._table.Pos + offset) if offset else 0
        if position >= len(self._data):
            raise FlatbufferError(f"a field at byte {position} of {len(self._data)}")
        return position

    def _follow(self, position: int) -> int:
        return position + int(struct.unpack_from("<I", self._data, position)[0])

    def _vector(self, offset: int, item_bytes: int) -> memoryview:
        """Bytes of the vector that a field points to."""
        start = self._follow(offset)
        (count,) = struct.unpack_from("<I", self._data, start)
        end = start + 4 + count * item_bytes
        if end > len(self._data):
            raise FlatbufferError(f"a vector up to byte {end} of {len(self._data)}")
        return memoryview(self._data)[start + 4 : end]

    def _positions(self, slot: int) -> np.ndarray:
        """Absolute positions of a vector's tables: (n,) int64."""
        offset = self._offset(slot)
        if not offset:
            return np.empty(0, np.int64)
        relative = np.frombuffer(self._vector(offset, 4), "<u4").astype(np.int64)
        if len(relative) > MOST_ENTRIES:
            raise FlatbufferError(f"{MOST_ENTRIES} tables at most expected, got {len(relative)}")
        return self._follow(offset) + 4 + 4 * np.arange(len(relative)) + relative

    def _gather(self, positions: np.ndarray, dtype: str) -> np.ndarray:
        """Numbers at absolute positions, aligned or not."""
        size = np.dtype(dtype).itemsize
        if len(positions) and not (
            positions.min() >= 0 and positions.max() + size <= len(self._data)
        ):
            raise FlatbufferError("a field outside the buffer")
        everything = np.frombuffer(self._data, np.uint8)
        gathered = everything[positions[:, None] + np.arange(size)]
        return np.ascontiguousarray(gathered).view(dtype)[:, 0]
