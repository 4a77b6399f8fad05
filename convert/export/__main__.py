"""Export a .tflite file of ours for Frigate, pycoral or MediaPipe.

    python -m convert.export models/digits_int8.tflite --for frigate
    python -m convert.export models/digits_int8.tflite --for all --out build/export

Needs neither TensorFlow nor pictures nor the .keras file: operators are added to the finished file.
Writes NAME_postprocess.tflite (four outputs) and NAME_labels.txt for Frigate and pycoral,
NAME_mediapipe.tflite (two outputs) for MediaPipe.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from convert.errors import run_conversion
from convert.export.forms import DEFAULTS, READERS, Thresholds, targets
from edge_runtime.arguments import number_between, whole_number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m convert.export",
        description="Export a .tflite file of this project for other tools.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help=".tflite file of `python -m convert`")
    add("--for", dest="reader", choices=tuple(READERS), required=True, help="the tool to open it")
    add("--out", type=Path, help="folder for the files; None: that of FILE")
    add("--overwrite", action="store_true", help="replace files of an earlier export")
    add(
        "--iou-threshold",
        type=number_between(0, 1, "0 to 1"),
        default=DEFAULTS.iou,
        help="of the four-output file: of two boxes of a class, drop the worse if IoU > it",
    )
    add(
        "--max-detections",
        type=whole_number(1),
        default=DEFAULTS.max_detections,
        help="of the four-output file",
    )
    return parser


def _run(args: argparse.Namespace) -> None:
    try:
        from convert.export.exporter import export
        from convert.export.source import open_source
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"exporting needs {error.name}; pip install ai-edge-litert"
        ) from error
    source = open_source(args.file)
    forms = READERS[args.reader]
    folder = args.out or args.file.parent
    there = [str(path) for path in targets(args.file, forms, folder) if path.exists()]
    if there and not args.overwrite:
        raise ValueError(
            f"{' and '.join(there)} exist already; replace them with --overwrite, or choose "
            "another --out"
        )
    thresholds = Thresholds(args.iou_threshold, args.max_detections)
    for path in export(source, forms, folder, thresholds):
        size = f": {path.stat().st_size / 1e6:.2f} MB" if path.suffix == ".tflite" else ""
        print(f"{path}{size}")


def main(arguments: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    return run_conversion(lambda: _run(args), stopped="stopped; earlier files are as they were")


if __name__ == "__main__":
    sys.exit(main())
