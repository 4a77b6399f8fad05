"""The command line: `edge-runtime`, or `python -m edge_runtime`.

edge-runtime detect models/digits_int8.tflite photo.jpg --out drawn
"""

from __future__ import annotations

import argparse
import sys

from edge_runtime.arguments import PROGRAM, PublicParser, run_command
from edge_runtime.commands import bench, detect, doctor, install_service, mqtt_forget, run

# One module for each sub-command, with add_parser(subparsers); its parser sets the default `run`.
COMMANDS = (detect, run, install_service, mqtt_forget, doctor, bench)


def build_parser() -> argparse.ArgumentParser:
    parser = PublicParser(
        prog=PROGRAM, description="Find objects in pictures with an int8 SSD detector."
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command. Returns: 0, 1 if a part of the work failed, 2 if nothing could start."""
    # Which errors a user can cure, and until when, is for each command to say.
    return run_command(PROGRAM, lambda: _run(argv), curable=())


def _run(argv: list[str] | None) -> int:
    args = build_parser().parse_args(argv)
    status: int = args.run(args)
    return status


if __name__ == "__main__":
    sys.exit(main())
