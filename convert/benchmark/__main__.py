"""Accuracy and latency of converted detectors, side by side; runs on the device, too.

    python -m convert.benchmark build/digits/digits_*.tflite --data data/digits
    python -m convert.benchmark models/digits_int8.tflite --data data/digits --limit 100

Prints a table and, as the last line, the path of the same numbers in JSON. Where jinja2 and
matplotlib are installed, a page with plots and pictures appears beside it.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from convert.arguments import LATENCY_RUNS
from convert.benchmark.report import check_writable, format_report, write_report
from edge_runtime.arguments import whole_number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m convert.benchmark",
        description="Measure accuracy (pycocotools) and latency of converted detectors.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("models", nargs="+", type=Path, metavar="MODEL", help=".tflite files, compared in one run")
    add("--data", type=Path, required=True, help="folder in PASCAL VOC layout")
    add("--split", default="test", help="that neither training nor calibration has seen")
    add("--threads", type=whole_number(1), help="of the interpreter; None: all cores")
    add("--out", type=Path, default=Path("report.json"), help="where the JSON goes")
    add("--latency-runs", type=whole_number(0), default=LATENCY_RUNS, help="0: leave out")
    add("--limit", type=whole_number(1), help="look at the first N pictures only; None: all")
    add(
        "--robustness",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="float32 and int8 on dark, flat, blurred, noisy pictures, too: takes minutes",
    )
    add(
        "--page",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="report.html beside the JSON; it compares one float32 file with one int8 file",
    )
    return parser


def _import_steps():
    """What measures and what writes; what they import is an extra on a device."""
    try:
        from convert.benchmark.html import page_path, write_results
        from convert.benchmark.run import run_benchmark
        from train.data.dataset import plain_warnings
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the benchmark needs {error.name}; pip install pycocotools defusedxml tqdm"
        ) from error
    plain_warnings()
    return run_benchmark, page_path, write_results


def main(arguments: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    given = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "-m", "convert.benchmark", *given])
    try:
        run_benchmark, page_path, write_results = _import_steps()
        for path in (args.out, page_path(args.out)):
            check_writable(path)
        options = (args.data, args.split, args.threads, args.latency_runs, args.limit, command)
        comparison = run_benchmark(args.models, *options, args.robustness)
        print(format_report(comparison.report))
        if args.page:
            written = write_results(args.out, comparison)
        else:
            write_report(args.out, comparison.report)
            written = [args.out]
        print(*written, sep="\n")
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; an earlier report is as it was", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
