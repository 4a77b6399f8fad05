"""AP of int8 by the number of calibration pictures and the way ranges are made of them.

    python -m studies.calibration models/digits.keras --data build/data/digits --out build/study

Measured on the simulated int8 net (train/quantization/simulated_net.py) and on a split that is not
the benchmark's, since what is chosen by it would be tuned on the test. Writes calibration.json
and calibration.png.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from convert.arguments import add_calibration_draw, add_model_and_data
from convert.errors import quiet_imports, run_conversion
from convert.quantize import calibration_data
from convert.report_files import write_report
from edge_runtime.arguments import whole_number
from edge_runtime.detector.spec import DetectorSpec, read_spec
from edge_runtime.media.atomic import check_writable
from edge_runtime.system.machine import describe_machine
from studies.calibration.report import COUNTS, USUAL, StudyReport, draw_study, format_study
from train.data.dataset import DetectionDataset, open_data, plain_warnings
from train.data.decoding import drop_undecodable


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m studies.calibration",
        description="AP of int8 by the number of calibration pictures and the calibration method.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add_model_and_data(parser)
    add("--out", type=Path, default=Path("build"), help="folder for calibration.json and .png")
    add_calibration_draw(parser)
    add("--split", default="val", help="what AP is measured on; not the benchmark's")
    add("--limit", type=whole_number(1), help="measure AP on the first N pictures; None: all")
    return parser


def _prepare(args: argparse.Namespace) -> tuple[DetectorSpec, list[np.ndarray], DetectionDataset]:
    """Spec, calibration frames in random order, and what AP is measured on."""
    spec = read_spec(args.model)
    if args.calibration_split == args.split:
        raise ValueError(f"two splits expected, got '{args.split}' for both; change --split")
    data = open_data(args.data)
    print(*data.notes, sep="\n")
    source = data.load(args.calibration_split, spec.class_names)
    dataset = data.load(args.split, spec.class_names)
    dataset = drop_undecodable(replace(dataset, examples=dataset.examples[: args.limit]))
    check_writable(args.out / "calibration.json")
    count = max(count for count in (*COUNTS, USUAL, len(source)) if count <= len(source))
    examples = calibration_data.draw(source, min(count, max(COUNTS)), args.seed)
    order = np.random.default_rng(args.seed).permutation(len(examples))
    return spec, calibration_data.load_frames([examples[i] for i in order], spec), dataset


def _run(args: argparse.Namespace, command: str) -> StudyReport:
    spec, frames, dataset = _prepare(args)
    with quiet_imports():
        from convert.tflite import load_model
        from studies.calibration.study import run_study
    rows = run_study(load_model(args.model, spec), spec, frames, dataset)
    data = {
        "root": Path(args.data).resolve().name,
        "calibration_split": args.calibration_split,
        "split": args.split,
        "images": len(dataset),
    }
    return StudyReport(command, describe_machine(), args.model.name, data, rows)


def _write(args: argparse.Namespace, command: str) -> None:
    report = _run(args, command)
    write_report(args.out / "calibration.json", report.to_json())
    draw_study(report, args.out / "calibration.png")
    print(format_study(report))
    print(args.out / "calibration.json")


def main(arguments: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    given = sys.argv[1:] if arguments is None else arguments
    plain_warnings()
    command = shlex.join(["python", "-m", "studies.calibration", *given])
    return run_conversion(
        lambda: _write(args, command), stopped="stopped; earlier results are as they were"
    )


if __name__ == "__main__":
    sys.exit(main())
