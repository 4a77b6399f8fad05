"""`edge-runtime doctor`: checks of board, software and cameras, each with its cure."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from edge_runtime.arguments import SubParsers, local_path
from edge_runtime.commands.detector_flags import add_model_arguments
from edge_runtime.doctor.check import FAIL, NONE, OK, WARN, Check, look

DESCRIPTION = """\
Look at everything that a camera, a model and a board can be wrong in. Each line is OK,
warn (it works, but not well or not for long), FAIL (it does not work) or - (not here,
and not needed for everything), and below it what helps.
Exit status: 0; 1 if a line says FAIL.
"""
MARKS = {OK: "OK", WARN: "warn", FAIL: "FAIL", NONE: "-"}


def add_parser(subparsers: SubParsers) -> None:
    """Add `doctor` to the sub-commands."""
    parser = subparsers.add_parser(
        "doctor",
        help="what is wrong with this installation, and what helps",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "model", metavar="MODEL", type=local_path, nargs="?", help="a .tflite file to try as well"
    )
    add_model_arguments(parser)
    parser.add_argument("--json", action="store_true", help="the same for programs")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look, and print what was found. Returns: the exit status."""
    checks = look(all_checks(args.model, args.family, args.labels))
    if args.json:
        print(json.dumps({"checks": [asdict(check) for check in checks]}, indent=2))
    else:
        print(format_checks(checks))
    return 1 if any(check.status == FAIL for check in checks) else 0


def all_checks(
    model: str | None, family: str | None = None, labels: Path | None = None
) -> list[tuple[str, Callable[[], Check]]]:
    """(name, check) in the order of the report; family and labels as in `Detector`."""
    from edge_runtime.doctor import board_checks, software_checks

    return [
        ("Python", software_checks.check_python),
        ("numpy", software_checks.check_numpy),
        ("interpreter", software_checks.check_interpreter),
        ("model", lambda: software_checks.check_model(model, family, labels)),
        ("OpenCV", software_checks.check_opencv),
        ("paho-mqtt", software_checks.check_mqtt),
        ("colours", software_checks.check_colors),
        ("picamera2", software_checks.check_picamera2),
        ("Pi camera", software_checks.check_pi_cameras),
        ("camera colours", software_checks.check_camera_colors),
        ("USB camera", board_checks.check_usb_cameras),
        ("group video", board_checks.check_group),
        ("board", board_checks.check_board),
        ("cores", board_checks.check_cores),
        ("governor", board_checks.check_governor),
        ("temperature", board_checks.check_temperature),
        ("throttling", board_checks.check_throttling),
        ("memory", board_checks.check_memory),
        ("disk", lambda: board_checks.check_disk(model)),
        ("clock", board_checks.check_clock),
        ("service", board_checks.check_service),
    ]


def format_checks(checks: Sequence[Check]) -> str:
    """A line for each, its cure below, and how many are well."""
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{MARKS[check.status]:<4}  {check.name:<{width}}  {check.found}")
        if check.cure:
            lines.append(f"{'':4}  {'':{width}}  -> {check.cure}")
    counts = [f"{sum(c.status == status for c in checks)} {MARKS[status]}" for status in MARKS]
    return "\n".join([*lines, "", ", ".join(counts)])
