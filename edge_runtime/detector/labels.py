"""Class names of other makers' files: label files in the forms that people have."""

from __future__ import annotations

import codecs
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.detector.label_forms import (
    from_label_map,
    from_literal,
    from_table,
    from_yaml,
)
from edge_runtime.detector.literals import MOST_LITERAL
from edge_runtime.detector.spec import MOST_CLASSES
from edge_runtime.detector.zip_members import MOST_BYTES

log = logging.getLogger(__name__)

GAPS = frozenset(("", "???", "N/A"))  # stand for a number that no class has
# As a first line, or as number 0.
BACKGROUND = frozenset(
    ("???", "background", "_background_", "__background__", "bg", "unlabeled", "none_of_the_above")
)
MOST_LETTERS = 100  # of a name

_INDEXED = re.compile(r"(\d+)(?:\s*[:=]\s*|[.)]\s+|\s+-\s+|\s+)(\S.*)")


@dataclass(frozen=True)
class Labels:
    """Class names in the order of a file's class numbers, from 0.

    Attributes:
        names: of every number; one that no class has is "class 11".
        unused: those that only stand for such a number.
    """

    names: tuple[str, ...]
    unused: frozenset[str] = frozenset()


def has_background(labels: Labels) -> bool:
    """True where number 0 is the background's, or no class has it."""
    first = labels.names[0]
    return first.lower() in BACKGROUND or first in labels.unused


def number_labels(count: int) -> Labels:
    """Numbers in the place of names that nobody knows."""
    return Labels(tuple(map(str, range(count))))


def read_labels(path: Path, count: int | None) -> Labels:
    """A label file that the user named.

    Args:
        count: of the model's classes; None where it does not say.

    Raises: FileNotFoundError; ValueError for a file that is none, or has more or fewer names than
        the model has classes.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no label file at {path}; check the path")
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    try:
        text = _decoded(data) if len(data) <= MOST_BYTES else None
    except UnicodeDecodeError:
        text = None
    if text is None:
        raise ValueError(
            f"{path}: class names in UTF-8, one a line, expected; it is no label file, or in "
            "another encoding: save it as UTF-8"
        )
    try:
        labels = parse_labels(text, count)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if count is not None and len(labels.names) != count:
        raise ValueError(
            f"{path}: {count} class names expected, as many as the model has classes, got "
            f"{len(labels.names)}; a number that no class has is a line ???"
        )
    first = text.strip().partition("\n")[0].strip()
    if re.match(r"1\s", first) and first not in labels.names:
        log.warning(
            "%s: numbers are taken off, %r names a class %r; where they belong to the names, "
            "number the lines: 0 %s",
            *(path, first, first[1:].strip(), first),
        )
    return labels


def _decoded(data: bytes) -> str:
    """UTF-8, or UTF-16 as PowerShell writes it, which its first bytes tell."""
    is_utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if is_utf_16 else "utf-8-sig")


def parse_labels(text: str, count: int | None) -> Labels:
    """Text of a label file: names a line, "0 name", "0:name", or a form of `label_forms`.

    A first line ??? or background, or a number 0 of that name, which the model does not count, is
    left out; where nothing tells how many classes it has, a line is, and a number is not. Blank
    lines in front are numbers without a name where the model has so many classes more. Label maps
    count from 1 and files from 0.

    Raises: ValueError if there is no name in it.
    """
    whole, lines = text.rstrip(), [line.strip() for line in text.strip().splitlines()]
    text = text if len(text) <= MOST_LITERAL else ""  # a list of names alone may be longer
    label_map = from_label_map(text)
    if label_map is not None:
        names = _by_number(_without_background(label_map, max(label_map)), None)
    else:
        found = from_literal(text, count) or from_yaml(text) or from_table(lines)
        found = found or _numbered(lines, count) or _blanks(whole, lines, count) + lines
        if isinstance(found, dict):
            names = _by_number(_without_background(found, count), count)
        else:
            drop = len(found) > 1 and found[0].lower() in BACKGROUND
            names = found[1:] if drop and count in (None, len(found) - 1) else found
    if not set(names) - GAPS:
        raise ValueError("class names expected, got none; put one on each line")
    return with_gaps(names)


def _blanks(whole: str, lines: Sequence[str], count: int | None) -> list[str]:
    """Blank lines in front of a list that the model counts; [] where they only stand there.

    A first line for the background may be blank instead of ???.
    """
    blanks = len(whole.splitlines()) - len(lines)
    return [""] * blanks if count is not None and blanks + len(lines) <= count else []


def clean(name: str) -> str:
    """A name in one line of printable characters, as pages, topics and file names can show it."""
    printable = "".join(letter if letter.isprintable() else " " for letter in name)
    return " ".join(printable.split())[:MOST_LETTERS]


def with_gaps(names: Sequence[str]) -> Labels:
    """Labels of names among which GAPS stand for numbers without a class."""
    names = [clean(name) for name in names]
    filled = [f"class {number}" if name in GAPS else name for number, name in enumerate(names)]
    unused = {new for new, name in zip(filled, names, strict=True) if name in GAPS}
    return Labels(tuple(filled), frozenset(unused - set(names)))


def padded(labels: Labels, count: int) -> Labels:
    """Labels that a maker put in, with numbers for classes that they leave out at the end."""
    more = [""] * (count - len(labels.names))
    known = ["" if name in labels.unused else name for name in labels.names]
    return with_gaps([*known, *more])


def _numbered(lines: Sequence[str], count: int | None) -> dict[int, str] | None:
    """Number → name of lines "0 name"; None where they are names that begin with a number.

    "1 euro", "2 euro": what is left of such names is not distinct, or their numbers do not rise
    from 0 or 1, or there are as many lines as classes, of other numbers. "1 cent", "2 euro" cannot
    be told from a numbered list.
    """
    matches = [_INDEXED.fullmatch(line) for line in lines if line]
    found = [(int(match[1]), match[2].strip()) for match in matches if match is not None]
    if not found or len(found) < len(matches):
        return None
    numbers = [number for number, _ in found]
    names = [name for _, name in found if name not in GAPS]
    if numbers[0] > 1 or sorted(set(numbers)) != numbers or len(set(names)) < len(names):
        return None
    fits = numbers[-1] + 1 == count or (numbers[0] == 1 and numbers[-1] == count)
    return None if len(found) == count and not fits else dict(found)


def _without_background(numbered: Mapping[int, str], count: int | None) -> dict[int, str]:
    """Without a number 0 that is the background's, where the model counts as many as the others.

    Where nothing tells how many, a number 0 that is written out stays: so can the names be given of
    a file that counts from 1.
    """
    drop = max(numbered) == count and numbered.get(0, "").lower() in BACKGROUND
    return {number: name for number, name in numbered.items() if number or not drop}


def _by_number(numbered: Mapping[int, str], count: int | None) -> list[str]:
    """Names in the order of the model's numbers, which count from 0; gaps are "".

    Numbers from 1 are the same one later where `count` is as many, or None; where the model has
    more classes, its number 0 has no name.
    """
    low, high = min(numbered), max(numbered)
    if high >= MOST_CLASSES:
        raise ValueError(f"class numbers below {MOST_CLASSES} expected, got {high}")
    shift = 1 if low >= 1 and (count is None or high >= count) else 0
    names = [""] * (high + 1 - shift)
    for number, name in numbered.items():
        names[number - shift] = name
    return names
