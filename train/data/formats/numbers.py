"""Numbers and cells of label files: read strictly, shown in short."""

from __future__ import annotations

import math
from typing import Any

_SHOWN = 40  # a broken file may hold a line of megabytes


def finite_number(text: str) -> float | None:
    """A number that is not infinite; None for anything else, NaN and Python's 1_000 included."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def shown(text: str) -> str:
    """A piece of a file for a message: quoted, cut where it is long."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def json_number(value: Any) -> float | None:
    """A finite number; None for anything else, true and "1" included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
