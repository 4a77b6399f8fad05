"""Conversion pipeline: a trained detector becomes its .tflite files, each checked, all or none."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import keras
import numpy as np

from convert.errors import ConversionError, VerificationError, hidden_output
from convert.export.exporter import export
from convert.export.forms import POSTPROCESS
from convert.export.source import open_source
from convert.progress import announce
from convert.quantize import ai_edge_quantizer
from convert.quantize.bias_correction import correct_rounding
from convert.quantize.converter_ptq import convert_with_ptq
from convert.quantize.equalization import equalize
from convert.runtime_versions import minimum_runtime
from convert.tflite import convert, convert_int8, load_model
from convert.tflite import export as export_saved_model
from convert.variants import VARIANT_MEMBER, VARIANTS
from convert.verify import find_problems, read_model
from edge_runtime.detector.calibration_record import CALIBRATION_MEMBER, CalibrationRecord
from edge_runtime.detector.interpreter import RUNTIME_VERSION_MEMBER
from edge_runtime.detector.spec import DetectorSpec, embed, read_member
from train.quantization.calibrate import calibrate_ranges
from train.quantization.fused_ops import head_ops, output_ops, select_ops
from train.quantization.learnt_ranges import read_ranges
from train.quantization.simulated_net import Quantization, build_int8_net, check_ranges
from train.training.provenance import TRAINING_MEMBER

# Which variant other tools get: the first that was made.
EXPORTED = ("int8_qat", "int8")


@dataclass
class ConversionInput:
    """A detector and what its variants are made of; what several of them need is made once.

    Attributes:
        path: of the .keras file.
        frames: (input_h, input_w, 3) uint8 each, which int8 ranges are measured on.
        work: folder of the files while they are made, and of what lies between.
        record: of the frames, for the int8 files; None to leave it out.
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

    def check(self) -> None:
        """Raises: ValueError, in time and not in minutes, for a name that fits no layer."""
        if self.keep_float:
            select_ops(self.model, self.keep_float)

    @cached_property
    def model(self) -> keras.Model:
        return load_model(self.path, self.spec)

    @cached_property
    def saved_model(self) -> Path:
        """Folder of the exported float detector."""
        return export_saved_model(self.model, self.spec, self.work / "float")

    @cached_property
    def quantized(self) -> tuple[keras.Model, Quantization]:
        return quantize_model(self.path, self.model, self.frames, self.spec)

    def origin(self, variant: str) -> Path:
        """The .keras file that a variant is made of. Raises: ValueError without one."""
        if VARIANTS[variant].flag != "--qat":
            return self.path
        if self.qat is None:
            raise ValueError(f"a .keras file of `python -m train --qat` expected for {variant}")
        return self.qat

    def calibration(self, variant: str) -> str | None:
        """Calibration record for a file, as JSON; None for one that needs none."""
        row = VARIANTS[variant]
        if row.calibration_method is None:
            return None
        if row.quantizer is None:
            learnt = read_member(self.origin(variant), CALIBRATION_MEMBER)
            if learnt is not None:
                return learnt
        if self.record is None:
            return None
        return replace(self.record, method=row.calibration_method).to_json()

    def target(self, variant: str) -> Path:
        """Path of a variant in the work folder."""
        return self.work / f"{self.path.stem}_{variant}.tflite"


def quantize_model(
    path: Path, model: keras.Model, frames: Sequence[np.ndarray], spec: DetectorSpec
) -> tuple[keras.Model, Quantization]:
    """The float detector that int8 is made of, and how: as the file has learnt, else by frames.

    Args:
        path: of the .keras file that `model` was loaded from.
        frames: (input_h, input_w, 3) uint8 each; unused where ranges were learnt.

    Returns: a detector that computes what `model` does, its channels equalized; the model itself
        where ranges were learnt. Ranges and corrections of it.
    Raises: ValueError for learnt ranges that do not fit the net.
    """
    learnt = read_ranges(path)
    if learnt is None:
        model = equalize(model, frames, spec)
        return model, correct_rounding(model, calibrate_ranges(model, frames, spec), frames, spec)
    check_ranges(model, learnt, path)
    return model, Quantization(learnt)


