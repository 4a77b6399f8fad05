"""Detectors of several widths and input sizes: which one to choose.

    python -m convert.benchmark build/family/*/*.tflite --data DATA --out build/family/report.json
    python -m studies.width_and_size build/family/report.json --out build/family

Takes one report over the float32 and the int8 file of every detector, measured side by side, and
writes family.json, the same rows as family.csv, and family.png. Width and input size come from
what the files say of themselves, not from their names.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from convert.benchmark.report import read_report, write_report
from convert.family_picture import draw_family
from convert.family_table import caption, format_family, write_csv


def combine(report: dict) -> dict:
    """The report with a row for each pair of float32 and int8 files, by width and input size.

    A row is best by "latency" or "size" where no other is both cheaper and more accurate.

    Raises: ValueError, naming the file, where width, size, a figure or the other file is missing.
    """
    pairs: dict[tuple, dict[str, dict]] = {}
    for model in report["models"]:
        if model.get("variant") in ("float32", "int8"):
            pair = pairs.setdefault(_place(model), {})
            if model["variant"] in pair:
                raise ValueError(
                    f"one {model['variant']} file of each width and input size expected, got "
                    f"{pair[model['variant']]['file']} and {model['file']}; measure one of them"
                )
            pair[model["variant"]] = model
    if not pairs:
        variants = sorted({str(model.get("variant")) for model in report["models"]})
        raise ValueError(
            f"a report with float32 and int8 files expected, got {', '.join(variants) or 'none'}; "
            "convert every detector to both and measure them in one run of convert.benchmark"
        )
    for _, pair in sorted(pairs.items()):
        if len(pair) < 2:
            (alone,) = pair.values()
            raise ValueError(
                f"a float32 and an int8 file of each detector expected, got {alone['file']} "
                "alone; give both to one run of convert.benchmark"
            )
    rows = [_row(place, pairs[place]) for place in sorted(pairs)]
    for what, key in (("latency", "int8_ms"), ("size", "int8_mb")):
        for row in pareto_front(rows, key):
            row["best_by"] = f"{row['best_by']}, {what}".strip(", ")
    kept = ("command", "machine", "data", "thresholds")
    return {**{key: report.get(key) for key in kept}, "threads": _threads(report), "family": rows}


def _place(model: dict) -> tuple[float, tuple[int, int]]:
    """(width of the backbone, input size) as the file's row has them."""
    if not model.get("input_hw"):
        raise ValueError(
            f"{model['file']}: input_hw expected in its row of the report, got none; measure it "
            "again with this version's convert.benchmark"
        )
    return _width(model), tuple(model["input_hw"])


def _width(model: dict) -> float:
    training = model.get("training") or {}
    width = (training.get("settings") or {}).get("alpha")
    if not width:  # a record of before settings were written; its command has what was typed
        parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
        parser.add_argument("--alpha", type=float)
        try:
            typed = shlex.split(training.get("command") or "")
            width = parser.parse_known_args(typed)[0].alpha
        except (ValueError, argparse.ArgumentError):
            width = None
    if not width:
        raise ValueError(
            f"{model['file']}: a record of its training with the backbone's width (alpha) "
            "expected, got none; train it with --alpha and convert it with this version"
        )
    return float(width)


def _row(place: tuple, pair: dict[str, dict]) -> dict:
    for model in pair.values():
        missing = [key for key in ("ap", "ap50", "latency_ms") if model.get(key) is None]
        if missing:
            raise ValueError(
                f"{model['file']}: {' and '.join(missing)} expected in its row of the report, got "
                "none; measure it again, without --latency-runs 0"
            )
    width, (height, wide) = place
    float32, int8 = pair["float32"], pair["int8"]
    inference = int8["latency_ms"]["inference"]
    return {
        "width": width,
        "input": str(wide) if height == wide else f"{wide}x{height}",
        "input_hw": [height, wide],
        "int8_mb": int8["bytes"] / 1e6,
        "float32_mb": float32["bytes"] / 1e6,
        **{f"{name}_{key}": pair[name][key] for name in pair for key in ("ap", "ap50")},
        "ap_difference": int8["ap"] - float32["ap"],
        "ap50_difference": int8["ap50"] - float32["ap50"],
        "float32_ms": float32["latency_ms"]["inference"]["median"],
        "int8_ms": inference["median"],
        "int8_ms_p90": inference["p90"],
        "int8_end_to_end_ms": int8["latency_ms"]["end_to_end"]["median"],
        "best_by": "",
        "files": [float32["file"], int8["file"]],
        "training": int8.get("training"),
    }


def pareto_front(rows: Sequence[dict], cost: str) -> list[dict]:
    """Those that no other row beats in int8 AP without costing more; cheapest first.

    Costs count as the table prints them, in hundredths: files of one width differ by a few bytes.
    """
    front: list[dict] = []
    for row in sorted(rows, key=lambda row: (round(row[cost], 2), -row["int8_ap"])):
        if not front or row["int8_ap"] > front[-1]["int8_ap"]:
            front.append(row)
    return front


def _threads(report: dict) -> int | None:
    threads = {model.get("threads") for model in report["models"]}
    return threads.pop() if len(threads) == 1 else None


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m studies.width_and_size", description=__doc__
    )
    parser.add_argument("report", type=Path, metavar="REPORT", help="of convert.benchmark")
    parser.add_argument("--out", type=Path, required=True, help="folder for JSON, CSV and PNG")
    args = parser.parse_args(arguments)
    target = args.out / "family.json"
    try:
        if target.resolve() == args.report.resolve():
            raise ValueError(f"a report of another name than {target} expected; rename it")
        family = combine(read_report(args.report))
        draw_family(family["family"], caption(family), args.out / "family.png")
        write_csv(family, args.out / "family.csv")
        write_report(target, family)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyError as error:
        print(
            f"error: {args.report}: a report of convert.benchmark expected, it lacks {error}; "
            "measure again",
            file=sys.stderr,
        )
        return 2
    print(format_family(family))
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
