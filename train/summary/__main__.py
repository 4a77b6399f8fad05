"""Presets side by side: parameters, multiply-adds, maps, anchors, file sizes and latency.

python -m train.summary ssd300_vgg16 ssd_mobilenet_v1 ssdlite
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.arguments import number_between, run_command, whole_number
from edge_runtime.detector.interpreter import available_cores
from edge_runtime.media.atomic import atomic_path, check_writable
from edge_runtime.system.machine import describe_machine, one_line
from train.captured_output import captured_output
from train.model.presets import PRESETS

if TYPE_CHECKING:
    from train.summary.deployed import Deployed
    from train.summary.facts import Facts

PICTURES = (".png", ".svg", ".pdf", ".webp")
COCO_CLASSES = 90  # the ids of COCO, as the published detectors count them


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m train.summary",
        description="What presets cost, before any training: a table, JSON, a picture.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("presets", nargs="+", metavar="PRESET", choices=sorted(PRESETS), help=f"{sorted(PRESETS)}")
    add("--classes", type=whole_number(1), default=COCO_CLASSES, help="without background")
    add("--input-size", type=whole_number(0), default=0, help="side in pixels; 0: each preset's")
    add(
        "--alpha",
        type=_width,
        default=0.0,
        help="width of the backbones, 0.1 to 2; 0: each preset's",
    )
    add(
        "--latency",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="convert each, with random weights, and time it: minutes",
    )
    add("--threads", type=whole_number(1), default=available_cores(), help="of the interpreter")
    add("--runs", type=whole_number(1), default=20, help="of each file")
    add("--json", type=Path, metavar="FILE", help="write all of it as JSON")
    add("--picture", type=Path, metavar="FILE", help=f"draw it; {', '.join(PICTURES)}")
    return parser


def _width(text: str) -> float:
    return float(text) and number_between(0.1, 2, "0.1 to 2, or 0 for each preset's,")(text)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line. Returns: the exit status, 2 after an error that the user can cure."""
    args = _parser().parse_args(argv)
    return run_command("train.summary", lambda: _run(args), curable=(ValueError, OSError))


def _run(args: argparse.Namespace) -> int:
    names = list(dict.fromkeys(args.presets))
    side = (args.input_size, args.input_size) if args.input_size else None
    for name in names:
        PRESETS[name].spec(("object",), side)  # refuses a side before anything is built
    if args.picture and args.picture.suffix not in PICTURES:
        raise ValueError(f"--picture is one of {', '.join(PICTURES)}, got {args.picture}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with captured_output():
        from train.summary.plot import draw_summary
        from train.summary.report import format_table, to_json
    for path in filter(None, (args.json, args.picture)):
        check_writable(path)
    facts, deployed = _look(names, args)
    if args.json:
        with atomic_path(args.json) as temporary:
            text = to_json(facts, deployed, describe_machine(), args.threads)
            temporary.write_text(text, encoding="utf-8")
    if args.picture:
        draw_summary(args.picture, facts, deployed)
    print(format_table(facts, deployed))
    if deployed:
        print(f"\n{one_line(describe_machine())}, {args.threads} threads, random weights")
    return 0


def _look(
    names: Sequence[str], args: argparse.Namespace
) -> tuple[list[Facts], list[list[Deployed]]]:
    """Build every preset in turn, and convert and time it if wanted."""
    import keras

    from train.summary.deployed import convert_untrained, measure_files
    from train.summary.facts import build_preset, read_facts

    facts, files = [], []
    with tempfile.TemporaryDirectory(prefix="summary_") as work:
        for name in names:
            model, spec = build_preset(name, args.classes, args.input_size, args.alpha)
            facts.append(read_facts(name, model, spec, args.alpha))
            if args.latency:
                folder = Path(work) / name
                folder.mkdir()
                files.append(convert_untrained(model, spec, folder))
            del model
            keras.utils.clear_session()
        return facts, measure_files(files, args.threads, args.runs) if files else []


if __name__ == "__main__":
    sys.exit(main())
