"""Command-line helpers: argparse number types, and the frame around every command's work.

The desktop's commands (`train`, `convert`, `studies`) use them as well.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from edge_runtime.sources.address import (
    check_local,
    looks_like_address,
    public_source,
    public_text,
)
from edge_runtime.standard_streams import OutputError, forget_output, prepare_streams

# What `ArgumentParser.add_subparsers` returns; argparse has no public name for it.
SubParsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

PROGRAM = "edge-runtime"
# What a user can cure: a path, a value, a package that is missing.
CURABLE = (OSError, ValueError, ImportError)
MOST = 2**31 - 1  # what a C library takes for a number
# Of seconds, megabytes and rates: beyond, clocks and waits overflow.
LEAST_POSITIVE, MOST_POSITIVE = 1e-6, 1e9
INTERRUPTED = 130  # what a shell reports for Ctrl-C


class PublicParser(argparse.ArgumentParser):
    """A parser whose errors, and its sub-parsers', repeat no address: it may hold a password."""

    _given: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self._given = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        for word in self._given:  # whole, as nobody knows where one ends that has blanks in it
            value = word.partition("=")[2] if word.startswith("--") else word
            if looks_like_address(value):
                message = message.replace(value, public_source(value))
        super().error(public_text(message))


def positive_number(text: str) -> float:
    """An argparse type. Raises: argparse.ArgumentTypeError for 0, less, NaN, and what no clock can
    count."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"a number above 0 expected, got {text}")
    if not LEAST_POSITIVE <= value <= MOST_POSITIVE:
        raise argparse.ArgumentTypeError(
            f"a number from {LEAST_POSITIVE:g} to {MOST_POSITIVE:g} expected, got {text}"
        )
    return value


def local_path(text: str) -> str:
    """An argparse type: a path as it is. Raises: argparse.ArgumentTypeError for an address."""
    try:
        check_local(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def path_of_file(text: str) -> Path:
    """An argparse type: as `local_path`."""
    return Path(local_path(text))


def number_between(low: float, high: float, expected: str) -> Callable[[str], float]:
    """An argparse type: a finite number from `low` to `high`, both included.

    expected: for the message, with the unit: "0.1 to 100 megabytes".
    """

    def number(text: str) -> float:
        value = float(text)
        if not (low <= value <= high and math.isfinite(value)):
            raise argparse.ArgumentTypeError(f"{expected} expected, got {text}")
        return value

    return number


def whole_number(minimum: int, maximum: int = MOST) -> Callable[[str], int]:
    """An argparse type: a whole number from `minimum` to `maximum`, both included."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,20}", text) or not minimum <= int(text) <= maximum:
            range_ = f">= {minimum}" if maximum == MOST else f"from {minimum} to {maximum}"
            raise argparse.ArgumentTypeError(f"a whole number {range_} expected, got {text[:40]!r}")
        return int(text)

    return parse


def whole_numbers(minimum: int, maximum: int = MOST) -> Callable[[str], list[int]]:
    """An argparse type: whole numbers between commas, as a rising list without repetitions."""
    parse = whole_number(minimum, maximum)
    return lambda text: sorted({parse(part) for part in text.split(",")})


def size_wh(text: str) -> tuple[int, int]:
    """An argparse type: "1280x720" → (width, height). Raises: argparse.ArgumentTypeError."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match or not all(16 <= int(side) <= 8192 for side in match.groups()):
        raise argparse.ArgumentTypeError(f"WIDTHxHEIGHT in pixels expected, got {text}")
    return int(match[1]), int(match[2])


def run_command(
    program: str,
    work: Callable[[], int],
    curable: tuple[type[Exception], ...] = CURABLE,
    stopped: str | Callable[[], str] = "",
) -> int:
    """Exit status of a command's `work`, with one line on stderr where it could not be done.

    Args:
        program: stands before the message of an error: "PROGRAM: no model file at …".
        curable: errors that are the user's to cure; others are mistakes in the program, and pass.
        stopped: printed after Ctrl-C, on a line of its own; a function is asked then.

    Returns: what `work` returned; 2 after a curable error; 130 after Ctrl-C; 1 where stdout takes
        no more: its reader has gone, its disk is full, it is closed.
    """
    prepare_streams()
    try:
        try:
            return work()
        finally:  # now, not at the exit, where it would be too late for a status
            sys.stdout.flush()
    except OutputError as error:
        print(f"{program}: {error}", file=sys.stderr)
        forget_output()
        return 1
    except KeyboardInterrupt:
        text = stopped if isinstance(stopped, str) else stopped()
        if text:
            print(f"\n{text}", file=sys.stderr)
        return INTERRUPTED
    except curable as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
