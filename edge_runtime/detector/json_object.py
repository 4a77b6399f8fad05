"""JSON objects inside model files: parsed strictly, and their numbers held to ranges."""

from __future__ import annotations

import json
import reprlib
from numbers import Integral, Real
from typing import Any


def read_object(text: str, what: str) -> dict[str, Any]:
    """An object of a JSON text.

    Args:
        what: stands in messages: "the spec".

    Raises: ValueError for anything else, for NaN and infinity, which JSON does not have, for a name
        that comes twice, for integers of thousands of digits and for lists nested thousands deep.
    """
    try:
        values = json.loads(
            text, parse_constant=_refuse_constant, object_pairs_hook=_refuse_repetition
        )
    except RecursionError as error:
        raise ValueError(f"{what} is not a JSON object: nested too deep") from error
    except (json.JSONDecodeError, _RefusedError) as error:
        raise ValueError(f"{what} is not a JSON object: {error}") from error
    except ValueError as error:  # Python's own limit, whose words are for programmers
        raise ValueError(f"{what} is not a JSON object: a number of too many digits") from error
    if not isinstance(values, dict):
        raise ValueError(f"{what} is not a JSON object: got {shown(values)}")
    return values


def is_number(value: object, low: float, high: float) -> bool:
    """Whether a value is a number from `low` to `high`, both included; False for NaN."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    # Python compares integers of any size with a float, so nothing overflows here.
    number: Any = value
    return bool(low <= number <= high)


def is_whole(value: object, low: int, high: int) -> bool:
    """Whether a value is a whole number from `low` to `high`, both included."""
    return isinstance(value, Integral) and is_number(value, low, high)


def shown(value: object) -> str:
    """A value for a message, cut where it is long."""
    try:
        return reprlib.repr(value)
    except ValueError:  # an integer of thousands of digits
        return f"a very long {type(value).__name__}"


class _RefusedError(ValueError):
    pass


def _refuse_constant(name: str) -> float:
    raise _RefusedError(f"{name} is no number of JSON")


def _refuse_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise _RefusedError(f"{shown(name)} comes twice")
        values[name] = value
    return values
