"""Accuracy and latency of converted detectors, side by side; runs on the device, too.

    python -m convert.benchmark build/digits/digits_*.tflite --data data/digits
    python -m convert.benchmark models/digits_int8.tflite --data data/digits --limit 100

With --results other.json the results of any detector stand beside them. Prints a table and, as the
last line, the path of the same numbers in JSON. Where jinja2 and matplotlib are installed, a page
with plots and pictures appears beside it.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from convert.arguments import LATENCY_RUNS
from convert.errors import run_conversion
from convert.report_files import write_report
from edge_runtime.arguments import whole_number
from edge_runtime.commands.bench import MOST_RUNS
from edge_runtime.commands.detector_flags import add_model_arguments
from edge_runtime.detector.interpreter import MOST_THREADS
from edge_runtime.detector.resize import OPENCV, PILLOW, RESIZERS, keep_opencv_to_one_thread
from edge_runtime.media.atomic import check_writable


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m convert.benchmark",
        description="Measure accuracy (pycocotools) and latency of converted detectors.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add(
        "models",
        nargs="+",
        type=Path,
        metavar="MODEL",
        help=".tflite files of this or another project, compared in one run",
    )
    add("--data", type=Path, required=True, help="folder of labeled pictures")
    add("--split", default="test", help="that neither training nor calibration has seen")
    add("--threads", type=whole_number(1, MOST_THREADS), help="of the interpreter; None: all cores")
    add("--out", type=Path, default=Path("report.json"), help="where the JSON goes")
    add(
        "--latency-runs", type=whole_number(0, MOST_RUNS), default=LATENCY_RUNS, help="0: leave out"
    )
    add("--limit", type=whole_number(1), help="look at the first N pictures only; None: all")
    add_model_arguments(parser)
    add(
        "--resizer",
        choices=tuple(RESIZERS),
        default=PILLOW,
        help=f"what brings pictures to the network's size; `run` uses {OPENCV} for videos, webcams "
        "and rtsp://: what that costs on these pictures",
    )
    _add_results_arguments(parser)
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


def _add_results_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--results",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="COCO results JSON of other detectors, a row each; may bring name, inference_ms, "
        "end_to_end_ms, peak_memory_mb and size_mb along",
    )
    add(
        "--results-annotations",
        type=Path,
        metavar="FILE",
        help="COCO annotations whose image and category ids --results uses; None: pictures by "
        "name or number",
    )


def _run(args: argparse.Namespace, command: str) -> None:
    """Measure, print the table, write the report and the page."""
    try:  # what measures is an extra on a device
        from convert.benchmark.html import page_path, write_results
        from convert.benchmark.run import run_benchmark
        from convert.benchmark.tables import format_report
        from train.data.dataset import plain_warnings
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the benchmark needs {error.name}; pip install pycocotools defusedxml tqdm"
        ) from error
    plain_warnings()
    for path in (args.out, page_path(args.out)):
        check_writable(path)
    if args.resizer == OPENCV:
        keep_opencv_to_one_thread()
    comparison = run_benchmark(
        args.models,
        args.data,
        args.split,
        args.threads,
        args.latency_runs,
        args.limit,
        command,
        args.robustness,
        args.family,
        args.labels,
        args.results,
        args.results_annotations,
        args.resizer,
    )
    print(format_report(comparison.report))
    if args.page:
        written = write_results(args.out, comparison)
    else:
        write_report(args.out, comparison.report.to_json())
        written = [args.out]
    print(*written, sep="\n")


def main(arguments: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    given = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "-m", "convert.benchmark", *given])
    return run_conversion(
        lambda: _run(args, command), stopped="stopped; an earlier report is as it was"
    )


if __name__ == "__main__":
    sys.exit(main())
