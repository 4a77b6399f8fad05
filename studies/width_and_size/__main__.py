"""Detectors of several widths and input sizes: which one to choose.

    python -m convert.benchmark build/family/*/*.tflite --data DATA --out build/family/report.json
    python -m studies.width_and_size build/family/report.json --out build/family

Takes one report over the float32 and the int8 file of every detector, measured side by side, and
writes width_and_size.json, the same rows as width_and_size.csv, and width_and_size.png. Width and
input size come from what the files say of themselves, not from their names.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from convert.benchmark.report import read_report
from convert.report_files import write_report
from edge_runtime.arguments import run_command
from studies.width_and_size.plot import draw_study
from studies.width_and_size.report import caption, combine, format_study, write_csv

STEM = "width_and_size"


def _run(args: argparse.Namespace) -> int:
    target = args.out / f"{STEM}.json"
    if target.resolve() == args.report.resolve():
        raise ValueError(f"a report of another name than {target} expected; rename it")
    report = combine(read_report(args.report))
    draw_study(report.rows, caption(report), args.out / f"{STEM}.png")
    write_csv(report, args.out / f"{STEM}.csv")
    write_report(target, report.to_json())
    print(format_study(report))
    print(target)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m studies.width_and_size",
        description="Compare detectors of several widths and input sizes.",
    )
    parser.add_argument("report", type=Path, metavar="REPORT", help="of convert.benchmark")
    parser.add_argument("--out", type=Path, required=True, help="folder for JSON, CSV and PNG")
    args = parser.parse_args(arguments)
    return run_command("error", lambda: _run(args), stopped="stopped")


if __name__ == "__main__":
    sys.exit(main())
