"""Agreement with the makers' own readers: does our runtime find in a file what its maker finds?

    MODELS_DIR=folder:another python -m studies.agreement
    make agreement MODELS_DIR=folder

Every .tflite file of the folders is read by its family's adapter and by its makers' readers, on
twenty views of the pictures beside it, and agreement.json says how many detections both have. A
reader that is not installed leaves its cells blank: --python names further Pythons to look for it.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice, product
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from convert.errors import run_conversion
from convert.report_files import write_report
from edge_runtime import Detector
from edge_runtime.arguments import whole_number
from edge_runtime.detector.adapters import families
from edge_runtime.detector.model_facts import ModelFacts
from edge_runtime.media.atomic import check_writable
from edge_runtime.media.images import read_image
from edge_runtime.system.machine import describe_machine
from studies.agreement import makers
from studies.agreement.match import LEAST_IOU, MOST_CHANGE, SCORE, Agreement, compare
from studies.agreement.report import AgreementReport, Row, format_agreement
from studies.readers.readers import Found
from studies.readers.worker import Job, ask

OPERATOR, MEDIAPIPE, ULTRALYTICS, YOLO_V5 = "the operator", "MediaPipe", "Ultralytics", "YOLOv5"
# Readers of a family's makers.
MAKERS = {
    families.POST_PROCESSED: (OPERATOR, MEDIAPIPE),
    families.MEDIAPIPE: (MEDIAPIPE,),
    families.YOLO_V5: (YOLO_V5,),
    families.YOLO_V8: (ULTRALYTICS,),
    families.YOLO_END_TO_END: (ULTRALYTICS,),
}
IOU_OF_MEDIAPIPE = 0.3  # by which it suppresses; in its source, not to be set
ALIKE = ", pixels alike"
PICTURES = 20
# Of a picture, where there are fewer: (top, bottom, left, right) as fractions, and mirrored.
VIEWS = tuple(
    product(
        ((0, 1, 0, 1), (0, 0.7, 0, 1), (0.3, 1, 0, 1), (0, 1, 0, 0.7), (0, 1, 0.3, 1)),
        (False, True),
    )
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m studies.agreement",
        description="Detections of our adapters against those of the makers' own readers.",
        epilog="MODELS_DIR names folders of .tflite files with pictures beside them, between "
        "colons.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--python",
        action="append",
        default=[],
        help="another Python to look for readers in; may be given several times",
    )
    add("--pictures", type=whole_number(1), default=PICTURES, help="views of pictures for a file")
    add("--out", type=Path, default=Path("build/agreement"), help="folder for agreement.json")
    return parser


def views(folder: Path, count: int, out: Path) -> list[Path]:
    """`count` views of the pictures of a folder, written as PNG: whole ones first.

    Raises: ValueError for a folder without pictures.
    """
    pictures = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".jpg", ".png"))
    if not pictures:
        raise ValueError(f"pictures (.jpg, .png) beside the files expected in {folder}, got none")
    written = []
    for number, (view, picture) in enumerate(islice(product(VIEWS, pictures), count)):
        (top, bottom, left, right), mirrored = view
        image = read_image(picture)
        height, width = image.shape[:2]
        image = image[round(top * height) : round(bottom * height)]
        image = image[:, round(left * width) : round(right * width)]
        path = out / f"{number:03}.png"
        Image.fromarray(image[:, ::-1] if mirrored else image).save(path)
        written.append(path)
    return written


def measure(
    file: Path, pictures: Sequence[Path], pythons: Sequence[str], folder: Path
) -> list[Row]:
    """The rows of a file, one a reader; one without a reader where none is installed.

    Args:
        pythons: where its makers' readers are looked for, in this order.
        folder: for the readers' answers.
    """
    row = Row(file.name)
    try:
        detector = Detector(
            *(file, None, makers.SCORE_THRESHOLD, makers.IOU_THRESHOLD, makers.MAX_DETECTIONS)
        )
        facts = ModelFacts(file.read_bytes())
        edges = f"{facts.inputs[0].dtype} → {facts.outputs[0].dtype}"
        row = replace(row, family=detector.family.name, edges=edges)
    except ValueError as error:
        return [_failed(row, file, error)]
    named = facts.metadata is not None  # without, MediaPipe opens none
    readers = [name for name in MAKERS[detector.family] if named or name != MEDIAPIPE]
    rows = [_measured(row, detector, maker, file, pictures, pythons, folder) for maker in readers]
    return [each for each in rows if each.reader or each.error] or rows[:1]


def _measured(
    row: Row,
    detector: Detector,
    maker: str,
    file: Path,
    pictures: Sequence[Path],
    pythons: Sequence[str],
    folder: Path,
) -> Row:
    """The row of one reader."""
    detector.iou_threshold = IOU_OF_MEDIAPIPE if maker == MEDIAPIPE else makers.IOU_THRESHOLD
    try:
        ours = [_found(detector, read_image(picture)) for picture in pictures]
        if maker == MEDIAPIPE:
            ours = list(map(makers.begins_inside, ours))
        job = Job(
            maker,
            str(file.resolve()),
            [str(picture) for picture in pictures],
            str(folder / "answer.npz"),
            makers.__name__,
        )
        for name in (maker, maker + ALIKE):
            if name in makers.READERS:
                row = _with_reader(row, ours, replace(job, reader=name), pythons)
    except ValueError as error:
        row = _failed(row, file, error)
    return row


def _failed(row: Row, file: Path, error: ValueError) -> Row:
    return replace(row, error=str(error).replace(f"{file.parent}{os.sep}", ""))


def _with_reader(row: Row, ours: Sequence[Found], job: Job, pythons: Sequence[str]) -> Row:
    answers = (ask(python, job) for python in pythons)
    answer = next((answer for answer in answers if answer is not None), None)
    if answer is None:
        return row
    pairs = zip(ours, answer.found, strict=True)
    total = sum((compare(mine, theirs) for mine, theirs in pairs), Agreement())
    name = f"{job.reader.removesuffix(ALIKE)}, {answer.version}"
    row = replace(row, reader=name, pictures=len(ours))
    if job.reader + ALIKE in makers.READERS:
        return replace(row, ours=total.one, theirs=total.other, agreed_as_is=total.share)
    return replace(row, detections=total.detections, agreed=total.share)


def _found(detector: Detector, image: np.ndarray) -> Found:
    seen = detector.detect(image)
    size = np.asarray(image.shape[1::-1] * 2, np.float32)
    return seen.boxes / size, seen.scores, seen.class_ids


def _run(args: argparse.Namespace, command: str) -> None:
    for python in args.python:
        if shutil.which(python) is None:
            raise ValueError(f"--python names no program, got {python}; give its path")
    named = os.environ.get("MODELS_DIR", "").split(os.pathsep)
    folders = [Path(name) for name in named if Path(name).is_dir() and name]
    files = [(folder, file) for folder in folders for file in sorted(folder.glob("*.tflite"))]
    if not files:
        raise ValueError(
            "MODELS_DIR=folder expected, with .tflite files and pictures in it, got "
            f"{os.environ.get('MODELS_DIR') or 'none'}"
        )
    target = args.out / "agreement.json"
    check_writable(target)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        pictures = {}
        for number, folder in enumerate(folders):
            out = Path(temporary, str(number))
            out.mkdir()
            pictures[folder] = views(folder, args.pictures, out)
        for folder, file in tqdm(files, "files", leave=False, disable=None):
            pythons = [sys.executable, *args.python]
            rows += measure(file, pictures[folder], pythons, Path(temporary))
    order = list(families.FAMILIES)
    rows.sort(key=lambda row: (order.index(row.family or "own"), row.file, row.reader or ""))
    report = AgreementReport(command, describe_machine(), SCORE, LEAST_IOU, MOST_CHANGE, rows)
    write_report(target, report.to_json())
    print(format_agreement(report))
    print(target)


def main(arguments: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    given = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "-m", "studies.agreement", *given])
    return run_conversion(
        lambda: _run(args, command), stopped="stopped; an earlier report is as it was"
    )


if __name__ == "__main__":
    sys.exit(main())
