"""A detector of random weights as float32 and int8 files, for their size and speed alone.

    python -m convert.untrained FILE.keras

writes FILE_untrained_float32.tflite and FILE_untrained_int8.tflite beside it. Ranges come from
noise, and nothing is corrected for rounding: what the files find means nothing. `python -m
train.summary` calls it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from convert.errors import quiet_imports, run_conversion
from edge_runtime.detector.spec import embed, read_spec


def _write(path: Path) -> None:
    with quiet_imports():
        import numpy as np

        from convert.tflite import convert, convert_int8, export, load_model
        from train.quantization.calibrate import calibrate_ranges
        from train.quantization.simulated_net import Quantization, build_int8_net
    spec = read_spec(path)
    model = load_model(path, spec)
    frames = [np.random.default_rng(0).integers(0, 256, (*spec.input_hw, 3), dtype=np.uint8)]
    net = build_int8_net(model, Quantization(calibrate_ranges(model, frames, spec)))
    with tempfile.TemporaryDirectory(dir=path.parent) as work:
        for kind, source, write in (("float32", model, convert), ("int8", net, convert_int8)):
            # Never the name of a converted detector, which would be replaced by one of noise.
            name = f"{path.stem}_untrained_{kind}.tflite"
            made = Path(work) / name
            write(export(source, spec, Path(work) / kind), made)
            embed(made, spec)
            made.replace(path.with_name(name))


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
