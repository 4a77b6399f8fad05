"""Speed of the runtime: what everything but the network costs, side by side with bare loops.

    python -m studies.speed --pictures build/data/digits/JPEGImages
    make bench

Each row is a ratio of processor time of two sides that take turns, so that other work on the
machine slows both; the median of many rounds counts, and the quartiles say how sure it is. Writes
speed.json, speed.md and growth.png.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from convert.errors import run_conversion
from convert.report_files import write_report
from edge_runtime.arguments import positive_number
from edge_runtime.detector.detector import Detector
from edge_runtime.media.atomic import atomic_path, check_writable
from edge_runtime.media.images import read_image
from edge_runtime.system.machine import describe_machine, one_line
from studies.speed import decoding, growth, pictures, running, starts
from studies.speed.bare import BareNetwork
from studies.speed.report import SpeedReport, format_speed, page_table
from studies.speed.rows import Row, Task


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m studies.speed",
        description="What everything but the network costs, side by side with bare loops.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--model", type=Path, default=Path("models/digits_int8.tflite"), help="an int8 detector")
    add("--pictures", type=Path, required=True, help="folder of pictures; the first test_*.jpg")
    add("--seconds", type=positive_number, default=4.0, help="of a row; a point takes a third")
    add("--only", default="", help="rows whose name has this in it")
    add("--out", type=Path, default=Path("build/speed"), help="folder for what is written")
    return parser


def _tasks(model: Path, picture: Path, folder: Path) -> Iterator[Task]:
    bare, detector, pixels = BareNetwork(model), Detector(model, 1), read_image(picture)
    yield from decoding.tasks(bare, detector, pixels)
    yield from pictures.tasks(bare, detector, pixels)
    yield from starts.tasks(model, picture)
    yield from running.tasks(bare, model, pixels, folder)


def _run(args: argparse.Namespace, command: str) -> None:
    found = sorted(args.pictures.glob("test_*.jpg"))
    if not found:
        raise ValueError(f"pictures test_*.jpg expected in {args.pictures}; `make data` draws them")
    target = args.out / "speed.json"
    check_writable(target)
    tasks = [task for task in _tasks(args.model, found[0], args.out) if args.only in task.name]
    rows = []
    for task in tqdm(tasks, "rows", unit="row", leave=False, disable=None):
        rows.append(Row.of(task, task.measure(args.seconds)))
    steps = [] if args.only else list(growth.steps(args.model))
    points = [
        step.measure(args.seconds / 3)
        for step in tqdm(steps, "growth", unit="point", leave=False, disable=None)
    ]
    report = SpeedReport(command, describe_machine(), rows, points)
    print(format_speed(report))
    if args.only:  # a look at a part: the last whole report stays
        return
    content = report.to_json()
    write_report(target, content)
    with atomic_path(args.out / "speed.md") as temporary:
        temporary.write_text(page_table(content["rows"]) + "\n", encoding="utf-8")
    title = f"{one_line(report.machine)}\n`{command}`"
    growth.draw(points, title, args.out / "growth.png")
    print(target)


def main(arguments: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    given = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "-m", "studies.speed", *given])
    return run_conversion(lambda: _run(args, command), stopped="stopped; an earlier report stays")


if __name__ == "__main__":
    sys.exit(main())
