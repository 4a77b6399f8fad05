"""The command line: `edge-runtime`, or `python -m edge_runtime`.

edge-runtime detect models/digits_int8.tflite photo.jpg --out drawn
"""

from __future__ import annotations

import argparse
import os
import sys

from edge_runtime.commands import bench as bench_command
from edge_runtime.commands import detect as detect_command
from edge_runtime.commands import doctor as doctor_command
from edge_runtime.commands import install_service as service_command
from edge_runtime.commands import run as run_command

# One module for each sub-command, with add_parser(subparsers); its parser sets the default `run`.
COMMANDS = (detect_command, run_command, service_command, doctor_command, bench_command)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edge-runtime", description="Find objects in pictures with an int8 SSD detector."
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command. Returns: 0, 1 if a part of the work failed, 2 if nothing could start."""
    args = build_parser().parse_args(argv)
    try:
        return args.run(args)
    except BrokenPipeError:  # the reader, `head` for one, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130  # what a shell reports for Ctrl-C


if __name__ == "__main__":
    sys.exit(main())
