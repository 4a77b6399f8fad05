"""Turn a trained detector into .tflite files and measure what that cost.

    python -m convert models/digits.keras --data data/digits --out build/digits

Writes NAME_float32.tflite, NAME_int8.tflite and the other variants of convert/variants.py, each
with its spec and labels inside, report.json and report.html, and found.jpg, what int8 finds and
misses on the benchmark's pictures. All of the variants appear, or none: after an error the files of
an earlier run are still there.
"""

from __future__ import annotations

import argparse
import errno
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from convert.arguments import (
    add_calibration_draw,
    add_calibration_images,
    add_model_and_data,
)
from convert.benchmark.html import write_results
from convert.benchmark.report import BenchmarkReport
from convert.benchmark.run import run_benchmark
from convert.benchmark.setup import COMPARED
from convert.benchmark.tables import format_report
from convert.errors import quiet_imports, run_conversion
from convert.quantize import calibration_data
from convert.variants import CALIBRATED_HERE, VARIANTS, check_installed
from edge_runtime.arguments import whole_number
from edge_runtime.detector.calibration_record import CalibrationRecord
from edge_runtime.detector.interpreter import MOST_THREADS
from edge_runtime.detector.spec import DetectorSpec, read_spec
from train.data.dataset import Example, open_data, plain_warnings
from train.data.decoding import drop_undecodable
from train.evaluation.coco import PictureDetections
from train.evaluation.contact_sheet import count_outcomes, draw_contact_sheet
from train.evaluation.verdict import assess
from train.quantization.learnt_ranges import read_ranges
from train.training.provenance import read_training

SHEET = "found.jpg"  # in --out


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m convert",
        description="Convert a trained .keras detector to TFLite and measure what that cost.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add_model_and_data(parser)
    add("--out", type=Path, default=Path("build"), help="folder for the .tflite files")
    add_calibration_images(parser)
    add(
        "--variants",
        nargs="+",
        choices=VARIANTS,
        metavar="VARIANT",
        help=f"which files to make, of {', '.join(VARIANTS)}; None: all that MODEL allows",
    )
    add("--qat", type=Path, help=".keras file of `python -m train --qat`, for int8_qat")
    add(
        "--keep-float",
        nargs="+",
        default=[],
        metavar="LAYER",
        help="layers of int8_mixed that stay in float, such as those that `python -m "
        "convert.explain` names; block_6_* is all of a block",
    )
    add_calibration_draw(parser)
    add("--split", default="test", help="the benchmark's; training has not seen it")
    add("--threads", type=whole_number(1, MOST_THREADS), help="of the benchmark; None: all cores")
    add(
        "--robustness",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="float32 and int8 on dark, flat, blurred, noisy pictures, too",
    )
    return parser


