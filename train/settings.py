"""Settings: dataclass fields that hold their default, reason and range; fields become flags."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import MISSING, Field, field, fields
from typing import Any, TypeVar

T = TypeVar("T")


def setting(
    default: T,
    reason: str,
    lowest: float | None = None,
    highest: float = math.inf,
    *,
    zero: str | None = None,
    choices: Sequence[str] | None = None,
    flag: bool = True,
) -> T:
    """A field of a dataclass of settings.

    Args:
        reason: why it is so; the help of its flag.
        lowest, highest: what it may be, both included; None for any value.
        zero: what a 0 outside that range stands for; None: it is not allowed.
        choices: all that it may be.
        flag: whether messages call it by a flag.
    """
    metadata = {
        "help": reason,
        "range": (lowest, highest),
        "zero": zero,
        "choices": choices,
        "flag": flag,
    }
    return field(default=default, metadata=metadata)


def flag_of(name: str) -> str:
    """`--input-size` of input_size."""
    return f"--{name.replace('_', '-')}"


def check_settings(settings: Any) -> None:
    """Raises: ValueError where a field of a dataclass of settings is outside its range."""
    for item in fields(settings):
        _check(item, getattr(settings, item.name))


def _check(item: Field[Any], value: Any) -> None:
    name = flag_of(item.name) if item.metadata["flag"] else item.name
    choices, zero = item.metadata["choices"], item.metadata["zero"]
    if choices and value not in choices:
        raise ValueError(f"{name} is one of {choices}, got {value!r}")
    lowest, highest = item.metadata["range"]
    if lowest is None or (zero and not value):
        return
    if not lowest <= value <= highest:  # also where it is not a number
        upper = f"to {highest:g}" if math.isfinite(highest) else "or more"
        other = f", or 0 for {zero}" if zero else ""
        raise ValueError(f"{name} is {lowest:g} {upper}{other}, got {value}")


def add_setting_flags(parser: argparse.ArgumentParser, settings: type) -> None:
    """One flag for each field of a dataclass of settings."""
    for item in fields(settings):
        assert item.default is not MISSING
        kind: dict[str, Any] = {
            "type": type(item.default),
            "choices": item.metadata["choices"],
        }
        if isinstance(item.default, bool):
            kind = {"action": argparse.BooleanOptionalAction}
        help_text = item.metadata["help"]
        parser.add_argument(flag_of(item.name), default=item.default, help=help_text, **kind)


def setting_values(arguments: argparse.Namespace, settings: type) -> dict[str, Any]:
    """Values of the flags of `add_setting_flags`, by name of the field."""
    return {item.name: getattr(arguments, item.name) for item in fields(settings)}
