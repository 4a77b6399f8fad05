"""Forms of a label file other than a name on each line: label map, JSON, YAML, table.

Each function gives the names in their order, or number → name, or None where the text is not of its
form. Raises: ValueError where it is, and there are no names in it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from typing import Any

from edge_runtime.detector.literals import parse_literal

Names = dict[int, str] | list[str]

# Where JSON and YAML files of datasets and networks keep their names.
KEYS = ("names", "categories", "id2label", "classes", "labels")
NAME_COLUMNS = ("display_name", "name", "label", "class", "class_name", "category")

# Not longer: the search for the end of each of a million strings without one must end itself.
_QUOTED = r"'(?:\\.|[^'\\\n]){0,100}'|\"(?:\\.|[^\"\\\n]){0,100}\""
_COMMENT = re.compile(rf"({_QUOTED})|#[^\n]*")
# A label map's entry: strings may hold braces, and a message inside it is none of its own fields.
_INNER = re.compile(rf"\{{(?:{_QUOTED}|[^{{}}'\"\\])*\}}")
_INNER_OR_STRING = re.compile(rf"({_QUOTED})|{_INNER.pattern}")
_ITEM = re.compile(
    rf"\bitem\s{{0,9}}:?\s{{0,9}}\{{((?:{_QUOTED}|[^{{}}'\"\\]|{_INNER.pattern})*)\}}"
)
_BEGIN = re.compile(r"\bitem\s{0,9}:?\s{0,9}\{")
_ID = re.compile(r"\bid\s{0,9}:\s{0,9}(\d{1,9})")
_NAME = re.compile(rf"\b(display_name|name)\s{{0,9}}:\s{{0,9}}({_QUOTED})")
_YAML_NAMES = re.compile(r"^names[ \t]*:[ \t]*(?:#[^\n]*)?", re.MULTILINE)
_YAML_ITEM = re.compile(
    rf"({_QUOTED}|[^,\[\]{{}}:]+)(?:\s{{0,9}}:\s{{0,9}}({_QUOTED}|[^,\[\]{{}}]+))?"
)


def from_label_map(text: str) -> dict[int, str] | None:
    """A label map in protobuf's text form; `display_name` goes before `name`."""
    if _BEGIN.search(text) is None:
        return None
    text = _COMMENT.sub(lambda match: match[1] or "", text)
    items = _ITEM.findall(text)
    begun = len(_BEGIN.findall(re.sub(_QUOTED, "''", text)))
    if begun > len(items):
        raise ValueError(f"{begun} whole items of a label map expected, got {len(items)}")
    numbered: dict[int, str] = {}
    for item in items:
        item = _INNER_OR_STRING.sub(lambda match: match[1] or "", item)
        number = _ID.search(re.sub(_QUOTED, "''", item))  # nothing in a string is a field
        names = {key: quoted[1:-1] for key, quoted in _NAME.findall(item)}
        name = names.get("display_name") or names.get("name")
        if number is None or not name:
            raise ValueError(f"items with an id and a name expected, got {item.strip()[:60]!r}")
        _add(numbered, number[1], re.sub(r"\\(.)", r"\1", name))
    return numbered or None


def from_literal(text: str, count: int | None) -> Names | None:
    """JSON or a Python literal: names, number → name or the reverse, COCO's categories."""
    value = parse_literal(text)
    return None if value is None else _of_value(value, count)


def from_yaml(text: str) -> Names | None:
    """The entry `names` of a dataset's YAML, as YOLO trains by."""
    match = _YAML_NAMES.search(text)
    if match is None:
        return None
    rest = text[match.end() :]
    start = rest.lstrip()[:1]
    if start in ("[", "{"):
        body, _, _ = rest.lstrip()[1:].partition("]" if start == "[" else "}")
        items = _YAML_ITEM.findall(body)
        listed = start == "["
    else:
        lines = [line.strip() for line in _block(rest)]
        listed = all(line.startswith("-") for line in lines)
        pairs = (line.partition(":") for line in lines)
        items = [(line[1:], "") for line in lines] if listed else [(p[0], p[2]) for p in pairs]
    if listed:
        return _checked([_scalar(name) for name, _ in items])
    return _of_pairs([(_scalar(number), _scalar(name)) for number, name in items])


