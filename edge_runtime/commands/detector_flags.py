"""Detector flags: what commands let people say about a model file and its thresholds."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, TypeAlias

from edge_runtime.arguments import path_of_file, whole_number
from edge_runtime.detector.adapters.families import FAMILIES
from edge_runtime.detector.detector import Detector
from edge_runtime.detector.interpreter import MOST_THREADS
from edge_runtime.detector.model_file import ModelFile
from edge_runtime.detector.resize import OPENCV, PILLOW, RESIZERS, keep_opencv_to_one_thread
from edge_runtime.detector.spec import MOST_ANCHORS, SPEC_MEMBER, read_member

MODEL_HELP = "a .tflite file of this project or of another detector"

AUTO = "auto"

Parser: TypeAlias = "argparse.ArgumentParser | argparse._ArgumentGroup"


def add_model_arguments(parser: Parser) -> None:
    """The flags that say how a model file is to be read, for every command that opens one."""
    parser.add_argument(
        "--as",
        dest="family",
        choices=tuple(FAMILIES),
        metavar="FAMILY",
        help=f"read the file as one of {', '.join(FAMILIES)} (default: what the file says)",
    )
    parser.add_argument(
        "--labels",
        type=path_of_file,
        metavar="FILE",
        help="class names, one a line, '0 name' or '0:name', a .pbtxt label map, JSON, YAML or "
        "a table, for a file of another project that has none, or instead of them",
    )


def add_detector_arguments(parser: Parser) -> None:
    """The arguments of a `Detector`, the same for every command that has one."""
    parser.add_argument(
        "--score-threshold",
        type=float,
        default=0.5,
        metavar="T",
        help="keep a detection if its score >= T, 0 to 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--iou-threshold",
        type=float,
        default=0.45,
        metavar="T",
        help="of two boxes of a class, drop the worse if IoU > T, 0 to 1; files that suppress "
        "inside do not heed it (default: %(default)s)",
    )
    parser.add_argument(
        "--max-detections",
        type=whole_number(1, MOST_ANCHORS),
        default=100,
        metavar="N",
        help="the most in a picture (default: %(default)s)",
    )
    parser.add_argument(
        "--threads",
        type=whole_number(1, MOST_THREADS),
        metavar="N",
        help="of the interpreter (default: all cores)",
    )
    parser.add_argument(
        "--resizer",
        choices=(AUTO, *RESIZERS),
        default=AUTO,
        help=f"what brings pictures to the network's size: {PILLOW}, with which detectors are "
        f"trained, or {OPENCV}, several times as fast; {AUTO} is {OPENCV} for what OpenCV decodes "
        f"(videos, webcams, rtsp://), else {PILLOW} (default: %(default)s)",
    )
    add_model_arguments(parser)


def model_options(path: str | Path, family: str | None, labels: Path | None) -> dict[str, Any]:
    """Arguments `family` and `labels` of a `Detector` for one of several files.

    Files of this project know both themselves, so that they may stand beside those of others.
    """
    if read_member(path, SPEC_MEMBER) is not None:
        return {}
    return {"family": family, "labels": labels}


def resizer_of(args: argparse.Namespace, usual_resizer: str) -> str:
    """The resizer that was asked for, or the usual one where it was left to the program."""
    return usual_resizer if args.resizer == AUTO else str(args.resizer)


def load_detector(
    args: argparse.Namespace, file: ModelFile | None = None, usual_resizer: str = PILLOW
) -> Detector:
    """The detector that `add_detector_arguments` and MODEL describe.

    Args:
        file: in the place of MODEL, if it was read before.
        usual_resizer: what AUTO stands for.

    Raises: as `Detector`.
    """
    resizer = resizer_of(args, usual_resizer)
    if resizer == OPENCV:
        keep_opencv_to_one_thread()
    return Detector(
        args.model if file is None else file.path,
        args.threads,
        args.score_threshold,
        args.iou_threshold,
        args.max_detections,
        args.family,
        args.labels,
        file,
        resizer,
    )
