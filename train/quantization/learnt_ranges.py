"""Learnt int8 ranges: a member of the .keras file that a quantization-aware training writes.

Read without Keras, so that a file can be found wanting before TensorFlow is loaded.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from edge_runtime.detector.spec import read_member

RANGES_MEMBER = "int8_ranges.json"


def ranges_to_json(ranges: Mapping[str, tuple[float, float]]) -> str:
    return json.dumps({name: list(ends) for name, ends in ranges.items()}, indent=1)


def read_ranges(path: Path) -> dict[str, tuple[float, float]] | None:
    """(low, high) by name of the unit (see `simulated_net`); None for a file without them.

    Raises: ValueError for ranges that are none; FileNotFoundError.
    """
    text = read_member(path, RANGES_MEMBER)
    if text is None:
        return None
    try:
        return parse_ranges(text)
    except ValueError as error:
        raise ValueError(f"{path}: {RANGES_MEMBER}: {error}; train again") from error


def parse_ranges(text: str) -> dict[str, tuple[float, float]]:
    """(low, high) by name of a JSON object {"name": [low, high], …}, or of the "ranges" in one.

    Raises: ValueError unless all are finite, low <= 0 <= high and low < high.
    """
    wanted = 'an object {"layer": [low, high], …} with low <= 0 <= high expected'
    try:
        content = json.loads(text)
        content = content.get("ranges", content)
        ranges = {name: (float(low), float(high)) for name, (low, high) in content.items()}
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError(f"{wanted}, got {error}") from error
    for name, (low, high) in ranges.items():
        if not (math.isfinite(low) and math.isfinite(high) and low <= 0 <= high and low < high):
            raise ValueError(f"{wanted}, got {low:g} to {high:g} for {name}")
    return ranges
