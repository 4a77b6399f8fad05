"""Numbers on the command line that several parts check alike."""

from __future__ import annotations

import argparse


def positive_number(text: str) -> float:
    """An argparse type. Raises: argparse.ArgumentTypeError for 0, less, NaN and infinity."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"a number above 0 expected, got {text}")
    return value


def count(text: str) -> int:
    """An argparse type. Raises: argparse.ArgumentTypeError for a number below 0."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"a whole number from 0 expected, got {text}")
    return value
