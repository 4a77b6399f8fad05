"""Compare the literature's detectors on one data set, each trained with one budget.

    python -m studies.compare --data build/data/BCCD --out build/compare --budget 120

Trains each preset, converts it to float32 and int8 and measures all files in one run, taking turns.
What is done already is not done again: after an interruption the same command goes on. Writes
compare.json and compare.png; --results adds rows of other detectors, as COCO results JSON.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from convert.benchmark.results_file import match_results, read_annotations, read_results
from convert.errors import quiet_imports
from convert.report_files import write_report
from edge_runtime.arguments import positive_number, run_command, whole_number
from edge_runtime.system.machine import one_line
from studies.compare.plot import draw_comparison
from studies.compare.report import Row, Size, format_rows, make_rows, read_rows, to_json
from studies.compare.runs import (
    Recipe,
    check_flags,
    check_recipe,
    convert_command,
    files_of,
    run,
    train_command,
)
from train.data.dataset import load_dataset
from train.data.geometry import plain_warnings
from train.model.presets import PRESETS

LITERATURE = ("ssd300_vgg16", "ssd_mobilenet_v1", "ssdlite")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m studies.compare",
        description="Train presets on one data set and compare them; goes on where it stopped. "
        "What follows -- are flags of `python -m train`, for all presets alike.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=Path, help="folder of labeled pictures")
    add("--out", type=Path, required=True, help="folder for everything that is made")
    add("--presets", nargs="+", default=LITERATURE, choices=sorted(PRESETS), metavar="PRESET")
    add(
        "--budget",
        type=positive_number,
        metavar="MINUTES",
        help="of each training; None: any time",
    )
    add(
        "--backbone-weights",
        nargs="+",
        default=[],
        metavar="PRESET=FILE",
        help="ImageNet weights of a preset's backbone; others are downloaded by Keras",
    )
    add("--split", default="test", help="that is measured on")
    add("--threads", type=whole_number(1), help="of the interpreter; None: all cores")
    add("--runs", type=whole_number(0), default=30, help="of each file for its latency")
    add("--results", nargs="+", type=Path, default=[], metavar="FILE", help="of other detectors")
    add("--results-annotations", type=Path, metavar="FILE", help="that their ids are of")
    add("--draw", type=Path, metavar="compare.json", help="print and draw that again, no more")
    return parser


def _weights(given: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in given:
        preset, equals, path = text.partition("=")
        if preset not in PRESETS or not equals:
            raise ValueError(f"--backbone-weights is PRESET=FILE, got {text}")
        if not Path(path).is_file():
            raise ValueError(f"--backbone-weights: no file at {path}")
        found[preset] = path
    return found


def _check_data(args: argparse.Namespace) -> None:
    """Raises: ValueError, before hours of training, for a split or results that do not fit."""
    missing = [path for path in args.results if not path.is_file()]
    if missing:
        raise ValueError(f"--results: no file at {missing[0]}")
    ids = read_annotations(args.results_annotations) if args.results_annotations else None
    dataset = load_dataset(args.data, args.split)
    for path in args.results:
        match_results(read_results(path), dataset.examples, dataset.class_names, ids)


def _run(args: argparse.Namespace, flags: Sequence[str], command: str) -> int:
    if args.draw:
        _show(read_rows(args.draw), args.draw.name, args.out)
        return 0
    if args.data is None:
        raise ValueError("--data expected, a folder of labeled pictures, got none")
    check_flags(flags)
    recipe = Recipe(
        str(args.data), args.split, args.budget, tuple(flags), _weights(args.backbone_weights)
    )
    _check_data(args)
    check_recipe(recipe, args.out)
    for preset in args.presets:
        for make in (train_command, convert_command):
            wanted = make(preset, recipe, args.out)
            if wanted:
                run(wanted)
    with quiet_imports():
        from convert.benchmark.run import run_benchmark
    files = [path for preset in args.presets for path in files_of(preset, args.out)]
    report = run_benchmark(
        files,
        args.data,
        args.split,
        args.threads,
        args.runs,
        command=command,
        results=args.results,
        results_annotations=args.results_annotations,
    ).report
    rows = make_rows(report, {preset: _size(preset, args.out) for preset in args.presets})
    write_report(args.out / "compare.json", to_json(rows, report, command))
    machine = one_line(report.machine)
    _show(rows, f"{report.data.root}, {report.data.images} pictures; {machine}", args.out)
    return 0


def _size(preset: str, folder: Path) -> Size:
    """Parameters and multiply-adds of a trained preset."""
    with quiet_imports():
        import keras

        from train.model.ssd import multiply_adds
    model = keras.saving.load_model(folder / f"{preset}.keras", compile=False)
    return Size(model.count_params(), multiply_adds(model))


def _show(rows: Sequence[Row], caption: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    print(caption, format_rows(rows), sep="\n\n")
    draw_comparison(rows, caption, folder / "compare.png")
    print(folder / "compare.png")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns: the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    ours, flags = given, []
    if "--" in given:
        place = given.index("--")
        ours, flags = given[:place], given[place + 1 :]
    args = _parser().parse_args(ours)
    plain_warnings()
    command = shlex.join(["python", "-m", "studies.compare", *given])
    return run_command(
        "error", lambda: _run(args, flags, command), stopped="stopped; the same command goes on"
    )


if __name__ == "__main__":
    sys.exit(main())
