"""Mutations: a few edits of known bytes, drawn by Hypothesis, or kept in the corpus as JSON."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

# (kind, place, value): see `apply`.
Edit = tuple[str, int, int]

# Where numbers of four bytes do harm.
EXTREMES = (0, 1, 2, 0x7F, 0xFF, 0xFFFF, 0x10000, 0xFFFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
MOST_EDITS = 8


def apply(base: bytes, edits: Sequence[Edit]) -> bytes:
    """The edits, one after the other.

    Kinds: "byte" sets one, "number" four (little-endian), "big" four (big-endian), "flip" turns one
    bit, "cut" ends it there, "drop" removes `value` bytes, "twice" repeats them. Places count round
    the end.
    """
    data = bytearray(base)
    for kind, place, value in edits:
        place %= max(1, len(data))
        if kind == "byte":
            data[place : place + 1] = bytes((value & 0xFF,))
        elif kind == "flip":
            data[place : place + 1] = bytes(b ^ (1 << value % 8) for b in data[place : place + 1])
        elif kind in ("number", "big"):
            order = "<" if kind == "number" else ">"
            data[place : place + 4] = struct.pack(f"{order}L", value & 0xFFFFFFFF)
        elif kind == "cut":
            del data[place:]
        elif kind == "drop":
            del data[place : place + value % 4096]
        elif kind == "twice":
            part = data[place : place + value % 4096]
            data[place:place] = part
        else:
            raise ValueError(f"no kind of edit: {kind}")
    return bytes(data)


def from_json(base: bytes, text: bytes) -> bytes:
    """Edits of a corpus file: [["byte", 8, 255], …]."""
    return apply(base, [(kind, place, value) for kind, place, value in json.loads(text)])


def mutants(base: bytes, hot: Sequence[tuple[int, int]] = ()) -> SearchStrategy[bytes]:
    """Bytes with one to MOST_EDITS edits: of four inputs, three have a few numbers changed alone.

    hot: (begin, end) of ranges where more hangs on a byte; each gets as many edits as the whole.
    """
    from hypothesis import strategies as st

    ranges = ((0, len(base)), *hot)
    place = st.one_of(*(st.integers(low, max(low, high - 1)) for low, high in ranges))
    value = st.one_of(st.integers(0, 255), st.sampled_from(EXTREMES), st.integers(0, 2**32 - 1))
    # After a cut or a shift nothing stands where a reader looks for it, and little else is reached.
    small = st.tuples(st.sampled_from(("byte", "flip", "number")), place, value)
    kinds = ("byte", "flip", "number", "big", "cut", "drop", "twice")
    large = st.tuples(st.sampled_from(kinds), place, value)
    few = st.lists(small, min_size=1, max_size=3)
    many = st.lists(large, min_size=1, max_size=MOST_EDITS)
    return st.one_of(few, few, few, many).map(lambda edits: apply(base, edits))
