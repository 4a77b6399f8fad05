"""Spread over seeds: several trainings of one recipe, the mean and spread of what they reach.

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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure  # the object interface needs no display

from convert.benchmark.report import BenchmarkReport, Json, read_report
from convert.report_files import write_report
from convert.tables import align, mean_and_spread, signed_points
from edge_runtime.arguments import run_command
from edge_runtime.media.atomic import atomic_path

METRICS = {"ap": "AP", "ap50": "AP50"}


@dataclass(frozen=True)
class Spread:
    """One figure over all seeds: mean, the sample's standard deviation, and the values."""

    mean: float
    spread: float
    values: list[float]

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        return cls(statistics.mean(values), statistics.stdev(values), values)


@dataclass(frozen=True)
class VariantSpread:
    """Accuracy of a variant, in [0, 1], and its difference to float32, seed by seed."""

    ap: Spread
    ap_difference: Spread
    ap50: Spread
    ap50_difference: Spread


@dataclass(frozen=True)
class Seeds:
    """What is added to the first report.

    Attributes:
        seeds, minutes: of each training.
        variants: by name.
        against_clean: by condition, for each seed the AP50 that int8 loses on changed pictures
            beyond what it loses on clean ones.
    """

    seeds: list[int]
    minutes: list[float]
    variants: dict[str, VariantSpread]
    against_clean: dict[str, list[float | None]]


@dataclass(frozen=True)
class SeedsReport:
    """report.json: the first training's report, with the figures of all."""

    first: BenchmarkReport
    seeds: Seeds

    def to_json(self) -> Json:
        return {**self.first.to_json(), "seeds": asdict(self.seeds)}


def combine(reports: Sequence[BenchmarkReport]) -> SeedsReport:
    """Mean, spread and every seed's figures for each variant.

    Raises: ValueError unless there are two at least, of the same data and variants, each with its
        training's record, of different seeds.
    """
    _check(reports)
    first = reports[0]
    trainings = [_training(report) for report in reports]
    conditions = first.robustness or () if all(r.robustness for r in reports) else ()
    seeds = Seeds(
        seeds=[training["seed"] for training in trainings],
        minutes=[training["minutes"] for training in trainings],
        variants={str(m.variant): _spread(reports, str(m.variant)) for m in first.models},
        against_clean={
            row.condition: [_against_clean(report, row.condition) for report in reports]
            for row in conditions
        },
    )
    return SeedsReport(first, seeds)


def _spread(reports: Sequence[BenchmarkReport], variant: str) -> VariantSpread:
    figures = {}
    for key in METRICS:
        values = [_value(report, variant, key) for report in reports]
        floats = [_value(report, "float32", key) for report in reports]
        figures[key] = Spread.of(values)
        changes = [v - f for v, f in zip(values, floats, strict=True)]
        figures[f"{key}_difference"] = Spread.of(changes)
    return VariantSpread(**figures)


def _check(reports: Sequence[BenchmarkReport]) -> None:
    if len(reports) < 2:
        raise ValueError(f"two reports at least expected, got {len(reports)}; train another --seed")
    first = reports[0]
    names = [model.variant for model in first.models]
    if "float32" not in names:
        raise ValueError(f"reports with a float32 row expected, got {names}; write them by convert")
    for report in reports:
        if not report.training:
            raise ValueError(
                f"reports that tell of their training expected, got none in {report.command!r}; "
                "convert a model of `python -m train`"
            )
        if [model.variant for model in report.models] != names:
            raise ValueError(f"the variants {names} in every report expected; convert all alike")
        for ours, theirs in ((report.data, first.data), (_recipe(report), _recipe(first))):
            if ours != theirs:
                raise ValueError(
                    f"one recipe on the same data expected, got {theirs} and {ours}; compare "
                    "trainings that differ in --seed only"
                )
    seeds = [_training(report)["seed"] for report in reports]
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"different seeds expected, got {seeds}; train with another --seed")


def _training(report: BenchmarkReport) -> Json:
    return report.training or {}


