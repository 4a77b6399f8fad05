"""Resizers study: what it costs that a device resizes with OpenCV what was trained with Pillow's.

    python -m studies.resizers --case build/data/kangaroo build/small_sets/kangaroo_0/*int8.tflite
    make resizers

Takes detectors, and the labeled folder of each; measures AP and AP50 on the same pictures with
each resizer of `edge_runtime.detector.resize`. OpenCV's was chosen by the validation split, and the
test split confirms; a split that a detector has learned from tells nothing and is left out. Writes
resizers.json and resizers.md.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from convert.benchmark.predict import find_all, use_accuracy_thresholds
from convert.errors import run_conversion
from convert.report_files import write_report
from edge_runtime.detector.detector import Detector
from edge_runtime.detector.resize import RESIZERS
from edge_runtime.media.atomic import atomic_path, check_writable
from edge_runtime.system.machine import describe_machine
from studies.resizers.report import Accuracies, Row, format_study, page_table, to_json
from train.data.dataset import DetectionDataset, load_dataset
from train.evaluation.coco import evaluate
from train.training.provenance import read_training

SPLITS = ("val", "test")
PARTS = {"trainval": ("train", "val")}  # of a split


def has_learned(path: Path, split: str) -> bool:
    """Whether a detector's record says that it was trained on a split."""
    learned = (read_training(path) or {}).get("split", "")
    return split in PARTS.get(learned, (learned,))


def measure(paths: Sequence[Path], data: Path, split: str) -> Iterator[Row]:
    """A row for each detector on a split of a labeled folder; none for those that learned from it.

    Raises: ValueError, FileNotFoundError for a file or a split that does not fit.
    """
    detectors = [Detector(path, 1) for path in paths if not has_learned(path, split)]
    if not detectors:
        return
    use_accuracy_thresholds(detectors)
    dataset = load_dataset(data, split, detectors[0].class_names)
    accuracies: list[dict[str, Accuracies]] = [{} for _ in detectors]
    for resizer in RESIZERS:
        for detector in detectors:
            detector.resizer = resizer
        found = find_all(detectors, dataset.examples, [None] * len(detectors))
        for of_detector, pictures in zip(accuracies, found, strict=True):
            accuracy = evaluate(dataset.examples, pictures, dataset.class_names)
            of_detector[resizer] = Accuracies(_known(accuracy.ap), _known(accuracy.ap50))
    for detector, of_detector in zip(detectors, accuracies, strict=True):
        yield _row(detector, dataset, of_detector)


def _known(ap: float | None) -> float:
    if ap is None:
        raise ValueError("boxes expected in the split, got none; name another one with --splits")
    return ap


def _row(detector: Detector, dataset: DetectionDataset, accuracies: dict[str, Accuracies]) -> Row:
    factors = [
        (example.height / detector.input_hw[0], example.width / detector.input_hw[1])
        for example in dataset.examples
    ]
    return Row(
        data=dataset.root.resolve().name,
        split=dataset.split,
        file=detector.path.name,
        input_hw=detector.input_hw,
        pictures=len(dataset),
        boxes=sum(len(example.boxes) for example in dataset.examples),
        larger_in_one=sum(max(each) > 2 for each in factors),
        larger_in_both=sum(min(each) > 2 for each in factors),
        accuracies=accuracies,
    )


def _run(args: argparse.Namespace, command: str) -> None:
    target = args.out / "resizers.json"
    check_writable(target)
    rows = [
        row
        for split in args.splits
        for data, *models in args.cases
        for row in measure(models, data, split)
    ]
    if not rows:
        raise ValueError(
            f"a split expected that the detectors have not learned from, got "
            f"{', '.join(args.splits)}; name another one with --splits"
        )
    content = to_json(command, describe_machine(), rows)
    print(format_study(rows))
    with atomic_path(args.out / "resizers.md") as temporary:
        temporary.write_text(page_table(content["rows"]) + "\n", encoding="utf-8")
    write_report(target, content)
    print(target)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m studies.resizers",
        description="Accuracy of detectors with each resizer.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--case",
        dest="cases",
        nargs="+",
        type=Path,
        action="append",
        required=True,
        metavar="PATH",
        help="a labeled folder, then .tflite files that were trained on it; may be given again",
    )
    parser.add_argument("--splits", nargs="+", default=list(SPLITS), metavar="SPLIT")
    parser.add_argument("--out", type=Path, default=Path("build/resizers"), help="folder")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    args = parser.parse_args(arguments)
    if any(len(case) < 2 for case in args.cases):
        parser.error("--case: a labeled folder and at least one .tflite file expected")
    given = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "-m", "studies.resizers", *given])
    return run_conversion(lambda: _run(args, command), stopped="stopped; an earlier report stays")


if __name__ == "__main__":
    sys.exit(main())
