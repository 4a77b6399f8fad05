"""Results as JSON lines, one a frame."""

from __future__ import annotations

import json
import sys

from edge_runtime.frame import Result
from edge_runtime.sinks.sink import Context, Sink, SinkClosedError


def add_arguments(parser) -> None:
    """Add --jsonl."""
    parser.add_argument(
        "--jsonl", nargs="?", const="-", metavar="FILE", help="JSON lines, to stdout without FILE"
    )


def create(args, context: Context) -> Sink | None:
    """The sink that the flags ask for."""
    return None if args.jsonl is None else JsonLines(args.jsonl)


class JsonLines(Sink):
    """One JSON line a result."""

    name = "jsonl"

    def __init__(self, path: str) -> None:
        """path: "-" for stdout."""
        self._path = path

    def write(self, result: Result) -> None:
        try:
            print(json.dumps(result.to_dict()), file=sys.stdout, flush=True)
        except BrokenPipeError as error:
            raise SinkClosedError from error
