"""The command line of `python -m train.data`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from edge_runtime.arguments import run_command
from train.atomic_folder import check_free
from train.data.convert_command import convert
from train.data.formats.writers import WRITERS
from train.data.lint.checks import find_obstacles
from train.data.lint.findings import Finding, count_severities, findings_to_json, format_findings
from train.data.lint.repair import LOG_NAME, repair
from train.data.lint.survey import Survey, survey_folder
from train.model.presets import PRESETS

_EPILOG = """\
Exit status: 0 where training can start (warnings and notes at most), 1 where it would stop at
something, 2 for a bad call. With --fix it speaks of the repaired copy.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m train.data", description="Look after a data set of labelled pictures."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    check = commands.add_parser(
        "check",
        help="find what is wrong with it, and repair a copy",
        description="Recognize a folder of labelled pictures, and find everything in it that "
        "training would stop at or work around.",
        epilog=_EPILOG,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = check.add_argument
    add("data", type=Path, metavar="DIR", help="folder of labelled pictures; it is not changed")
    add("--fix", type=Path, metavar="OUT", help="write a repaired copy, with a log of all changes")
    add("--report", type=Path, metavar="FILE", help="draw classes, box sizes and samples (.png)")
    add("--preset", choices=sorted(PRESETS), default="fpnlite", help="whose anchors --report shows")
    add("--show", type=int, default=20, metavar="N", help="findings of a kind shown; 0: all")
    add("--json", action="store_true", help="print everything as JSON instead")
    _add_convert(commands.add_parser)
    return parser


def _add_convert(add_parser: Callable[..., argparse.ArgumentParser]) -> None:
    add = add_parser(
        "convert",
        help="write it in another format",
        description="Read labelled pictures as PASCAL VOC, COCO, YOLO or CSV, write a new folder.",
        epilog="Exit status: 0 where everything usable was written, 2 where nothing was.",
    ).add_argument
    add("data", type=Path, metavar="IN", help="folder in any of the formats; it is not changed")
    add("out", type=Path, metavar="OUT", help="new folder; not_kept.csv in it lists what is lost")
    add("--to", choices=list(WRITERS), required=True, help="the format to write")


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m train.data COMMAND`. Returns the exit status that the command's help describes."""
    parser = _parser()
    args = parser.parse_args(arguments)
    if args.command == "convert":
        return run_command("error", lambda: _convert(args))
    if args.show < 0:
        parser.error(f"--show: a number of at least 0 expected, got {args.show}")
    return run_command("error", lambda: _check(args))


def _check(args: argparse.Namespace) -> int:
    if args.fix:
        check_free(args.fix, args.data)  # before the work, not after it
    survey = survey_folder(args.data)
    findings = find_obstacles(survey)
    result = _summary(survey, findings)
    if not args.json:
        print(_as_text(args.data, survey, findings, args.show))
    if args.fix:
        findings = _fix(survey, args, result)
    if args.report:
        _draw(survey, args)
        result["report"] = str(args.report)
    if args.json:
        print(json.dumps(result, indent=1))
    return 1 if count_severities(findings)["error"] else 0


def _convert(args: argparse.Namespace) -> int:
    print(convert(args.data, args.out, args.to))
    return 0


def _summary(survey: Survey, findings: list[Finding]) -> dict:
    splits = {split: len(lines) for split, lines in survey.splits.items()}
    return {
        "data": str(survey.root),
        "format": survey.folder.format,
        "annotations": len(survey.entries),
        "boxes": survey.class_counts.total(),
        "splits": splits,
        **findings_to_json(findings),
    }


def _as_text(data: Path, survey: Survey, findings: list[Finding], show: int) -> str:
    parts = [format_findings(findings, show)] if findings else []
    return "\n".join([*parts, *survey.data.notes, f"{data}: {_verdict(findings)}"])


def _verdict(findings: list[Finding]) -> str:
    counts = count_severities(findings)
    parts = [f"{count} {name}{'s' * (count != 1)}" for name, count in counts.items() if count]
    return ", ".join(parts) or "no finding"


def _fix(survey: Survey, args: argparse.Namespace, result: dict) -> list[Finding]:
    """Writes the copy and adds what it is like to `result`; returns what is left to be found."""
    changes = repair(survey, args.fix)
    left = find_obstacles(survey_folder(args.fix))
    result["fixed"] = {"out": str(args.fix), "changes": len(changes), **findings_to_json(left)}
    if not args.json:
        print(f"{args.fix}: {len(changes)} changes, listed in {args.fix / LOG_NAME}")
        rest = [finding for finding in left if finding.severity != "note"]
        if rest:
            print(format_findings(rest, args.show))
        print(f"{args.fix}: {_verdict(left)} left")
    return left


def _draw(survey: Survey, args: argparse.Namespace) -> None:
    try:
        from train.data.lint.report import draw_report
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"--report needs {error.name}; pip install -e '.[train]'"
        ) from error
    draw_report(survey, args.preset, args.report)
    if not args.json:
        print(args.report)


if __name__ == "__main__":
    sys.exit(main())
