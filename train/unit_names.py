"""Which units of a net a name on the command line means, and which belong together."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Iterable, Sequence

SHOWN = 5  # names in an error message


def match_units(model, patterns: Iterable[str]) -> set[str]:
    """Names of the units, see train/quantization/fused_ops.py, that any of the patterns means.

    A pattern is the name of a unit (`offsets`), what several names begin with (`block_6`, which is
    block_6_expand_relu and all up to block_6_add), or a glob (`block_[6-9]_*`).

    Raises: ValueError, with near names, for a pattern that fits no unit that int8 rounds anything
        of: what only moves numbers keeps the type of what it gets.
    """
    from train.quantization.fused_ops import find_units

    units = find_units(model)[0]
    return match_names([u.name for u in units if u.convolves or u.rounds], patterns)


def match_names(names: Sequence[str], patterns: Iterable[str]) -> set[str]:
    """As `match_units`, of given names."""
    found: set[str] = set()
    for pattern in patterns:
        fitting = [name for name in names if name == pattern]
        fitting = fitting or [name for name in names if name.startswith(f"{pattern}_")]
        fitting = fitting or fnmatch.filter(names, pattern)
        if not fitting:
            raise ValueError(
                f"no layer is called {pattern!r}, begins with '{pattern}_' or fits it as a glob; "
                f"{_near(pattern, names)}"
            )
        found.update(fitting)
    return found


def _near(pattern: str, names: Sequence[str]) -> str:
    candidates = list(dict.fromkeys([*names, *map(block_of, names)]))
    close = difflib.get_close_matches(pattern, candidates, SHOWN, cutoff=0.5)
    if close:
        return f"there are {', '.join(close)}"
    shown = list(group(names))[:SHOWN]
    return f"there are {', '.join(shown)} and others"


def block_of(name: str) -> str:
    """What a unit is part of: `block_6` of block_6_expand_relu, `offsets` of offsets."""
    numbered = re.match(r".*?\d+(?=_|$)", name)
    if numbered:
        return numbered.group()
    return re.sub(r"(_(expand|depthwise|project))?(_(relu|bn|BN|add|conv|pad|rows))?$", "", name)


def group(names: Iterable[str]) -> dict[str, list[str]]:
    """Names by block, in their order.

    Blocks are such that `match_names` takes a block's name for its units: a unit that is alone, or
    called as its block is, is a block of its own.
    """
    names = list(names)
    blocks: dict[str, list[str]] = {}
    for name in names:
        blocks.setdefault(block_of(name), []).append(name)
    result: dict[str, list[str]] = {}
    for block, members in blocks.items():
        sound = match_names(names, [block]) == set(members)
        alone = len(members) == 1 or not sound
        result |= {name: [name] for name in members} if alone else {block: members}
    return result
