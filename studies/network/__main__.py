"""Variants of the digits net: what each costs before it is trained.

    python -m studies.network
    make network

Converts every variant with random weights to float32 and int8, counts what XNNPACK does not take,
times all of them in turns, and each int8 file by stages. Writes network.json, network.md and
network.png. Files that an earlier call left in the folder are taken again: remove it to begin anew.
The AP is that of trainings by `make network-train`; where there is none, the cell stays blank.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from convert.errors import quiet_imports, run_conversion
from convert.report_files import write_report
from edge_runtime.arguments import whole_number
from edge_runtime.media.atomic import atomic_path, check_writable
from edge_runtime.system.machine import describe_machine, one_line

STEM = "network"
# Reports of trained variants that are kept; a later one in the folder counts in their place.
REPORTS = {
    "mobilenet_v2": Path("studies/network/mobilenet_v2_report.json"),
    "plain_no_last": Path("models/digits_report.json"),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m studies.network",
        description="What variants of the digits net cost before they are trained.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--only", default="", help="variants whose name has this in it, beside the first")
    add("--rounds", type=whole_number(1), default=60, help="of measurement")
    add("--out", type=Path, default=Path("build/network"), help="folder for what is written")
    return parser


def _run(args: argparse.Namespace, command: str) -> None:
    with quiet_imports():
        from studies.network.files import KINDS, make
        from studies.network.plot import draw
        from studies.network.report import Result, format_study, read_ap, tables, to_json
        from studies.network.timing import against_first, time_files, time_stages
        from studies.network.variants import VARIANTS
    check_writable(args.out / f"{STEM}.json")
    first, *others = VARIANTS
    wanted = [first, *(each for each in others if args.only in each.name)]
    made = [make(each, args.out) for each in tqdm(wanted, "converting", disable=None)]
    found = {
        kind: against_first(time_files([paths[kind] for _, paths in made], args.rounds))
        for kind in KINDS
    }
    results = []
    with tempfile.TemporaryDirectory(dir=args.out) as work:
        for number, (facts, paths) in enumerate(tqdm(made, "stages", disable=None)):
            ms, ratio = ({kind: found[kind][number][i] for kind in KINDS} for i in (0, 1))
            stages = time_stages(paths["int8"], Path(work), args.rounds)
            own = read_ap(args.out / facts.name / "report.json")
            kept = REPORTS.get(facts.name)
            ap = read_ap(kept) if own is None and kept else own
            results.append(Result(facts, ms, ratio, stages, ap))
    content = to_json(results, command, describe_machine())
    print(format_study(content))
    if args.only:  # a look at a part: the last whole report stays
        return
    title = f"{one_line(content['machine'])}, 1 thread\n`{command}`"
    draw(content["variants"], title, args.out / f"{STEM}.png")
    write_report(args.out / f"{STEM}.json", content)
    with atomic_path(args.out / f"{STEM}.md") as temporary:
        temporary.write_text(tables(content) + "\n", encoding="utf-8")
    print(args.out / f"{STEM}.json")


def main(arguments: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    given = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "-m", "studies.network", *given])
    return run_conversion(lambda: _run(args, command), stopped="stopped; an earlier report stays")


if __name__ == "__main__":
    sys.exit(main())
