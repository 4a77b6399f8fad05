"""Turn a trained detector into .tflite files and measure what that cost.

    python -m convert models/digits.keras --data data/digits --out build/digits

Writes NAME_float32.tflite, NAME_int8.tflite and the other variants of convert/variants.py, each
with its spec and labels inside, report.json and report.html. All of the variants appear, or none:
after an error the files of an earlier run are still there.
"""

from __future__ import annotations

import argparse
import errno
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from convert import representative
from convert.arguments import whole_number
from convert.audit import describe_calibration
from convert.comparison import COMPARED, run_benchmark
from convert.page import write_results
from convert.quiet import ConversionError, hidden_output
from convert.recipes import METHOD, RECIPES, Source
from convert.report import format_report
from convert.second_opinion import check_installed
from convert.variants import OPTIONAL, VARIANT_MEMBER, VARIANTS
from convert.verify import find_problems, read_model
from convert.versions import minimum_runtime
from edge_runtime.calibration import CALIBRATION_MEMBER, CalibrationRecord
from edge_runtime.runtime import RUNTIME_VERSION_MEMBER
from edge_runtime.spec import DetectorSpec, embed, read_member, read_spec
from train.data import load_voc, plain_warnings
from train.ranges import read_ranges
from train.record import MEMBER as TRAINING_MEMBER
from train.record import read_training


class VerificationError(RuntimeError):
    """A converted file is not what was asked for."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m convert",
        description="Convert a trained .keras detector to TFLite and measure what that cost.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help=".keras file of `python -m train`")
    add("--data", type=Path, required=True, help="folder in PASCAL VOC layout")
    add("--out", type=Path, default=Path("build"), help="folder for the .tflite files")
    add(
        "--calibration-images",
        type=whole_number(1),
        default=200,
        help=f"int8 ranges are measured on so many, at least {representative.MIN_IMAGES}",
    )
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
    add("--calibration-split", default="train", help="where they are drawn from")
    add("--split", default="test", help="the benchmark's; training has not seen it")
    add("--threads", type=whole_number(1), help="of the benchmark; None: all cores")
    add("--seed", type=whole_number(0), default=0, help="of the draw of calibration pictures")
    add(
        "--robustness",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="float32 and int8 on dark, flat, blurred, noisy pictures, too",
    )
    return parser


def _calibration(
    args: argparse.Namespace, spec: DetectorSpec
) -> tuple[list[np.ndarray], CalibrationRecord]:
    """Draw, load and announce the calibration pictures; refuse unsuitable data."""
    if args.calibration_split == args.split:
        raise ValueError(
            f"the benchmark must not see calibration pictures, got split '{args.split}' for both; "
            "change --split or --calibration-split"
        )
    dataset = load_voc(args.data, args.calibration_split, spec.class_names)
    load_voc(args.data, args.split, spec.class_names)  # the benchmark's, found wanting early
    examples = representative.choose(dataset, args.calibration_images, args.seed)
    record = describe_calibration(spec, dataset, examples, args.seed, METHOD)
    print(
        f"calibration: {len(examples)} of {len(dataset)} pictures of split "
        f"'{dataset.split}', seed {args.seed}; boxes: "
        + ", ".join(f"{name} {count}" for name, count in record.boxes.items()),
        flush=True,
    )
    return representative.load_frames(examples, spec), record


def _choose_variants(args: argparse.Namespace, spec: DetectorSpec) -> list[str]:
    """The variants to make, in the order of the table; float32, which others are made of, first.

    Raises: ValueError for files and flags that do not go together.
    """
    given = {"int8_qat": args.qat, "int8_mixed": args.keep_float}
    chosen = args.variants or [name for name in VARIANTS if given.get(name, True)]
    for name, flag in OPTIONAL.items():
        if bool(given[name]) != (name in chosen):
            raise ValueError(f"the variant {name} and {flag} go together; give both or neither")
    if args.qat:
        if read_spec(args.qat) != spec:
            raise ValueError(
                f"a detector with the spec of {args.model} expected, got another in {args.qat}; "
                "train it with --qat --start-from that model"
            )
        if read_ranges(args.qat) is None:
            raise ValueError(f"{args.qat} has learnt no int8 ranges; train it with --qat")
    if {"int16x8", "aeq_int8"} & set(chosen):
        check_installed()
    return [name for name in VARIANTS if name in {"float32", *chosen}]


def _convert_all(source: Source, variants: Sequence[str], out: Path) -> list[Path]:
    """Write the variants into `out`, or none."""
    written = []
    for variant in variants:
        start = time.perf_counter()
        path = source.target(variant)
        RECIPES[variant](source, path)
        runtime = minimum_runtime(read_model(path))
        embed(path, source.spec, _members(source, variant, runtime))
        with hidden_output(f"checking {path.name}"):  # the interpreter has a greeting, too
            problems = find_problems(path, variant)
        if problems:
            raise VerificationError(f"{path.name} is unusable:\n  " + "\n  ".join(problems))
        seconds = time.perf_counter() - start
        megabytes = path.stat().st_size / 1e6
        print(
            f"{path.name}: {megabytes:.2f} MB, {seconds:.1f} s, for runtimes from {runtime} on",
            flush=True,
        )
        written.append(path)
    return [path.replace(out / path.name) for path in written]


def _members(source: Source, variant: str, runtime: str) -> dict[str, str]:
    """What a .tflite file says of itself, beside its spec."""
    members = {RUNTIME_VERSION_MEMBER: runtime, VARIANT_MEMBER: variant}
    found = {
        TRAINING_MEMBER: read_member(source.origin(variant), TRAINING_MEMBER),
        CALIBRATION_MEMBER: source.calibration(variant),
    }
    return members | {name: text for name, text in found.items() if text is not None}


def _work_folder(out: Path) -> tempfile.TemporaryDirectory:
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


def main(arguments: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    given = sys.argv[1:] if arguments is None else arguments
    plain_warnings()
    try:
        if args.model.suffix != ".keras":
            raise ValueError(f"a .keras file of `python -m train` expected, got {args.model}")
        _work_folder(args.out).cleanup()  # before reading pictures, not after
        spec = read_spec(args.model)
        variants = _choose_variants(args, spec)
        frames, record = _calibration(args, spec)
        with _work_folder(args.out) as work:
            source = Source(args.model, spec, frames, Path(work), record, args.qat)
            paths = _convert_all(source, variants, args.out)
        command = shlex.join(["python", "-m", "convert", *given])
        robustness = args.robustness and set(COMPARED) <= set(variants)
        comparison = run_benchmark(
            paths, args.data, args.split, args.threads, command=command, robustness=robustness
        )
        comparison.report["training"] = read_training(args.model)
        print(format_report(comparison.report))
        for path in write_results(args.out / "report.json", comparison):
            print(path)
    except (ValueError, OSError, ImportError) as error:
        cure = ""
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            cure = f": {args.out} needs room for some ten times the model; free it or change --out"
        print(f"error: {error}{cure}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; the files of an earlier run are as they were", file=sys.stderr)
        return 130
    except (ConversionError, VerificationError) as error:
        if isinstance(error, ConversionError):
            print(error.log, file=sys.stderr)
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
