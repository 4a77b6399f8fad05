"""Service flags: the flags of `run`, checked before a service has them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from edge_runtime.arguments import PROGRAM, PublicParser
from edge_runtime.commands import run
from edge_runtime.service.secrets_file import SOURCE
from edge_runtime.sinks.registry import SINKS
from edge_runtime.sources.address import holds_secret, public_text

OWN_FLAGS = ("--name", "--user-name", "--user", "--out", "--dry-run")


def check_flags(model: str, flags: Sequence[str]) -> argparse.Namespace:
    """Parsed flags of `run`, tried out now and not at four in the morning.

    Raises: ValueError, OSError, ImportError for a model, a source or flags that `run` would
        refuse. Leaves with status 2 for a flag that `run` has not.
    """
    for flag in flags:
        if flag.split("=")[0] in OWN_FLAGS:
            raise ValueError(f"{flag} after MODEL is taken for a flag of run; put it before MODEL")
    parser: argparse.ArgumentParser = PublicParser(prog=PROGRAM, allow_abbrev=False)
    run.add_parser(parser.add_subparsers())
    args = parser.parse_args(["run", model, *flags])
    for sink in SINKS:
        if sink.needs_display and sink.is_asked_for(args):
            raise ValueError(f"a service has no display for {sink.flag}; --web shows the same")
    run.make_source(args, run.make_detector(args), run.make_sinks(args))
    return args


def public_flags(flags: Sequence[str], source: str) -> tuple[list[str], str | None]:
    """Flags that everybody may read, and the source where it has to be left out of them.

    source: what the flags name, or the environment. Raises: ValueError for a secret in a flag from
        which it cannot be taken away.
    """
    kept: list[str] = []
    secret = None
    if os.environ.get(SOURCE) and not any(_names_source(flag.partition("=")[0]) for flag in flags):
        flags = [*flags, "--source", source]  # a service has another environment
    for flag in flags:
        name, equals, value = flag.partition("=")
        if kept and _names_source(kept[-1]) and holds_secret(flag):
            kept.pop()
            secret = source
        elif _names_source(name) and equals and holds_secret(value):
            secret = source
        elif "://" in flag and holds_secret(value if equals and "://" in value else flag):
            raise ValueError(
                f"{public_text(flag)} may hold a secret, and everybody on this machine may read a "
                "unit; in the file of secrets a broker's password is EDGE_RUNTIME_MQTT_PASSWORD"
            )
        else:
            kept.append(flag)
    return kept, secret


def _names_source(flag: str) -> bool:
    # argparse takes what is short and clear.
    return len(flag) > len("--s") and "--source".startswith(flag)


def read_files(run_args: argparse.Namespace) -> Iterable[Path]:
    """Absolute paths of what a run reads besides its model: labels, a password, certificates."""
    labels = [] if run_args.labels is None else [run_args.labels.absolute()]
    return labels + [path for sink in SINKS for path in sink.read_files(run_args)]


def written_folders(run_args: argparse.Namespace) -> Iterable[Path]:
    """Absolute folders that a run writes to."""
    return [folder for sink in SINKS for folder in sink.written_folders(run_args)]


def has_sink(run_args: argparse.Namespace) -> bool:
    """True if results go anywhere but to the journal, line by line."""
    return any(sink.is_visible(run_args) for sink in SINKS)


def needs_network(run_args: argparse.Namespace) -> bool:
    """True if a flag is an address, of a camera or a broker."""
    return any(isinstance(value, str) and "://" in value for value in vars(run_args).values())