def convert_all(
    source: ConversionInput, variants: Sequence[str], out: Path, may_fail: Collection[str] = ()
) -> dict[str, Path]:
    """Write the variants, float32 first, into `out`, or none; an int8 file for other tools, too.

    Args:
        may_fail: variants that are left out, with a line that says why, where they fail.

    Returns: their paths by name of the variant, in the given order, that of the exported file last.
    Raises: VerificationError, ConversionError, ValueError; OSError, as on a full disk.
    """
    written = {}
    for variant in variants:
        try:
            written[variant] = _convert_one(source, variant)
        except (VerificationError, ConversionError) as error:
            if variant not in may_fail:
                raise
            print(f"{variant} left out: {error}", flush=True)
    exported = _export(written)
    for path in exported[:1]:
        written[path.stem.removeprefix(f"{source.path.stem}_")] = path
    placed = {variant: path.replace(out / path.name) for variant, path in written.items()}
    for labels in exported[1:]:
        labels.replace(out / labels.name)
    return placed


def _convert_one(source: ConversionInput, variant: str) -> Path:
    """Write, label and check one file in the work folder."""
    start = time.perf_counter()
    announce(variant)
    path = source.target(variant)
    write_variant(variant, source, path)
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
    return path


def _export(written: Mapping[str, Path]) -> list[Path]:
    """The four-output file and then the label map of an int8 file, beside it; none without one."""
    path = next((written[variant] for variant in EXPORTED if variant in written), None)
    if path is None:
        return []
    try:
        model, labels = export(open_source(path), [POSTPROCESS], path.parent)
    except ValueError as error:  # nothing that the variants would have to wait for
        print(f"not exported for other tools: {error}", flush=True)
        return []
    megabytes = model.stat().st_size / 1e6
    print(f"{model.name}: {megabytes:.2f} MB, for Frigate and pycoral, with {labels.name}")
    return [model, labels]


def _members(source: ConversionInput, variant: str, runtime: str) -> dict[str, str]:
    """Members that a .tflite file carries beside its spec."""
    members = {RUNTIME_VERSION_MEMBER: runtime, VARIANT_MEMBER: variant}
    found = {
        TRAINING_MEMBER: read_member(source.origin(variant), TRAINING_MEMBER),
        CALIBRATION_MEMBER: source.calibration(variant),
    }
    return members | {name: text for name, text in found.items() if text is not None}


def write_variant(variant: str, source: ConversionInput, target: Path) -> None:
    """Write a .tflite file, bare: by the function of this module that the variant's row names."""
    globals()[VARIANTS[variant].made_by](source, target)


def write_float32(source: ConversionInput, target: Path) -> None:
    convert(source.saved_model, target, "float32")


def write_float16(source: ConversionInput, target: Path) -> None:
    convert(source.saved_model, target, "float16")


def write_dynamic(source: ConversionInput, target: Path) -> None:
    convert(source.saved_model, target, "dynamic")


def write_int8_converter(source: ConversionInput, target: Path) -> None:
    convert_with_ptq(source.saved_model, target, source.frames, source.spec)


def write_int8(source: ConversionInput, target: Path) -> None:
    _write_simulated(source, target, *source.quantized)


def write_int8_qat(source: ConversionInput, target: Path) -> None:
    path = source.origin("int8_qat")
    model = load_model(path, source.spec)
    _write_simulated(source, target, *quantize_model(path, model, (), source.spec))


def write_int8_mixed(source: ConversionInput, target: Path) -> None:
    kept = select_ops(source.model, source.keep_float)
    _write_simulated(source, target, *source.quantized, kept)


def write_int8_float_head(source: ConversionInput, target: Path) -> None:
    heads = head_ops(source.model)
    _write_simulated(source, target, *source.quantized, heads)


def write_int16x8(source: ConversionInput, target: Path) -> None:
    ai_edge_quantizer.int16x8(source.target("float32"), target, source.frames, source.spec)


def write_aeq_int8(source: ConversionInput, target: Path) -> None:
    ai_edge_quantizer.int8(source.target("float32"), target, source.frames, source.spec)


def _write_simulated(
    source: ConversionInput,
    target: Path,
    model: keras.Model,
    quantization: Quantization,
    keep_float: Collection[str] = (),
) -> None:
    """A .tflite file of what train/quantization/simulated_net.py simulates."""
    net = build_int8_net(model, quantization, keep_float)
    saved_model = export_saved_model(net, source.spec, source.work / target.stem)
    kept = output_ops(model) & set(keep_float)
    convert_int8(saved_model, target, float_outputs=bool(kept))
