"""What the command lines of this package share."""

from __future__ import annotations

import argparse

LATENCY_RUNS = 50  # of each model: enough for a 90th percentile, bearable on a slow board


def whole_number(minimum: int):
    """An argparse type: a whole number of at least `minimum`."""

    def parse(text: str) -> int:
        if not text.lstrip("-").isdigit() or int(text) < minimum:
            raise argparse.ArgumentTypeError(f"a whole number >= {minimum} expected, got {text!r}")
        return int(text)

    return parse
