"""`edge-runtime bench`: how fast models are on this board; a table to paste into an issue.

edge-runtime bench models/digits_int8.tflite
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from edge_runtime.detector.interpreter import available_cores
from edge_runtime.detector.latency import STEPS, WARM_UP_RUNS
from edge_runtime.media.images import read_image
from edge_runtime.sources.base import parse_size
from edge_runtime.system.machine import one_line

RUNS = 50  # enough for a 90th percentile, bearable on a slow board
SIZE_WH = (1280, 720)
HEADINGS = ("pre-processing", "inference", "post-processing", "end to end")

DESCRIPTION = """\
Measure models on this board: milliseconds (median / 90th percentile) of each step for
1 to all cores, taking turns, so that heat slows all alike; the most memory that a
process with the model takes; temperature and throttling. Progress goes to stderr.
Prints a table in Markdown and, as the last line, the same as JSON.
Exit status: 0; 2 if nothing could start.
"""


def add_parser(subparsers) -> None:
    """Add `bench` to the sub-commands."""
    parser = subparsers.add_parser(
        "bench",
        help="how fast models are on this board",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("models", metavar="MODEL", nargs="+", help=".tflite files of this project")
    add("--threads", type=_counts, metavar="N,…", help="of the interpreter (default: 1 to all)")
    add("--runs", type=_count, default=RUNS, metavar="N", help="of each (default: %(default)s)")
    add(
        "--warmup",
        type=_whole,
        default=WARM_UP_RUNS,
        metavar="N",
        help="runs before, which do not count (default: %(default)s)",
    )
    picture = parser.add_mutually_exclusive_group()
    picture.add_argument(
        "--size",
        type=parse_size,
        default=SIZE_WH,
        metavar="WxH",
        help="of a frame of noise (default: 1280x720)",
    )
    picture.add_argument("--image", type=Path, metavar="FILE", help="a picture as the frame")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print. Returns: the exit status."""
    from edge_runtime.bench import noise, run_bench

    threads = args.threads or range(1, available_cores() + 1)
    try:
        frame = noise(args.size) if args.image is None else read_image(args.image)
        report = run_bench(args.models, threads, frame, args.runs, args.warmup, _say)
    except (OSError, ValueError, ImportError) as error:
        print(f"edge-runtime: {error}", file=sys.stderr)
        return 2
    report["frame"] = "noise" if args.image is None else args.image.name
    print(format_bench(report))
    print()
    print(json.dumps(report))
    return 0


def format_bench(report: dict) -> str:
    """Markdown: the board, the conditions, a row for each model and number of threads.

    What was not measured stays blank.
    """
    width, height = report["frame_wh"]
    names = [Path(row["model"]).name for row in report["rows"]]
    paths = {row["model"] for row in report["rows"]}
    whole = len(set(names)) < len(paths)  # files of one name from several folders
    table = [["model", "input", "threads", *HEADINGS, "peak memory"]]
    for row, name in zip(report["rows"], names, strict=True):
        cells = [_pair(row["ms"].get(step)) for step in STEPS]
        memory = row["peak_memory_bytes"]
        megabytes = "" if memory is None else f"{memory / 1e6:.0f} MB"
        side = "x".join(map(str, reversed(row["input_hw"])))
        model = row["model"] if whole else name
        table.append([model, side, str(row["threads"]), *cells, megabytes])
    lines = [
        one_line(report["machine"]),
        f"Frame {width}x{height} ({report['frame']}), {report['runs']} runs after "
        f"{report['warm_up_runs']}, in turns; milliseconds: median / 90th percentile.",
        *_board_lines(report),
    ]
    return "\n\n".join(["  \n".join(lines), _markdown(table)])


def _board_lines(report: dict) -> list[str]:
    temperature, throttled = report["temperature_c"], report["throttled"]
    lines = []
    if None not in temperature.values():
        lines.append("{before:.0f} °C before, {after:.0f} °C after.".format(**temperature))
    if throttled is not None:
        lines.append(f"Throttled: {', '.join(throttled) or 'no'}.")
    return lines


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table, aligned for those who read it as text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = [cells[0].ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return f"| {' | '.join(padded)} |"

    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(rows[0]), line(rule), *map(line, rows[1:])])


def _pair(times: dict[str, float] | None) -> str:
    return "" if times is None else f"{times['median']:.1f} / {times['p90']:.1f}"


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text:<40}\r", end="", file=sys.stderr, flush=True)
    else:
        print(text, file=sys.stderr, flush=True)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a whole number from 0 expected, got {text}")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1 expected, got {text}")
    return int(text)


def _counts(text: str) -> list[int]:
    return sorted({_count(part) for part in text.split(",")})
