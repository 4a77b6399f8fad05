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
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from convert.errors import run_conversion
from convert.export.exporter import export
from convert.export.forms import MEDIAPIPE, POSTPROCESS
from convert.export.source import Source, open_source
from convert.report_files import check_writable, write_report
from edge_runtime.arguments import whole_number
from edge_runtime.system.machine import describe_machine
from studies.readers.readers import READERS
from studies.readers.report import ReadersReport, Row, format_readers
from studies.readers.worker import Answer, Job, ask
from train.data.dataset import DetectionDataset, load_dataset, plain_warnings
from train.data.decoding import drop_undecodable
from train.evaluation.coco import evaluate


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
    add("--out", type=Path, default=Path("build/readers"), help="folder for readers.json")
    return parser


def measure_readers(
    source: Source, dataset: DetectionDataset, pythons: Sequence[str], folder: Path
) -> list[Row]:
    """A row for each of READERS.

    Args:
        pythons: where a reader is looked for, in this order.
        folder: for the exported files and the answers.
    """
    exported = export(source, [POSTPROCESS, MEDIAPIPE], folder)
    files = {None: source.path, POSTPROCESS.name: exported[0], MEDIAPIPE.name: exported[1]}
    images = [str(Path(example.image_path).resolve()) for example in dataset.examples]
    rows = []
    for name, reader in tqdm(READERS.items(), "readers", leave=False, disable=None):
        path = files[reader.form].resolve()
        job = Job(name, str(path), images, str(folder.resolve() / "answer.npz"))
        rows.append(_measure(Row(name, path.name), job, dataset, pythons, source))
    return rows


def _measure(
    row: Row, job: Job, dataset: DetectionDataset, pythons: Sequence[str], source: Source
) -> Row:
    try:
        answer = _first_answer(pythons, job)
    except ValueError as error:
        return replace(row, opens=False, error=str(error))
    if answer is None:
        return row
    accuracy = evaluate(dataset.examples, answer.found, source.spec.class_names)
    ms = round(statistics.median(answer.milliseconds), 3)
    return replace(
        row, version=answer.version, opens=True, ap=accuracy.ap, ap50=accuracy.ap50, ms=ms
    )


def _first_answer(pythons: Sequence[str], job: Job) -> Answer | None:
    return next(filter(None, (ask(python, job) for python in pythons)), None)


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
        rows = measure_readers(source, dataset, [sys.executable, *args.python], Path(folder))
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