def _work_folder(out: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder inside `out`, so that a finished file only needs a new name."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=".convert-", dir=out)
    except OSError as error:
        raise OSError(
            error.errno,
            f"cannot write into {out} ({error.strerror}); choose another --out, change its rights "
            "or free some space",
        ) from error


def _choose_variants(args: argparse.Namespace, spec: DetectorSpec) -> list[str]:
    """The variants to make, in the order of the table; float32, which others are made of, first.

    Raises: ValueError for files and flags that do not go together.
    """
    needed = {name: row.flag for name, row in VARIANTS.items() if row.flag is not None}
    given = {name: getattr(args, flag[2:].replace("-", "_")) for name, flag in needed.items()}
    chosen = args.variants or [name for name in VARIANTS if given.get(name, True)]
    for name, flag in needed.items():
        if name in chosen and not given[name]:
            raise ValueError(f"the variant {name} needs {flag}; give it, or leave the variant out")
    if args.keep_float and "int8_mixed" not in chosen:
        raise ValueError("--keep-float makes the variant int8_mixed; name it in --variants, too")
    check_installed(chosen)
    if args.qat:
        _check_qat(args.qat, args.model, spec)
    return [name for name in VARIANTS if name in {"float32", *chosen}]


def _check_qat(qat: Path, model: Path, spec: DetectorSpec) -> None:
    """Raises: ValueError unless `qat` is the detector of `model` with learnt ranges."""
    if read_spec(qat) != spec:
        raise ValueError(
            f"a detector with the spec of {model} expected, got another in {qat}; "
            "train it with --qat --start-from that model"
        )
    if read_ranges(qat) is None:
        raise ValueError(f"{qat} has learnt no int8 ranges; train it with --qat")


def _calibration(
    args: argparse.Namespace, spec: DetectorSpec
) -> tuple[list[np.ndarray], CalibrationRecord]:
    """Draw, load and announce the calibration pictures; refuse or name unsuitable data."""
    if args.calibration_split == args.split:
        raise ValueError(
            f"the benchmark must not see calibration pictures, got split '{args.split}' for both; "
            "change --split or --calibration-split"
        )
    data = open_data(args.data)
    print(*data.notes, sep="\n")
    dataset = data.load(args.calibration_split, spec.class_names)
    # The benchmark's, found wanting early.
    drop_undecodable(data.load(args.split, spec.class_names))
    examples = calibration_data.draw(dataset, args.calibration_images, args.seed)
    record = calibration_data.describe_calibration(
        spec, dataset, examples, args.seed, CALIBRATED_HERE
    )
    fewer = len(examples) < args.calibration_images
    asked = f" ({args.calibration_images} were asked for)" if fewer else ""
    print(
        f"calibration: {len(examples)} of {len(dataset)} pictures of split "
        f"'{dataset.split}'{asked}, seed {args.seed}; boxes: "
        + ", ".join(f"{name} {count}" for name, count in record.boxes.items()),
        flush=True,
    )
    return calibration_data.load_frames(examples, spec), record


def _convert(args: argparse.Namespace) -> dict[str, Path]:
    """Check the arguments, then load TensorFlow and make the files."""
    if args.model.suffix != ".keras":
        raise ValueError(f"a .keras file of `python -m train` expected, got {args.model}")
    _work_folder(args.out).cleanup()  # before reading pictures, not after
    spec = read_spec(args.model)
    variants = _choose_variants(args, spec)
    frames, record = _calibration(args, spec)
    with quiet_imports():
        from convert.pipeline import ConversionInput, convert_all
    with _work_folder(args.out) as work:
        source = ConversionInput(
            args.model, spec, frames, Path(work), record, args.qat, args.keep_float
        )
        source.check()
        # Of a net with operators that others' quantizers lack, the rest is worth having.
        others = () if args.variants else [name for name in variants if VARIANTS[name].quantizer]
        return convert_all(source, variants, args.out, others)


def _benchmark(args: argparse.Namespace, paths: Mapping[str, Path], command: str) -> None:
    """Measure the files, print the table, write the report."""
    comparison = run_benchmark(
        list(paths.values()),
        args.data,
        args.split,
        args.threads,
        command=command,
        robustness=args.robustness and set(COMPARED) <= set(paths),
    )
    comparison = comparison.with_training(read_training(args.model))
    print(format_report(comparison.report))
    matches, said = comparison.matches or [], []
    if matches:  # of what int8 finds in the benchmark's pictures
        examples, found = [each.example for each in matches], [each.found[1] for each in matches]
        sheet = args.out / SHEET
        draw_contact_sheet(examples, found, read_spec(args.model).class_names, sheet)
        said = [sheet, f"int8: {_verdict(comparison.report, examples, found)}"]
    # Last, so that where it is, all is there.
    written = write_results(args.out / "report.json", comparison)
    print(*said[:1], *written, *said[1:], sep="\n")


def _verdict(
    report: BenchmarkReport, examples: Sequence[Example], found: Sequence[PictureDetections]
) -> str:
    """What the int8 file is worth on the benchmark's pictures, in words."""
    accuracy = next(row.accuracy for row in report.models if row.variant == COMPARED[1])
    tally = count_outcomes(examples, found)
    ap50, per_class = accuracy.ap50 or 0.0, accuracy.ap50_per_class
    return assess(ap50, examples, report.data.split, per_class, tally)


def main(arguments: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    given = sys.argv[1:] if arguments is None else arguments
    plain_warnings()
    state = "the files of an earlier run are as they were"

    def work() -> None:
        nonlocal state
        try:
            paths = _convert(args)
            state = "the .tflite files are new, the report is that of an earlier run"
            _benchmark(args, paths, shlex.join(["python", "-m", "convert", *given]))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            cure = f"{args.out} needs room for some ten times the model; free it or change --out"
            raise OSError(f"{error}: {cure}") from error

    return run_conversion(work, stopped=lambda: f"stopped; {state}")


if __name__ == "__main__":
    sys.exit(main())
