"""Fit a detector's anchors to the boxes of a PASCAL VOC folder, and see what that gains.

python -m train.anchors --data build/data/digits
python -m train.anchors --data DIR --preset fpnlite --out anchors.json --picture anchors.png
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge_runtime.arguments import run_command
from edge_runtime.detector.spec import DetectorSpec
from train.anchors.coverage import Reach, format_table, reach_by_class
from train.anchors.kmeans import fit_spec
from train.anchors.levels import save_levels
from train.anchors.plot import anchor_sizes_px, draw_anchors
from train.data.dataset import open_data
from train.data.geometry import plain_warnings
from train.model.presets import PRESETS


def describe_levels(spec: DetectorSpec) -> str:
    """One line a level: anchors as width x height in input pixels, and how many there are."""
    lines = []
    for level in spec.levels:
        rows, columns = spec.feature_hw(level)
        sizes = anchor_sizes_px((level,), spec.input_hw)
        shapes = "  ".join(f"{width:.0f}x{height:.0f}" for width, height in sizes)
        lines.append(f"stride {level.stride:>3}, {columns}x{rows} cells: {shapes}")
    return "\n".join(lines)


def suggest_cures(before: list[Reach], after: list[Reach], share: float = 0.9) -> list[str]:
    """Cures for classes that the fitted anchors do not reach well, a line for each cure."""
    classes: dict[str, list[str]] = {}
    for old, new in zip(before[:-1], after[:-1], strict=True):
        cure = ""
        if new.share < share <= new.shape_share:
            cure = (
                "the cells are too far apart for them, whatever the anchors' shapes; take a "
                "preset with a smaller stride or raise --input-size"
            )
        elif new.share < share or new.share < old.share - 0.01:
            cure = "their shapes differ too much for so few anchors; raise --per-level"
        if cure:
            classes.setdefault(cure, []).append(new.name)
    return [f"{', '.join(names)}: {cure}" for cure, names in classes.items()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m train.anchors",
        description="Fit a detector's anchors to the boxes of a PASCAL VOC folder.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="VOC folder")
    parser.add_argument("--split", default="train", help="whose boxes to fit")
    parser.add_argument(
        "--preset", default="fpnlite", choices=sorted(PRESETS), help="feature maps, and 'before'"
    )
    parser.add_argument(
        "--input-size", type=int, default=0, help="height and width in pixels; 0: the preset's"
    )
    parser.add_argument(
        "--per-level", type=int, default=3, help="anchors a cell; each costs time on the device"
    )
    parser.add_argument("--out", type=Path, help="write the levels to this JSON file")
    parser.add_argument("--picture", type=Path, help="draw boxes and anchors into this PNG file")
    parser.add_argument("--seed", type=int, default=0, help="of k-means")
    return parser


def _check(options: argparse.Namespace) -> None:
    """Check the flags, before the annotations are read."""
    if options.input_size and not 64 <= options.input_size <= 2048:
        raise ValueError(f"--input-size is 64 to 2048 pixels, got {options.input_size}")
    if options.per_level < 1:
        raise ValueError(f"--per-level is at least 1, got {options.per_level}")
    if not 0 <= options.seed < 2**32:
        raise ValueError(f"--seed is 0 to 2**32 - 1, got {options.seed}")
    for flag, path, suffix in (("out", options.out, ".json"), ("picture", options.picture, ".png")):
        if path and path.suffix.lower() != suffix:
            raise ValueError(f"--{flag} is a {suffix} file, got {path}")


def _run(options: argparse.Namespace) -> int:
    _check(options)
    data = open_data(options.data)
    print(*data.notes, sep="\n")
    dataset = data.load(options.split)
    side = options.input_size
    preset = PRESETS[options.preset]
    before = preset.spec(dataset.class_names, (side, side) if side else None)
    after = fit_spec(dataset, before, options.per_level, options.seed)
    old, new = reach_by_class(dataset, before), reach_by_class(dataset, after)
    print(format_table(old, new))
    print(describe_levels(after))
    for line in suggest_cures(old, new):
        print(f"note: {line}")
    if options.out:
        save_levels(options.out, after.levels)
        print(f"written: {options.out}")
    if options.picture:
        draw_anchors(options.picture, dataset, before, after)
        print(f"drawn: {options.picture}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """The command line. Returns: the exit status, 2 after an error that the user can cure."""
    options = _parser().parse_args(argv)
    plain_warnings()
    return run_command("train.anchors", lambda: _run(options))


if __name__ == "__main__":
    sys.exit(main())
