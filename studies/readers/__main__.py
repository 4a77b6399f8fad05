"""Readers of exported files: who opens them, with what AP, how fast.

    python -m studies.readers models/digits_int8.tflite --data build/data/digits
    make readers

Exports the file, has every reader find what it can in the test pictures, and writes readers.json.
A reader that is not installed leaves a blank row: --python names further Pythons to look for it,
since MediaPipe and tflite-runtime do not go together with this project's packages.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from convert.errors import run_conversion
from convert.export.exporter import export
from convert.export.forms import MEDIAPIPE, OPENCV, POSTPROCESS
from convert.export.source import Source, open_source
from convert.report_files import write_report
from edge_runtime.arguments import whole_number
from edge_runtime.media.atomic import check_writable
from edge_runtime.system.machine import describe_machine
from studies.readers.readers import READERS
from studies.readers.report import ReadersReport, Row, format_readers
from studies.readers.worker import Job, ask
from train.data.dataset import DetectionDataset, load_dataset, plain_warnings
from train.data.decoding import drop_undecodable
from train.evaluation.coco import evaluate

LATENCY_IMAGES = 16  # enough different pictures


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m studies.readers",
        description="AP and latency of an exported file in other tools' readers.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help=".tflite file of `python -m convert`")
    add("--data", type=Path, required=True, help="folder of labeled pictures")
    add("--split", default="test", help="what AP is measured on")
    add("--limit", type=whole_number(1), help="look at the first N pictures only; None: all")
    add(
        "--python",
        action="append",
        default=[],
        help="another Python to look for readers in; may be given several times",
    )
    add("--latency-rounds", type=whole_number(0), default=5, help="0: leave latency out")
    add("--out", type=Path, default=Path("build/readers"), help="folder for readers.json")
    return parser


def measure_readers(
    source: Source,
    dataset: DetectionDataset,
    pythons: Sequence[str],
    folder: Path,
    latency_rounds: int,
) -> list[Row]:
    """A row for each of READERS.

    Args:
        pythons: where a reader is looked for, in this order.
        folder: for the exported files and the answers.
        latency_rounds: in which all readers take turns, so that a busy machine slows them alike;
            0 to leave latency blank.
    """
    forms = [POSTPROCESS, MEDIAPIPE, OPENCV]
    exported = export(source, forms, folder)
    files: dict[str | None, Path] = {None: source.path}
    files.update((form.name, path) for form, path in zip(forms, exported, strict=False))
    images = [str(Path(example.image_path).resolve()) for example in dataset.examples]
    rows, found = [], {}
    for name, reader in tqdm(READERS.items(), "accuracy", leave=False, disable=None):
        path = files[reader.form].resolve()
        job = Job(name, str(path), images, str(folder.resolve() / "answer.npz"))
        row, python = _measure(Row(name, path.name), job, dataset, pythons, source)
        rows.append(row)
        if python is not None:
            found[name] = (python, replace(job, images=images[:LATENCY_IMAGES]))
    if not latency_rounds:
        return rows
    best = _latencies(found, latency_rounds)
    return [replace(row, ms=best.get(row.reader)) for row in rows]


def _measure(
    row: Row, job: Job, dataset: DetectionDataset, pythons: Sequence[str], source: Source
) -> tuple[Row, str | None]:
    """The row with its accuracy, and the Python that has the reader."""
    try:
        answers = ((python, ask(python, job)) for python in pythons)
        python, answer = next(((p, a) for p, a in answers if a is not None), (None, None))
    except ValueError as error:
        return replace(row, opens=False, error=str(error)), None
    if answer is None:
        return row, None
    accuracy = evaluate(dataset.examples, answer.found, source.spec.class_names)
    measured = replace(row, version=answer.version, opens=True, ap=accuracy.ap, ap50=accuracy.ap50)
    return measured, python


def _latencies(found: Mapping[str, tuple[str, Job]], rounds: int) -> dict[str, float]:
    """The median of a reader's best round, in milliseconds."""
    best: dict[str, float] = {}
    for _ in tqdm(range(rounds), "latency", unit="round", leave=False, disable=None):
        for name, (python, job) in found.items():
            answer = ask(python, job)
            assert answer is not None, f"{name} was there a moment ago"
            median = round(statistics.median(answer.milliseconds), 3)
            best[name] = min(median, best.get(name, median))
    return best


def _run(args: argparse.Namespace, command: str) -> None:
    for python in args.python:
        if shutil.which(python) is None:
            raise ValueError(f"--python names no program, got {python}; give its path")
    source = open_source(args.file)
    dataset = load_dataset(args.data, args.split, source.spec.class_names)
    dataset = drop_undecodable(replace(dataset, examples=dataset.examples[: args.limit]))
    target = args.out / "readers.json"
    check_writable(target)
    with tempfile.TemporaryDirectory() as folder:
        pythons = [sys.executable, *args.python]
        rows = measure_readers(source, dataset, pythons, Path(folder), args.latency_rounds)
    data = {
        "root": Path(args.data).resolve().name,
        "split": dataset.split,
        "images": len(dataset.examples),
    }
    report = ReadersReport(command, describe_machine(), data, rows)
    write_report(target, report.to_json())
    print(format_readers(report))
    print(target)


def main(arguments: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    given = sys.argv[1:] if arguments is None else arguments
    plain_warnings()
    command = shlex.join(["python", "-m", "studies.readers", *given])
    return run_conversion(
        lambda: _run(args, command), stopped="stopped; an earlier report is as it was"
    )


if __name__ == "__main__":
    sys.exit(main())
