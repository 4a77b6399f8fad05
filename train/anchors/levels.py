"""Anchor levels as a JSON file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from edge_runtime.detector.spec import AnchorLevel
from edge_runtime.media.atomic import atomic_path

FIELDS = ("stride", "sizes", "aspect_ratios")


def save_levels(path: str | Path, levels: Sequence[AnchorLevel]) -> None:
    """Write anchor levels as JSON; the file appears whole or not at all.

    Raises: OSError where it cannot be written.
    """
    text = json.dumps({"levels": [asdict(level) for level in levels]}, indent=1)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def load_levels(path: str | Path) -> tuple[AnchorLevel, ...]:
    """Anchor levels, finest first, from a file of `save_levels`.

    Raises: FileNotFoundError; ValueError for a file that holds anything else.
    """
    path = Path(path)
    cure = "write it with `python -m train.anchors --out FILE`"
    if not path.is_file():
        raise FileNotFoundError(f"no file of anchors at {path}; {cure}")
    try:
        return _parse_levels(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:  # also UnicodeDecodeError, JSONDecodeError and SpecError
        raise ValueError(f"{path}: anchor levels as JSON expected, got {error}; {cure}") from error


def _parse_levels(content: object) -> tuple[AnchorLevel, ...]:
    rows = content.get("levels") if isinstance(content, dict) else None
    if not isinstance(rows, list) or not rows:
        raise ValueError('no object with a list "levels"')
    levels = []
    for row in rows:
        if not isinstance(row, dict) or set(row) != set(FIELDS):
            raise ValueError(f"a level without exactly {', '.join(FIELDS)}: {row}")
        for name in FIELDS[1:]:
            # float() would take strings and truth values as well.
            values = row[name] if isinstance(row[name], list) else [None]
            if not all(type(value) in (int, float) for value in values):
                raise ValueError(f"{name} that are no list of numbers: {row[name]}")
        levels.append(AnchorLevel(**row))
    strides = [level.stride for level in levels]
    if strides != sorted(set(strides)):
        raise ValueError(f"strides that do not rise: {strides}")
    return tuple(levels)
