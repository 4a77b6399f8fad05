"""Send changed bytes to every way into the runtime, for a while, and say what became of them.

    python -m studies.fuzz --minutes 10 --out build/fuzz
    python -m studies.fuzz --minutes 2 --target pictures --seed 7

Each input is tried in a process of its own, whose memory and time are bounded. Writes fuzz.json, in
which rows of targets that are not tried stay, and the inputs that failed; prints a table, and ends
with 1 where one failed: by a signal, an error that nobody foresaw, more than 5 s of the processor
or more than 300 MB.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date
from pathlib import Path

from edge_runtime.arguments import number_between, run_command, whole_number
from edge_runtime.media.atomic import atomic_path
from edge_runtime.system.machine import describe_machine, one_line
from studies.fuzz.registry import all_targets


def table(rows: list[dict]) -> str:
    """A table in Markdown: a row a target."""
    lines = ["| what | inputs | became | most MB | most s | failed |", "|---|--:|---|--:|--:|--:|"]
    for row in rows:
        became = ", ".join(f"{name} {count}" for name, count in row["outcomes"].items())
        lines.append(
            f"| {row['about']} | {row['tried']} | {became or row['missing']} | "
            f"{row['most_megabytes']} | {row['most_seconds']} | {len(row['failures'])} |"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Returns: 0 where nothing failed, else 1; 2 where it could not start."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.fuzz", description="Send changed bytes to every way in."
    )
    add = parser.add_argument
    add(
        "--minutes",
        type=number_between(0.01, 600, "0.01 to 600 minutes"),
        default=10.0,
        help="for all targets together (default: %(default)s)",
    )
    add("--target", action="append", choices=tuple(all_targets()), help="(default: all of them)")
    add("--seed", type=whole_number(0), default=0, help="another seed, other inputs")
    add("--most", type=whole_number(1), help="inputs a target (default: what the time allows)")
    add("--out", type=Path, default=Path("build/fuzz"))
    args = parser.parse_args(arguments)
    return run_command("fuzz", lambda: _run(args), stopped="stopped")


def _run(args: argparse.Namespace) -> int:
    try:
        from studies.fuzz.runner import fuzz
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"fuzzing needs {error.name}; pip install -e '.[dev]', or make setup"
        ) from error
    targets = all_targets()
    names = list(dict.fromkeys(args.target or targets))
    rows: dict[str, dict] = {}
    facts = {
        "command": f"python -m studies.fuzz {' '.join(sys.argv[1:])}".strip(),
        "date": date.today().isoformat(),
        "machine": one_line(describe_machine()),
        "seed": args.seed,
    }
    for name in names:
        print(f"{name}: {60 * args.minutes / len(names):.0f} s at most", file=sys.stderr)
        seconds = 60 * args.minutes / len(names)
        found = fuzz(targets[name], seconds, args.out, args.seed, args.most)
        rows[name] = {**found.to_json(), **facts}
    report = args.out / "fuzz.json"
    if report.exists():  # of the targets that were not tried this time
        earlier = json.loads(report.read_text(encoding="utf-8"))["targets"]
        rows = {row["target"]: row for row in earlier if row["target"] in targets} | rows
    in_order = [rows[name] for name in targets if name in rows]
    with atomic_path(report) as temporary:
        temporary.write_text(json.dumps({"targets": in_order}, indent=1) + "\n", encoding="utf-8")
    print(table(in_order))
    return 1 if any(rows[name]["failures"] for name in names) else 0


if __name__ == "__main__":
    sys.exit(main())
