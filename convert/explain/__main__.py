"""Quantization error layer by layer, and what to do about it, in one line.

    python -m convert.explain models/digits.keras --data data/digits --out build/explain
    python -m convert.explain models/digits.keras --data data/digits --int8 digits_int8.tflite

Calibrates as `python -m convert` does, or takes the ranges of a file, and measures on pictures of
another split: the range of every layer, what of it is met, how much saturates, the error that it
makes and the one that has piled up; and how far the detections come back to those of float with
each block of layers in float. Prints tables, writes explain.json and explain.png.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from convert.arguments import (
    add_calibration_draw,
    add_calibration_images,
    add_model_and_data,
)
from convert.errors import hidden_output, quiet_imports, run_conversion
from convert.explain.diagnosis import diagnose, flat_frames
from convert.explain.report import Calibration, DataSummary, Explanation
from convert.explain.tables import draw_explanation, format_explanation
from convert.quantize import calibration_data
from convert.report_files import write_report
from convert.variants import CALIBRATED_HERE, VARIANT_MEMBER, VARIANTS
from edge_runtime.arguments import whole_number
from edge_runtime.detector.calibration_record import read_calibration
from edge_runtime.detector.detector import Detector
from edge_runtime.detector.spec import DetectorSpec, SpecError, read_member, read_spec
from edge_runtime.media.atomic import check_writable
from edge_runtime.system.machine import describe_machine
from train.data.dataset import DetectionDataset, open_data, plain_warnings
from train.data.decoding import drop_undecodable
from train.quantization.learnt_ranges import parse_ranges, read_ranges

if TYPE_CHECKING:
    import keras

    from train.quantization.simulated_net import Quantization

MIN_PICTURES = 8  # for errors: below, chance cannot be told from a finding


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m convert.explain",
        description="Say where int8 loses accuracy, layer by layer, and what to do about it.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add_model_and_data(parser)
    add("--out", type=Path, default=Path("build/explain"), help="folder for explain.json, .png")
    add_calibration_images(parser)
    add_calibration_draw(parser)
    add("--split", help="to measure on; None: val, or test where there is no val")
    add("--limit", type=whole_number(MIN_PICTURES), default=32, help="pictures for the errors")
    add("--ap-limit", type=whole_number(1), default=200, help="pictures for the AP")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--int8", type=Path, help="explain the ranges of this int8 .tflite file")
    source.add_argument(
        "--ranges", type=Path, help="explain those of this JSON file; others are measured"
    )
    return parser


def _datasets(
    args: argparse.Namespace, spec: DetectorSpec
) -> tuple[DetectionDataset, DetectionDataset]:
    """To calibrate on and to measure on; refuses unsuitable data."""
    data = open_data(args.data)
    print(*data.notes, sep="\n")
    calibration = data.load(args.calibration_split, spec.class_names)
    split = args.split
    if split is None:
        # Advice that is followed must not be tuned on the pictures that the benchmark reports.
        split = "val" if len(data.splits.get("val", ())) >= MIN_PICTURES else "test"
    if split == args.calibration_split:
        raise ValueError(
            f"pictures that calibration has not seen expected, got split '{split}' for both; "
            "change --split or --calibration-split"
        )
    dataset = drop_undecodable(data.load(split, spec.class_names))
    if len(dataset) < MIN_PICTURES:
        raise ValueError(
            f"at least {MIN_PICTURES} pictures to measure on expected, split '{split}' has "
            f"{len(dataset)}; add some or choose another --split"
        )
    return calibration, dataset


def _check_variant(path: Path) -> None:
    name = (read_member(path, VARIANT_MEMBER) or "").strip()  # another's file may not say it
    if name and (name not in VARIANTS or not VARIANTS[name].integer):
        raise ValueError(
            f"{path}: a file that is int8 throughout expected, got the variant {name}; "
            "explain the model itself, without --int8"
        )


def _read_ranges(path: Path) -> dict[str, tuple[float, float]]:
    """(low, high) by name of the unit, of a JSON object, or of the "ranges" in one.

    Raises: ValueError for another file; OSError.
    """
    try:
        return parse_ranges(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}; explain.json holds one") from error


def _explain(args: argparse.Namespace, command: str) -> Explanation:
    if args.model.suffix != ".keras":
        raise ValueError(f"a .keras file of `python -m train` expected, got {args.model}")
    spec = read_spec(args.model)
    check_writable(args.out / "explain.json")
    if args.int8:
        _check_variant(args.int8)
    detector = _detector(args.int8, spec) if args.int8 else None
    given = _read_ranges(args.ranges) if args.ranges else None
    calibration, dataset = _datasets(args, spec)
    chosen = calibration_data.draw(calibration, args.calibration_images, args.seed)
    frames = calibration_data.load_frames(chosen, spec)
    with quiet_imports():
        from convert.explain.layer_errors import explain
        from convert.tflite import load_model
    model = load_model(args.model, spec)
    equalized = _is_equalized(args)
    source, model, quantization = _quantization(args, model, given, frames, spec, equalized)
    examples = dataset.examples
    measured = explain(model, spec, quantization, examples, args.limit, args.ap_limit, detector)
    return Explanation(
        command,
        describe_machine(),
        str(args.model),
        args.int8.name if args.int8 else None,
        DataSummary(
            str(args.data),
            dataset.split,
            min(args.limit, len(examples)),
            min(args.ap_limit, len(examples)),
        ),
        Calibration(
            source, calibration.split, len(frames), args.seed, flat_frames(frames), equalized
        ),
        measured,
    )


def _quantization(
    args: argparse.Namespace,
    model: keras.Model,
    given: dict[str, tuple[float, float]] | None,
    frames: Sequence[np.ndarray],
    spec: DetectorSpec,
    equalized: bool,
) -> tuple[str, keras.Model, Quantization]:
    """Where the ranges come from, the detector they are of, and what int8 makes of it."""
    with quiet_imports():
        from convert.explain.quantization import read_tflite_ranges, replace_ranges
        from convert.pipeline import quantize_model
        from convert.quantize.equalization import equalize
    if args.int8:
        given = read_tflite_ranges(args.int8, model)
    if given is None:
        source = "measured" if read_ranges(args.model) is None else "learnt by training"
        return source, *quantize_model(args.model, model, frames, spec)
    file = args.int8 or args.ranges
    if equalized:
        model = equalize(model, frames, spec)
    return str(file), model, replace_ranges(given, model, frames, spec, file)


def _is_equalized(args: argparse.Namespace) -> bool:
    """Whether ranges are those of an equalized net, as this program measures and writes them."""
    if read_ranges(args.model) is not None:
        return False
    if args.int8:
        record = read_calibration(args.int8)
        return record is not None and record.method == CALIBRATED_HERE
    if args.ranges:  # of the net as trained, unless an explain.json says otherwise
        calibration = json.loads(args.ranges.read_text("utf-8")).get("calibration")
        return isinstance(calibration, dict) and calibration.get("equalized") is True
    return True


def _detector(path: Path, spec: DetectorSpec) -> Detector | None:
    """Detector of the file; None where the device refuses it, as one calibrated on other pixels.

    Raises: ValueError for a file of another model; ConversionError for one that does not load.
    """
    if read_spec(path) != spec:
        raise ValueError(
            f"{path}: the spec of the .keras file expected, got another; give the int8 file that "
            "was made of this very model"
        )
    with hidden_output(f"loading {path}"):
        try:
            return Detector(path)
        except SpecError:
            return None  # its ranges are explained all the same: they say why


def _write(args: argparse.Namespace, command: str) -> None:
    report = _explain(args, command)
    diagnosis = diagnose(report)
    write_report(args.out / "explain.json", report.to_json(diagnosis))
    draw_explanation(report, diagnosis, args.out / "explain.png")
    print(format_explanation(report, diagnosis))
    print(args.out / "explain.json")


def main(arguments: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    given = sys.argv[1:] if arguments is None else list(map(str, arguments))
    plain_warnings()
    command = shlex.join(["python", "-m", "convert.explain", *given])
    return run_conversion(
        lambda: _write(args, command),
        stopped="stopped; the files of an earlier run are as they were",
    )


if __name__ == "__main__":
    sys.exit(main())
