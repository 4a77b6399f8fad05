"""Small sets, trained by the untouched default: what to expect of a hundred or more pictures.

    python -m studies.small_sets build/small_sets/*/report.json --out build/small_sets

Takes reports of `python -m convert` and the logs of the trainings beside their folders. Writes
small_sets.json, the same rows as small_sets.csv, and small_sets.png; `--earlier small_sets.json`
keeps the rows of trainings not done again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from convert.report_files import write_report
from edge_runtime.arguments import run_command
from studies.small_sets.plot import draw_study
from studies.small_sets.report import format_study, merge, read_cell, read_cells, to_json, write_csv

STEM = "small_sets"


def _run(args: argparse.Namespace) -> int:
    earlier = read_cells(args.earlier) if args.earlier else []
    cells = merge(earlier, map(read_cell, args.reports))
    target = args.out / f"{STEM}.json"
    draw_study(cells, args.out / f"{STEM}.png")
    write_csv(cells, args.out / f"{STEM}.csv")
    write_report(target, to_json(cells))
    print(format_study(cells))
    print(target)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m studies.small_sets",
        description="Accuracy of small sets, trained by the untouched default.",
    )
    parser.add_argument("reports", nargs="+", type=Path, metavar="REPORT", help="of convert")
    parser.add_argument("--earlier", type=Path, help="a small_sets.json whose rows are kept")
    parser.add_argument("--out", type=Path, required=True, help="folder for JSON, CSV and PNG")
    args = parser.parse_args(arguments)
    return run_command("error", lambda: _run(args), stopped="stopped")


if __name__ == "__main__":
    sys.exit(main())
