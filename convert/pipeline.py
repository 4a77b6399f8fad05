"""From a trained detector to its .tflite files: which ones, all of them or none, each checked."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from convert.errors import hidden_output
from convert.quantize.ai_edge_quantizer import check_installed
from convert.recipes import RECIPES, Source
from convert.runtime_versions import minimum_runtime
from convert.variants import BY_OTHERS, OPTIONAL, VARIANT_MEMBER, VARIANTS
from convert.verify import find_problems, read_model
from edge_runtime.detector.calibration_record import CALIBRATION_MEMBER
from edge_runtime.detector.spec import DetectorSpec, embed, read_member, read_spec
from edge_runtime.runtime import RUNTIME_VERSION_MEMBER
from train.ranges import read_ranges
from train.training.provenance import MEMBER as TRAINING_MEMBER


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
