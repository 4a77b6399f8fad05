"""`edge-runtime detect`: image files → one JSON line each, and images with boxes drawn."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from edge_runtime.arguments import PROGRAM, SubParsers, run_command
from edge_runtime.detector.detector import Detector
from edge_runtime.detector.latency import timed_detect
from edge_runtime.media.draw import draw_detections
from edge_runtime.media.images import read_image, write_image

DESCRIPTION = """\
Find objects in pictures. Prints one JSON line a picture, boxes in pixels as
[x_min, y_min, x_max, y_max]. Pictures are turned upright by their EXIF
orientation first; width, height and boxes are those of the upright picture.
Exit status: 0; 1 if a picture failed; 2 if nothing could start.
"""


def add_parser(subparsers: SubParsers) -> None:
    """Add `detect` to the sub-commands."""
    parser = subparsers.add_parser(
        "detect",
        help="find objects in pictures",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="a .tflite file of this project")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="JPEG, PNG, WebP, BMP or TIFF")
    parser.add_argument("--out", metavar="DIR", type=Path, help="write pictures with boxes there")
    add_detector_arguments(parser)
    parser.set_defaults(run=run)


def add_detector_arguments(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
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
        help="of two boxes of a class, drop the worse if IoU > T, 0 to 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--max-detections",
        type=int,
        default=100,
        metavar="N",
        help="the most in a picture (default: %(default)s)",
    )
    parser.add_argument(
        "--threads", type=int, metavar="N", help="of the interpreter (default: all cores)"
    )


def load_detector(args: argparse.Namespace) -> Detector:
    """The detector that `add_detector_arguments` and MODEL describe. Raises: as `Detector`."""
    return Detector(
        args.model, args.threads, args.score_threshold, args.iou_threshold, args.max_detections
    )


def run(args: argparse.Namespace) -> int:
    """Detect in every image; a bad one is named on stderr and the others go on.

    Returns: the exit status.
    """
    return run_command(PROGRAM, lambda: _detect(args))


def _detect(args: argparse.Namespace) -> int:
    detector = load_detector(args)
    targets: Sequence[Path | None] = [None] * len(args.images)
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        targets = plan_targets(args.images, args.out)
    failed = 0
    for path, target in zip(args.images, targets, strict=True):
        try:
            image = read_image(path)
            detections, milliseconds = timed_detect(detector, image)
            if target is not None:
                write_image(target, draw_detections(image, detections))
        except (OSError, ValueError) as error:
            print(f"{PROGRAM}: {error}", file=sys.stderr)
            failed += 1
            continue
        line = {"image": path, "width": image.shape[1], "height": image.shape[0]}
        line |= {"ms": milliseconds, "detections": detections.to_dicts()}
        print(json.dumps(line), flush=True)
    return 1 if failed else 0


def plan_targets(images: list[str], folder: Path) -> list[Path]:
    """A file in `folder` for each picture: its name, numbered where an earlier one has it.

    PNG stays PNG, since its pixels are exact; anything else becomes JPEG.

    Raises: ValueError if `folder` holds one of the pictures: it, or its neighbour of another
        format, could be overwritten.
    """
    taken: set[str] = set()
    targets = []
    for image in map(Path, images):
        if folder.resolve() in (image.parent.resolve(), image.resolve().parent):
            raise ValueError(
                f"--out {folder} is where {image} lies, pictures there could be overwritten; "
                "name another folder"
            )
        suffix = ".png" if image.suffix.lower() == ".png" else ".jpg"
        name, number = f"{image.stem}{suffix}", 1
        while name.casefold() in taken:  # some cards' file systems ignore case
            number += 1
            name = f"{image.stem}-{number}{suffix}"
        taken.add(name.casefold())
        targets.append(folder / name)
    return targets
