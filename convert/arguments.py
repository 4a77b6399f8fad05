"""Command-line flags that the commands of this package share."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge_runtime.arguments import whole_number

# Ranges are minima and maxima: with fewer pictures they fit those scenes and clip others.
MIN_IMAGES = 20
LATENCY_RUNS = 50  # of each model: enough for a 90th percentile, bearable on a slow board


def add_model_and_data(parser: argparse.ArgumentParser) -> None:
    """Add MODEL and --data: the model to convert, study or explain, and its pictures."""
    parser.add_argument(
        "model", type=Path, metavar="MODEL", help=".keras file of `python -m train`"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of labeled pictures")


def add_calibration_draw(parser: argparse.ArgumentParser) -> None:
    """Add the flags that draw calibration pictures."""
    add = parser.add_argument
    add("--calibration-split", default="train", help="where calibration pictures are drawn from")
    add("--seed", type=whole_number(0), default=0, help="of the draw of calibration pictures")


def add_calibration_images(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--calibration-images",
        type=whole_number(1),
        default=200,
        help="int8 ranges are measured on so many, or on all that the split has; fewer than "
        f"{MIN_IMAGES} are too few",
    )
