"""`edge-runtime detect`: image files → their detections, in one of several file formats."""

from __future__ import annotations

import argparse
import sys

from edge_runtime.arguments import (
    PROGRAM,
    SubParsers,
    local_path,
    path_of_file,
    run_command,
)
from edge_runtime.commands.detector_flags import (
    MODEL_HELP,
    add_detector_arguments,
    load_detector,
)
from edge_runtime.detector.latency import timed_detect
from edge_runtime.exports.base import Job, Picture
from edge_runtime.exports.registry import FORMATS, find_writer
from edge_runtime.media.images import read_shrunk
from edge_runtime.media.many_pictures import expect_one
from edge_runtime.sources.address import check_local

DESCRIPTION = """\
Find objects in pictures. Pictures are turned upright by their EXIF orientation
first; widths, heights and boxes are those of the upright picture.

formats:
  json  a line a picture to stdout, boxes in pixels as [x_min, y_min, x_max,
        y_max]; with --out DIR also pictures with boxes drawn, which no other
        format makes
  voc   DIR/NAME.xml a picture, as LabelImg writes it: to correct by hand and
        train on; --out DIR is required
  yolo  DIR/NAME.txt a picture, "class_id cx cy w h" in [0, 1] without a score,
        and DIR/classes.txt; --out DIR is required
  coco  one list of COCO results, to DIR/detections.json or stdout; image_id is
        the file's name (a number if it is one: 000139.jpg is 139) and
        category_id the class id + 1, unless --coco-annotations gives them
  csv   a row a detection with the picture's name and size, corners and score,
        to DIR/detections.csv or stdout

Label files that are there already are never overwritten.
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
    parser.add_argument("model", metavar="MODEL", type=local_path, help=MODEL_HELP)
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="JPEG, PNG, WebP, BMP or TIFF")
    parser.add_argument(
        "--format",
        choices=tuple(FORMATS),
        default=next(iter(FORMATS)),
        help="of what is written, see above (default: %(default)s)",
    )
    parser.add_argument(
        "--out", metavar="DIR", type=path_of_file, help="write files there, see above"
    )
    parser.add_argument(
        "--coco-annotations",
        metavar="FILE",
        type=path_of_file,
        help="with --format coco: take image ids by file name and category ids by class name "
        "from this COCO file",
    )
    add_detector_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Detect in every image; a bad one is named on stderr and the others go on.

    Returns: the exit status.
    """
    return run_command(PROGRAM, lambda: _detect(args))


def _detect(args: argparse.Namespace) -> int:
    if args.coco_annotations is not None and args.format != "coco":
        raise ValueError("--coco-annotations does nothing without --format coco; add it")
    detector = load_detector(args)
    job = Job(args.images, detector.class_names, args.out, args.coco_annotations)
    writer = find_writer(args.format)(job)
    if args.out is not None:
        try:
            args.out.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise ValueError(f"--out: a folder expected, {args.out} is a file") from error
        except OSError as error:
            raise ValueError(
                f"--out: cannot make {args.out} ({error.strerror}); name another folder, or change "
                "the rights of the one above"
            ) from error
    failed = 0
    for number, path in enumerate(args.images):
        try:
            check_local(path)
            expect_one(path)
            pixels, hw = read_shrunk(path)
            detections, milliseconds = timed_detect(detector, pixels, hw)
            writer.write(Picture(number, path, pixels, detections, milliseconds, hw))
        except (OSError, ValueError) as error:
            print(f"{PROGRAM}: {error}", file=sys.stderr)
            failed += 1
        except MemoryError:
            print(f"{PROGRAM}: {path}: too little memory; save it smaller", file=sys.stderr)
            failed += 1
    writer.finish()
    return 1 if failed else 0
