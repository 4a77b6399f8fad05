"""Misspelt class names: those that are a slip of another one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

# A pair like horse and house is as near as a slip is; only that the one hardly occurs tells.
_RARER = 20
# One slip in a word of five letters, two in nine: shorter words are neighbours by chance.
_LENGTHS_FOR_SLIPS = (0, 5, 9)


def find_misspelt(counts: Mapping[str, int], labels: Iterable[str] | None) -> dict[str, str]:
    """Wrong name → right name, for names that are a slip of another.

    counts: how often each name occurs. labels: the names of labels.txt, which are right by
    definition; without them a name is right unless a near one is much more frequent. Names that
    differ only in case, blanks, hyphens or underscores are always one, spelt as the more frequent.
    """
    right = list(labels or ())
    by_count = sorted(set(counts) - set(right), key=lambda name: (-counts[name], name))
    wrong = {}
    for name in by_count:
        chosen = _same_letters(name, right) or _near(name, right, counts, labels is not None)
        if chosen:
            wrong[name] = chosen
        elif labels is None:
            right.append(name)
    return wrong


def _same_letters(name: str, right: Iterable[str]) -> str | None:
    return next((other for other in right if _fold(other) == _fold(name)), None)


def _near(name: str, right: list[str], counts: Mapping[str, int], listed: bool) -> str | None:
    """The one nearest name within reach; None where there is none, or more than one."""
    reach = []
    for other in right:
        slips = count_slips(_fold(name), _fold(other))
        shorter = min(len(_fold(name)), len(_fold(other)))
        allowed = 1 <= slips < len(_LENGTHS_FOR_SLIPS) and shorter >= _LENGTHS_FOR_SLIPS[slips]
        rare = listed or counts[other] >= _RARER * counts[name]
        if allowed and rare and _marks(name) == _marks(other):
            reach.append((slips, other))
    nearest = [other for slips, other in reach if slips == min(reach)[0]]
    return nearest[0] if len(nearest) == 1 else None


def _fold(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()


def _marks(name: str) -> list[str]:
    """Numbers and single letters, as in "type 1" and "grade_b": there a difference is meant."""
    return re.findall(r"\d+|(?<![^\W\d_])[^\W\d_](?![^\W\d_])", name.casefold())


def count_slips(one: str, other: str) -> int:
    """Letters left out, added, mistaken or swapped with their neighbour, to get from one to other.

    The restricted Damerau-Levenshtein distance.
    """
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, second in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != second))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == second:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]
