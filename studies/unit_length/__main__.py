"""Noise that int8 adds to the outputs of an SSD300, with and without its division by length.

    python -m studies.unit_length build/ssd300.keras --data mydata

Half of the pictures set the ranges, the others are measured on: the simulated int8 net as a file
computes it (L2_NORMALIZATION in steps of 1/128), the same with that division in float, and the
division alone rounded. Signal to noise in dB, by output; JSON with --out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from convert.errors import quiet_imports
from convert.report_files import write_report
from convert.tables import align
from edge_runtime.arguments import run_command, whole_number
from edge_runtime.detector.preprocess import preprocess
from edge_runtime.detector.resize import resize
from edge_runtime.detector.spec import DetectorSpec, read_spec
from edge_runtime.media.images import read_image
from edge_runtime.system.machine import describe_hardware
from train.data.dataset import load_dataset

if TYPE_CHECKING:
    import keras

WAYS = ("int8", "int8, division in float", "division alone")


def signal_to_noise(exact: np.ndarray, rounded: np.ndarray) -> float:
    """10 log₁₀ of the power of the exact numbers over that of the differences."""
    noise = np.square(exact - rounded).mean(dtype=np.float64)
    return float(10 * np.log10(np.square(exact).mean(dtype=np.float64) / max(noise, 1e-30)))


def measure(
    model: keras.Model, spec: DetectorSpec, frames: Sequence[np.ndarray]
) -> dict[str, dict[str, float]]:
    """Signal to noise in dB by way and output.

    Args:
        frames: (H, W, 3) uint8 of the input's size, at least two.

    Raises: ValueError for a net that divides nothing by its length.
    """
    from train.quantization.calibrate import calibrate_ranges
    from train.quantization.fused_ops import find_ops
    from train.quantization.simulated_net import Quantization, build_int8_net

    ops = find_ops(model)[0]
    divisions = {op.name for op in ops if op.fixed_range}
    if not divisions:
        raise ValueError("a net with an RMSNormalization expected, such as --preset ssd300_vgg16")
    half = len(frames) // 2
    ranges = calibrate_ranges(model, frames[:half], spec)
    rest = {op.name for op in ops} - divisions
    alone = {name: ranges[name] for name in divisions}
    nothing: set[str] = set()
    ways = ((ranges, nothing), (ranges, divisions), (alone, rest))
    images = np.concatenate([preprocess(frame, spec) for frame in frames[half:]])
    exact = model.predict_on_batch(images)
    found = {}
    for way, (used, kept) in zip(WAYS, ways, strict=True):
        outputs = build_int8_net(model, Quantization(used), kept).predict_on_batch(images)
        found[way] = {name: round(signal_to_noise(exact[name], outputs[name]), 1) for name in exact}
    return found


def _run(args: argparse.Namespace) -> int:
    spec = read_spec(args.model)
    examples = load_dataset(args.data, args.split).examples[: args.images]
    if len(examples) < 2:
        raise ValueError(f"at least 2 pictures expected, got {len(examples)}; give another --split")
    frames = [resize(read_image(example.image_path), spec.input_hw) for example in examples]
    with quiet_imports():
        import keras
    found = measure(keras.saving.load_model(args.model, compile=False), spec, frames)
    heads = list(found[WAYS[0]])
    rows = [[way, *(f"{found[way][name]:.1f} dB" for name in heads)] for way in found]
    print(align([["", *heads], *rows], left=(0,)))
    if args.out:
        details = {"model": args.model.name, "pictures": len(frames), "decibels": found}
        write_report(args.out, {**details, "machine": describe_hardware()})
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns: the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.unit_length",
        description="What int8 costs where an SSD300 divides vectors by their length.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help=".keras file of --preset ssd300_vgg16")
    add("--data", type=Path, required=True, help="folder of labeled pictures")
    add("--split", default="test")
    add("--images", type=whole_number(2), default=16, help="half of them for ranges")
    add("--out", type=Path, metavar="FILE", help="JSON of the same")
    args = parser.parse_args(arguments)
    return run_command("error", lambda: _run(args), stopped="stopped")


if __name__ == "__main__":
    sys.exit(main())
