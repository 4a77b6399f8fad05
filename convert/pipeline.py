"""From a trained detector to its .tflite files: which ones, all of them or none, each checked."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from convert.errors import hidden_output
from convert.quantize import ai_edge_quantizer as second_opinion
from convert.quantize.ai_edge_quantizer import check_installed
from convert.runtime_versions import minimum_runtime
from convert.tflite import convert, convert_int8, export, import_tensorflow, load_model
from convert.variants import BY_OTHERS, OPTIONAL, VARIANT_MEMBER, VARIANTS, WITHOUT_CALIBRATION
from convert.verify import find_problems, read_model
from edge_runtime.detector.calibration_record import CALIBRATION_MEMBER, CalibrationRecord
from edge_runtime.detector.interpreter import RUNTIME_VERSION_MEMBER
from edge_runtime.detector.spec import DetectorSpec, embed, read_member, read_spec
from train.quantization.learnt_ranges import read_ranges
from train.training.provenance import TRAINING_MEMBER


class VerificationError(RuntimeError):
    """A converted file is not what was asked for."""


def choose_variants(args: argparse.Namespace, spec: DetectorSpec) -> list[str]:
    """The variants to make, in the order of the table; float32, which others are made of, first.

    Raises: ValueError for files and flags that do not go together.
    """
    given = {"int8_qat": args.qat, "int8_mixed": args.keep_float}
    chosen = args.variants or [name for name in VARIANTS if given.get(name, True)]
    for name, flag in OPTIONAL.items():
        if name in chosen and not given[name]:
            raise ValueError(f"the variant {name} needs {flag}; give it, or leave the variant out")
    if args.keep_float and "int8_mixed" not in chosen:
        raise ValueError("--keep-float makes the variant int8_mixed; name it in --variants, too")
    if args.qat:
        if read_spec(args.qat) != spec:
            raise ValueError(
                f"a detector with the spec of {args.model} expected, got another in {args.qat}; "
                "train it with --qat --start-from that model"
            )
        if read_ranges(args.qat) is None:
            raise ValueError(f"{args.qat} has learnt no int8 ranges; train it with --qat")
    if BY_OTHERS & set(chosen):
        check_installed()
    return [name for name in VARIANTS if name in {"float32", *chosen}]


def convert_all(source: Source, variants: Sequence[str], out: Path) -> list[Path]:
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


def work_folder(out: Path) -> tempfile.TemporaryDirectory:
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


METHOD = "min-max, rounding corrected"


@dataclass
class Source:
    """A detector and what its variants are made of; what several of them need is made once.

    Attributes:
        path: of the .keras file.
        frames: (input_h, input_w, 3) uint8 each, which int8 ranges are measured on.
        record: of these pictures, for the int8 files; None to leave it out.
        work: a folder for what lies between.
        qat: .keras file of the same detector after quantisation-aware training, for int8_qat.
        keep_float: what int8_mixed leaves in float: names, beginnings or globs of units.
    """

    path: Path
    spec: DetectorSpec
    frames: Sequence[np.ndarray]
    work: Path
    record: CalibrationRecord | None = None
    qat: Path | None = None
    keep_float: Collection[str] = ()

    @cached_property
    def model(self):
        return load_model(self.path, self.spec)

    @cached_property
    def saved_model(self) -> Path:
        return export(self.model, self.spec, self.work / "float")

    @cached_property
    def quantization(self):
        return quantization_of(self.path, self.model, self.frames, self.spec)

    @cached_property
    def kept(self) -> set[str]:
        """The units that `keep_float` means. Raises: ValueError for a name that fits none."""
        if not self.keep_float:
            return set()
        model = self.model  # loads TensorFlow out of sight
        from train.quantization.fused_ops import match_units

        return match_units(model, self.keep_float)

    def calibration(self, variant: str) -> str | None:
        """What a file says of its calibration, as JSON; None for one that needs none."""
        if variant in WITHOUT_CALIBRATION:
            return None
        if variant not in BY_OTHERS:
            learnt = read_member(
                self.qat if variant == "int8_qat" else self.path, CALIBRATION_MEMBER
            )
            if learnt is not None:
                return learnt
        if self.record is None:
            return None
        method = "by ai-edge-quantizer" if variant in BY_OTHERS else METHOD
        return replace(self.record, method=method).to_json()

    def origin(self, variant: str) -> Path:
        """The .keras file that a variant is made of."""
        return self.qat if variant == "int8_qat" else self.path

    def float_file(self) -> Path:
        """The float32 file, which is the first that is made."""
        return self.target("float32")

    def target(self, variant: str) -> Path:
        return self.work / f"{self.path.stem}_{variant}.tflite"


def quantization_of(path: Path, model, frames: Sequence[np.ndarray], spec: DetectorSpec):
    """Ranges and corrections: what the file has learnt, else measured on pictures.

    Raises: ValueError for learnt ranges that do not fit the net.
    """
    import_tensorflow()  # chooses the backend
    from convert.quantize.bias_correction import correct_rounding
    from train.quantization.calibrate import measure_ranges
    from train.quantization.simulated_net import Quantization, check_ranges

    learnt = read_ranges(path)
    if learnt is None:
        return correct_rounding(model, measure_ranges(model, frames, spec), frames, spec)
    check_ranges(model, learnt, path)
    return Quantization(learnt)


def _float32(source: Source, target: Path) -> None:
    convert(source.saved_model, target, "float32")


def _float16(source: Source, target: Path) -> None:
    convert(source.saved_model, target, "float16")


def _dynamic(source: Source, target: Path) -> None:
    convert(source.saved_model, target, "dynamic")


def _int8(source: Source, target: Path) -> None:
    _simulated(source, target, source.model, source.quantization)


def _int8_qat(source: Source, target: Path) -> None:
    model = load_model(source.qat, source.spec)
    _simulated(source, target, model, quantization_of(source.qat, model, (), source.spec))


def _int8_mixed(source: Source, target: Path) -> None:
    _simulated(source, target, source.model, source.quantization, source.kept)


def _int8_float_head(source: Source, target: Path) -> None:
    from train.quantization.fused_ops import head_units

    _simulated(source, target, source.model, source.quantization, head_units(source.model))


def _int16x8(source: Source, target: Path) -> None:
    second_opinion.int16x8(source.float_file(), target, source.frames, source.spec)


def _aeq_int8(source: Source, target: Path) -> None:
    second_opinion.int8(source.float_file(), target, source.frames, source.spec)


def _simulated(
    source: Source, target: Path, model, quantization, keep_float: Collection[str] = ()
) -> None:
    """A .tflite file of what train/quantization/simulated_net.py simulates."""
    from train.quantization.fused_ops import output_units
    from train.quantization.simulated_net import build_int8_net

    net = build_int8_net(model, quantization, keep_float)
    saved_model = export(net, source.spec, source.work / target.stem)
    kept = output_units(model) & set(keep_float)
    convert_int8(saved_model, target, float_outputs=bool(kept))


RECIPES: dict[str, Callable[[Source, Path], None]] = {
    "float32": _float32,
    "float16": _float16,
    "dynamic": _dynamic,
    "int8": _int8,
    "int8_qat": _int8_qat,
    "int8_mixed": _int8_mixed,
    "int8_float_head": _int8_float_head,
    "int16x8": _int16x8,
    "aeq_int8": _aeq_int8,
}
