"""Several trainings of one recipe that differ in their seed: mean and spread of what they reach.

    python -m studies.seeds build/a0/report.json build/a1/report.json --out build/a

Takes the reports of `python -m convert`, writes report.json, which is the first one's with the
figures of all under "seeds", and seeds.png.
"""

from __future__ import annotations

import argparse
import shlex
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from convert.benchmark.report import read_report, write_report
from convert.tables import align
from edge_runtime.media.atomic import atomic_path

METRICS = {"ap": "AP", "ap50": "AP50"}


def combine(reports: Sequence[dict]) -> dict:
    """The first report, with mean, spread and every seed's figures for each variant.

    The spread is the sample's standard deviation. "difference" is to float32, seed by seed.

    Raises: ValueError unless there are two at least, of the same data and variants, each with its
        training's record, of different seeds.
    """
    _check(reports)
    variants = {}
    for variant in [model["variant"] for model in reports[0]["models"]]:
        rows = {}
        for key in METRICS:
            values = [_value(report, variant, key) for report in reports]
            floats = [_value(report, "float32", key) for report in reports]
            changes = [v - f for v, f in zip(values, floats, strict=True)]
            rows[key] = _summary(values)
            rows[f"{key}_difference"] = _summary(changes)
        variants[variant] = rows
    trainings = [report["training"] for report in reports]
    against_clean = {
        row["condition"]: [_condition(report, row["condition"]) for report in reports]
        for row in reports[0].get("robustness") or ()
        if all(report.get("robustness") for report in reports)
    }
    return {
        **reports[0],
        "seeds": {
            "seeds": [training["seed"] for training in trainings],
            "minutes": [training["minutes"] for training in trainings],
            "variants": variants,
            # AP50 that int8 loses on changed pictures beyond what it loses on clean ones.
            "against_clean": against_clean,
        },
    }


def _check(reports: Sequence[dict]) -> None:
    if len(reports) < 2:
        raise ValueError(f"two reports at least expected, got {len(reports)}; train another --seed")
    first = reports[0]
    names = [model["variant"] for model in first["models"]]
    if "float32" not in names:
        raise ValueError(f"reports with a float32 row expected, got {names}; write them by convert")
    for report in reports:
        if not report.get("training"):
            raise ValueError(
                f"reports that tell of their training expected, got none in {report['command']!r}; "
                "convert a model of `python -m train`"
            )
        if [model["variant"] for model in report["models"]] != names:
            raise ValueError(f"the variants {names} in every report expected; convert all alike")
        for part in ("data", "recipe"):
            ours, theirs = (_recipe(r) if part == "recipe" else r[part] for r in (report, first))
            if ours != theirs:
                raise ValueError(
                    f"one recipe on the same data expected, got {theirs} and {ours}; compare "
                    "trainings that differ in --seed only"
                )
    seeds = [report["training"]["seed"] for report in reports]
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"different seeds expected, got {seeds}; train with another --seed")


def _recipe(report: dict) -> list[str]:
    """The training's command without what two seeds may differ in."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for flag in ("--seed", "--out"):
        parser.add_argument(flag)
    for flag in ("--resume", "--overwrite", "--tensorboard"):
        parser.add_argument(flag, action="store_true")
    return parser.parse_known_args(shlex.split(report["training"]["command"]))[1]


def _condition(report: dict, condition: str) -> float | None:
    rows = {row["condition"]: row for row in report["robustness"]}
    return rows[condition]["against_clean"]["ap50"]


def _value(report: dict, variant: str, key: str) -> float:
    return next(model[key] for model in report["models"] if model["variant"] == variant)


def _summary(values: list[float]) -> dict:
    return {
        "mean": statistics.mean(values),
        "spread": statistics.stdev(values),
        "values": values,
    }


def format_seeds(report: dict) -> str:
    """A table in points (hundredths): mean ± spread."""
    seeds = report["seeds"]
    rows = [["variant", *(part for name in METRICS.values() for part in (name, "diff"))]]
    for variant, row in seeds["variants"].items():
        cells = []
        for key in METRICS:
            cells.append(_points(row[key], ".2f"))
            cells.append(_points(row[f"{key}_difference"], "+.2f") if variant != "float32" else "")
        rows.append([variant, *cells])
    conditions = [["int8, AP50 against clean", *(f"seed {seed}" for seed in seeds["seeds"])]]
    for name, values in seeds["against_clean"].items():
        cells = ["" if value is None else f"{100 * value:+.2f}" for value in values]
        conditions.append([name, *cells])
    minutes = ", ".join(f"{value:.0f}" for value in seeds["minutes"])
    head = f"seeds {', '.join(map(str, seeds['seeds']))}; minutes of training {minutes}"
    tables = [align(rows, left=(0,))] + ([align(conditions, left=(0,))] if conditions[1:] else [])
    return "\n\n".join([f"{head}; mean ± standard deviation", *tables])


def _points(summary: dict, form: str) -> str:
    return f"{100 * summary['mean']:{form}} ± {100 * summary['spread']:.2f}"


def draw_seeds(report: dict, path: Path) -> None:
    """AP and AP50 of every seed by variant, and AP of each class of the first, as a PNG."""
    from matplotlib.figure import Figure  # the object interface needs no display

    figure = Figure(figsize=(13, 4), layout="constrained")
    *accuracy, classes = figure.subplots(1, 3, width_ratios=(1, 1, 1.3))
    variants = report["seeds"]["variants"]
    for axes, (key, name) in zip(accuracy, METRICS.items(), strict=True):
        for place, row in enumerate(variants.values()):
            values = [100 * value for value in row[key]["values"]]
            axes.scatter([place] * len(values), values, s=22)
            axes.hlines(100 * row[key]["mean"], place - 0.25, place + 0.25, f"C{place}")
        axes.set_xticks(range(len(variants)), list(variants), rotation=30, ha="right")
        axes.set(ylabel="points", title=f"{name}: every seed, and their mean")
        axes.margins(y=0.3)
    _draw_classes(classes, report)
    for axes in (*accuracy, classes):
        axes.grid(alpha=0.3, axis="y")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _draw_classes(axes, report: dict) -> None:
    names = list(report["models"][0]["ap_per_class"])
    for offset, variant in ((-0.27, "float32"), (0, "int8"), (0.27, "int8_qat")):
        model = next((m for m in report["models"] if m["variant"] == variant), None)
        if model:
            values = [100 * (model["ap_per_class"][name] or 0) for name in names]
            bars = axes.bar([n + offset for n in range(len(names))], values, 0.27, label=variant)
            axes.bar_label(bars, fmt="%.1f", fontsize=7)
    axes.set_xticks(range(len(names)), names)
    axes.set(ylabel="points", title=f"AP of each class, seed {report['seeds']['seeds'][0]}")
    axes.margins(y=0.2)
    axes.legend(loc="upper left", ncols=3, frameon=False)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m studies.seeds", description=__doc__)
    parser.add_argument("reports", nargs="+", type=Path, metavar="REPORT", help="of convert")
    parser.add_argument("--out", type=Path, required=True, help="folder for report.json and PNG")
    args = parser.parse_args(arguments)
    try:
        target = args.out / "report.json"
        if target.resolve() in [path.resolve() for path in args.reports]:
            raise ValueError(f"another folder than those of the reports expected, got {args.out}")
        report = combine([read_report(path) for path in args.reports])
        write_report(target, report)
        draw_seeds(report, args.out / "seeds.png")
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(format_seeds(report))
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
