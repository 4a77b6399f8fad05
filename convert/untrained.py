"""A detector of random weights as float32 and int8 files, for their size and speed alone.

    python -m convert.untrained FILE.keras

writes FILE_untrained_float32.tflite and FILE_untrained_int8.tflite beside it. Ranges are
made up, and nothing is corrected for rounding: what the files find means nothing. `python -m
train.summary` calls it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from convert.errors import quiet_imports, run_conversion
from edge_runtime.detector.preprocess import pixel_range
from edge_runtime.detector.spec import DetectorSpec, embed, read_spec

if TYPE_CHECKING:
    import keras

MADE_UP = (-6.0, 6.0)  # the range of every tensor but the picture


def _write(path: Path) -> None:
    with quiet_imports():
        from convert.tflite import load_model
    spec = read_spec(path)
    # Never the name of a converted detector, which would be replaced by one of noise.
    write_untrained(load_model(path, spec), spec, path.with_name(f"{path.stem}_untrained"))


def write_untrained(model: keras.Model, spec: DetectorSpec, target: Path) -> list[Path]:
    """Write TARGET_float32.tflite and TARGET_int8.tflite. Returns: their paths."""
    with quiet_imports():
        from convert.tflite import convert, convert_int8, export
        from train.quantization.fused_ops import find_ops
        from train.quantization.simulated_net import INPUT, Quantization, build_int8_net
    ranges = {op.name: op.fixed_range or MADE_UP for op in find_ops(model)[0] if op.rounds}
    net = build_int8_net(model, Quantization({INPUT: pixel_range(spec), **ranges}))
    written = []
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        for kind, source, write in (("float32", model, convert), ("int8", net, convert_int8)):
            made = Path(work) / f"{target.name}_{kind}.tflite"
            write(export(source, spec, Path(work) / kind), made)
            embed(made, spec)
            written.append(made.replace(target.with_name(made.name)))
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m convert.untrained",
        description="Write a detector as float32 and int8 files without pictures, to time them.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help=".keras file with a spec")
    args = parser.parse_args(arguments)
    return run_conversion(lambda: _write(args.model), stopped="stopped")


if __name__ == "__main__":
    sys.exit(main())