def _recipe(report: BenchmarkReport) -> list[str]:
    """The training's command without what two seeds may differ in."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for flag in ("--seed", "--out"):
        parser.add_argument(flag)
    for flag in ("--resume", "--overwrite", "--tensorboard"):
        parser.add_argument(flag, action="store_true")
    return parser.parse_known_args(shlex.split(_training(report)["command"]))[1]


def _against_clean(report: BenchmarkReport, condition: str) -> float | None:
    rows = {row.condition: row for row in report.robustness or ()}
    if condition not in rows:
        raise ValueError(
            f"the condition {condition!r} in every report expected, got none in "
            f"{report.command!r}; convert all alike"
        )
    return rows[condition].against_clean.ap50


def _value(report: BenchmarkReport, variant: str, key: str) -> float:
    model = report.model(variant)
    value = None if model is None else getattr(model.accuracy, key)
    if value is None:
        raise ValueError(
            f"{key} of {variant} in every report expected, got none in {report.command!r}; "
            "measure on pictures with boxes"
        )
    return value


def format_seeds(report: SeedsReport) -> str:
    """A table in points (hundredths): mean ± spread."""
    seeds = report.seeds
    rows = [["variant", *(part for name in METRICS.values() for part in (name, "diff"))]]
    for variant, row in seeds.variants.items():
        cells = [variant]
        for value, change in ((row.ap, row.ap_difference), (row.ap50, row.ap50_difference)):
            cells.append(mean_and_spread(value.mean, value.spread))
            signed = mean_and_spread(change.mean, change.spread, signed=True)
            cells.append("" if variant == "float32" else signed)
        rows.append(cells)
    conditions = [["int8, AP50 against clean", *(f"seed {seed}" for seed in seeds.seeds)]]
    for name, values in seeds.against_clean.items():
        conditions.append([name, *map(signed_points, values)])
    minutes = ", ".join(f"{value:.0f}" for value in seeds.minutes)
    head = f"seeds {', '.join(map(str, seeds.seeds))}; minutes of training {minutes}"
    tables = [align(rows, left=(0,))] + ([align(conditions, left=(0,))] if conditions[1:] else [])
    return "\n\n".join([f"{head}; mean ± standard deviation", *tables])


def draw_seeds(report: SeedsReport, path: Path) -> None:
    """AP and AP50 of every seed by variant, and AP of each class of the first, as a PNG."""
    figure = Figure(figsize=(13, 4), layout="constrained")
    *accuracy, classes = figure.subplots(1, 3, width_ratios=(1, 1, 1.3))
    variants = report.seeds.variants
    for axes, (key, name) in zip(accuracy, METRICS.items(), strict=True):
        for place, row in enumerate(variants.values()):
            spread: Spread = getattr(row, key)
            values = [100 * value for value in spread.values]
            axes.scatter([place] * len(values), values, s=22)
            axes.hlines(100 * spread.mean, place - 0.25, place + 0.25, f"C{place}")
        axes.set_xticks(range(len(variants)), list(variants), rotation=30, ha="right")
        axes.set(ylabel="points", title=f"{name}: every seed, and their mean")
        axes.margins(y=0.3)
    _draw_classes(classes, report)
    for axes in (*accuracy, classes):
        axes.grid(alpha=0.3, axis="y")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _draw_classes(axes: Any, report: SeedsReport) -> None:
    names = list(report.first.models[0].accuracy.ap_per_class)
    for offset, variant in ((-0.27, "float32"), (0, "int8"), (0.27, "int8_qat")):
        model = report.first.model(variant)
        if model:
            values = [100 * (model.accuracy.ap_per_class[name] or 0) for name in names]
            bars = axes.bar([n + offset for n in range(len(names))], values, 0.27, label=variant)
            axes.bar_label(bars, fmt="%.1f", fontsize=7)
    axes.set_xticks(range(len(names)), names)
    axes.set(ylabel="points", title=f"AP of each class, seed {report.seeds.seeds[0]}")
    axes.margins(y=0.2)
    axes.legend(loc="upper left", ncols=3, frameon=False)


def _run(args: argparse.Namespace) -> int:
    target = args.out / "report.json"
    if target.resolve() in [path.resolve() for path in args.reports]:
        raise ValueError(f"another folder than those of the reports expected, got {args.out}")
    report = combine([read_report(path) for path in args.reports])
    write_report(target, report.to_json())
    draw_seeds(report, args.out / "seeds.png")
    print(format_seeds(report))
    print(target)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m studies.seeds",
        description="Mean and spread of several trainings that differ in their seed.",
    )
    parser.add_argument("reports", nargs="+", type=Path, metavar="REPORT", help="of convert")
    parser.add_argument("--out", type=Path, required=True, help="folder for report.json and PNG")
    args = parser.parse_args(arguments)
    return run_command("error", lambda: _run(args), stopped="stopped")


if __name__ == "__main__":
    sys.exit(main())