def from_table(lines: Sequence[str]) -> dict[int, str] | None:
    """Lines of columns between commas, semicolons or tabs: one of numbers, one of names."""
    for separator in (",", ";", "\t"):
        try:
            rows = [
                [cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)
            ]
        except csv.Error:
            continue
        rows = [row for row in rows if any(row)]
        if len(rows) > 1 and len(rows[0]) > 1 and len({len(row) for row in rows}) == 1:
            return _of_rows(rows)
    return None


def _of_rows(rows: Sequence[Sequence[str]]) -> dict[int, str] | None:
    has_head = not any(map(_is_number, rows[0]))
    head = [cell.lower() for cell in rows[0]] if has_head else []
    body = rows[has_head:]
    numeric = [all(map(_is_number, column)) for column in zip(*body, strict=True)]
    if True not in numeric or False not in numeric:
        return None
    named = [head.index(name) for name in NAME_COLUMNS if name in head]
    place = next((place for place in named if not numeric[place]), numeric.index(False))
    pairs = [(row[numeric.index(True)], row[place]) for row in body]
    numbers = [int(number) for number, _ in pairs]
    if not has_head and (numbers[0] > 1 or sorted(set(numbers)) != numbers):
        return None  # names with a comma in them
    return _of_pairs(pairs)


def _of_value(value: Any, count: int | None) -> Names:
    if isinstance(value, Mapping):
        inside = next(
            (value[key] for key in KEYS if isinstance(value.get(key), (dict, list))), None
        )
        return _of_value(inside, count) if inside is not None else _of_pairs(list(value.items()))
    if all(isinstance(each, str) for each in value):
        return _checked(list(value))
    if not all(isinstance(each, Mapping) for each in value):
        return _of_pairs([])
    pairs = [
        (each.get("id"), next((each[key] for key in NAME_COLUMNS if key in each), ""))
        for each in value
    ]
    numbered = _of_pairs(pairs)
    # COCO's 80 classes have numbers up to 90, and networks that leave out the gaps 80 outputs.
    dense = count == len(numbered) and max(numbered) > len(numbered)
    return [numbered[number] for number in sorted(numbered)] if dense else numbered


def _of_pairs(pairs: Sequence[tuple[Any, Any]]) -> dict[int, str]:
    """(number, name), or each the other way about."""
    if pairs and not all(_is_number(number) for number, _ in pairs):
        pairs = [(number, name) for name, number in pairs]
    if not pairs or not all(_is_number(number) for number, _ in pairs):
        raise ValueError("class names expected, or their numbers and names, got others")
    numbered: dict[int, str] = {}
    for number, name in pairs:
        _add(numbered, number, str(name))
    return numbered


def _add(numbered: dict[int, str], number: Any, name: str) -> None:
    if int(number) in numbered:
        raise ValueError(f"one name for each number expected, got two for {number}")
    numbered[int(number)] = name


def _checked(names: list[str]) -> list[str]:
    if not names:
        raise ValueError("class names expected, got none")
    return names


def _is_number(value: object) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return whole or (
        isinstance(value, str) and re.fullmatch(r"\d{1,9}", value, re.ASCII) is not None
    )


def _block(text: str) -> list[str]:
    """Lines of a YAML entry: indented, or items of a list."""
    lines: list[str] = []
    for line in text.splitlines()[1:]:
        if line.strip() and not line.lstrip().startswith("#"):
            if not line.startswith((" ", "\t", "- ")):
                break
            lines.append(line)
    return lines


def _scalar(text: str) -> str:
    """A YAML scalar without its quotes or the comment behind it."""
    text = text.strip()
    quoted = re.match(_QUOTED, text)
    return quoted[0][1:-1] if quoted else re.split(r"\s#", text)[0].strip()
