"""Bench report: the JSON, and its table for people and for docs/results.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from convert.benchmark.report import Json
from convert.tables import align, markdown
from edge_runtime.system.machine import one_line
from studies.speed.growth import Point
from studies.speed.rows import Row

HEAD = ["what", "goal", "median", "quartiles", "met"]


@dataclass(frozen=True)
class SpeedReport:
    """speed.json."""

    command: str
    machine: dict[str, str | int | None]
    rows: Sequence[Row]
    growth: Sequence[Point]

    def to_json(self) -> Json:
        return asdict(self)


def cells(row: Json) -> list[str]:
    """A row of the table, of the JSON's."""
    unit = "" if row["unit"] == "x" else f" {row['unit']}"
    hair = f"{row['figure']['median']:.2f}" == f"{row['goal']:.2f}"  # which side of the goal it is
    digits = 3 if hair else 2
    median, low, high = (f"{row['figure'][key]:.{digits}f}" for key in ("median", "low", "high"))
    return [
        row["name"],
        f"{row['goal']:.2f}{unit}",
        f"{median}{unit}",
        f"{low} to {high}",
        "yes" if row["met"] else "no",
    ]


def format_speed(report: SpeedReport) -> str:
    """A table for people."""
    rows = [cells(asdict(row)) for row in report.rows]
    return "\n".join([one_line(report.machine), "", align([HEAD, *rows], left=(0,))])


def page_table(rows: Sequence[Json]) -> str:
    """The table of docs/results.md."""
    return markdown(HEAD, map(cells, rows))
