"""Sink flags: the command-line flags of one sink, and the files that they name."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_runtime.sinks.base import Sink

STDOUT = "-"  # a value that stands for standard output instead of a file


@dataclass(frozen=True)
class SinkFlags:
    """Row of the registry: a sink on the command line of `run`, and in a service.

    Attributes:
        flag: that asks for the sink, "--web". All others that it adds are settings of it.
        add_arguments: adds the flags to a parser.
        create: makes the sink, not yet opened, from parsed flags that ask for it. Raises: OSError,
            ValueError for settings that do not fit.
        reads: flags whose value is a file that the sink reads: a password, a certificate.
        writes: flags whose value is a file that the sink writes, or STDOUT; it needs their folder.
        fills: flags whose value is a folder that the sink writes into.
        needs_display: whether it shows something on a display, which a service has not.
    """

    flag: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    create: Callable[[argparse.Namespace], Sink]
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    fills: tuple[str, ...] = ()
    needs_display: bool = False

    def is_asked_for(self, args: argparse.Namespace) -> bool:
        """True if the flags ask for this sink."""
        return _value(args, self.flag) not in (None, False)

    def is_visible(self, args: argparse.Namespace) -> bool:
        """True if its results go anywhere but to stdout, which is a service's journal."""
        return self.is_asked_for(args) and _value(args, self.flag) != STDOUT

    def check_settings(self, args: argparse.Namespace) -> None:
        """Refuse settings of a sink that nobody asked for: a film that is not saved because
        --save-video was forgotten would be missed too late.

        Raises: ValueError.
        """
        if self.is_asked_for(args):
            return
        parser = argparse.ArgumentParser(add_help=False)
        self.add_arguments(parser)
        for name, default in vars(parser.parse_args([])).items():
            if getattr(args, name) != default:
                setting = f"--{name.replace('_', '-')}"
                raise ValueError(
                    f"{setting} does nothing without {self.flag}; add {self.flag} or leave it out"
                )

    def read_files(self, args: argparse.Namespace) -> list[Path]:
        """Absolute paths of the files that it reads."""
        values = [_value(args, flag) for flag in self.reads]
        return [Path(value).absolute() for value in values if value is not None]

    def written_folders(self, args: argparse.Namespace) -> list[Path]:
        """Absolute paths of the folders that it writes into."""
        folders = [_value(args, flag) for flag in self.fills]
        files = [_value(args, flag) for flag in self.writes]
        return [
            *(Path(folder).absolute() for folder in folders if folder is not None),
            *(Path(file).absolute().parent for file in files if file not in (None, STDOUT)),
        ]


def _value(args: argparse.Namespace, flag: str) -> Any:
    return getattr(args, flag.removeprefix("--").replace("-", "_"))
