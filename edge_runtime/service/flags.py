"""The flags of `run`, as a service is to have them."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from edge_runtime.commands import run as run_command
from edge_runtime.sinks.base import Context
from edge_runtime.sources.base import without_password

OWN_FLAGS = ("--name", "--user-name", "--user", "--out", "--dry-run")
# Flags of `run` whose value is written to: the folder itself, or the one that holds the file.
WRITTEN_FOLDERS = ("save_events", "state_dir")
WRITTEN_FILES = ("jsonl", "save_video")
READ_FILES = ("web_token_file", "mqtt_ca", "mqtt_cert", "mqtt_key", "mqtt_password_file")
SINKS = ("web", "mqtt", "save_events")  # flags that name a place to look at, beside those files


def check_flags(model: str, flags: Sequence[str]) -> argparse.Namespace:
    """What `run` makes of them, now, and not at four in the morning.

    Raises: ValueError, OSError, ImportError for a model, a source or flags that `run` would
        refuse, and for a password among them. Leaves with status 2 for a flag that `run` has not.
    """
    for flag in flags:
        if flag.split("=")[0] in OWN_FLAGS:
            raise ValueError(f"{flag} after MODEL is taken for a flag of run; put it before MODEL")
        if "://" in flag and without_password(flag) != flag:
            raise ValueError(
                f"{without_password(flag)} holds a password, and everybody on this machine may "
                "read a unit; in the file of secrets a camera's address is EDGE_RUNTIME_SOURCE, a "
                "broker's password EDGE_RUNTIME_MQTT_PASSWORD"
            )
    parser = argparse.ArgumentParser(prog="edge-runtime", allow_abbrev=False)
    run_command.add_parser(parser.add_subparsers())
    args = parser.parse_args(["run", model, *flags])
    if getattr(args, "window", False):
        raise ValueError("a service has no display for --window; --web shows the same")
    model_file = run_command.load_model(args)
    context = Context(args.model, model_file.class_names, without_password(args.source))
    run_command.make_source(args, model_file, run_command.make_sinks(args, context))
    return args


def read_files(run_args: argparse.Namespace) -> Iterable[Path]:
    """Absolute paths of what a run reads besides its model: a token, a password, certificates."""
    values = vars(run_args)
    for name in READ_FILES:
        if values.get(name) is not None:
            yield Path(values[name]).absolute()


def written_folders(run_args: argparse.Namespace) -> Iterable[Path]:
    """Absolute folders that a run writes to."""
    values = vars(run_args)
    for name in WRITTEN_FOLDERS:
        if values.get(name) is not None:
            yield Path(values[name]).absolute()
    for name in WRITTEN_FILES:
        if values.get(name) is not None and str(values[name]) != "-":
            yield Path(values[name]).absolute().parent


def has_sink(run_args: argparse.Namespace) -> bool:
    """Whether results go anywhere but to the journal, line by line."""
    values = vars(run_args)
    return any(values.get(name) not in (None, "-") for name in (*SINKS, *WRITTEN_FILES))


def needs_network(run_args: argparse.Namespace) -> bool:
    """Whether a flag is an address, of a camera or a broker."""
    return any(isinstance(value, str) and "://" in value for value in vars(run_args).values())
