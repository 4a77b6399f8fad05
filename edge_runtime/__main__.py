"""The command line: `edge-runtime`, or `python -m edge_runtime`.

edge-runtime detect models/digits_int8.tflite photo.jpg --out drawn
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from importlib import import_module

from edge_runtime.arguments import PROGRAM, PublicParser, run_command

# Each has a module in edge_runtime/commands/ with add_parser(subparsers), whose parser sets the
# default `run`.
COMMANDS = ("detect", "run", "install-service", "mqtt-forget", "doctor", "bench")


def build_parser(commands: Iterable[str] = COMMANDS) -> argparse.ArgumentParser:
    """The parser of these sub-commands; a module is loaded only with its parser."""
    parser = PublicParser(
        prog=PROGRAM, description="Find objects in pictures with an int8 SSD detector."
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in commands:
        module = import_module(f"edge_runtime.commands.{command.replace('-', '_')}")
        module.add_parser(subparsers)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command. Returns: 0, 1 if a part of the work failed, 2 if nothing could start."""
    # Which errors a user can cure, and until when, is for each command to say.
    return run_command(PROGRAM, lambda: _run(argv), curable=())


def _run(argv: list[str] | None) -> int:
    given = sys.argv[1:] if argv is None else argv
    # The web page, MQTT and the rest take longer to load than NumPy: only for who asks for them.
    asked = [command for command in COMMANDS if given[:1] == [command]]
    args = build_parser(asked or COMMANDS).parse_args(given)
    status: int = args.run(args)
    return status


if __name__ == "__main__":
    sys.exit(main())
