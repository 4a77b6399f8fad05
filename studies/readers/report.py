"""Readers report: the JSON, and its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from convert.benchmark.report import Json
from convert.tables import align, points
from edge_runtime.system.machine import one_line


@dataclass(frozen=True)
class Row:
    """What came of a reader; None where it is not installed.

    Attributes:
        file: that it read.
        version: distribution and version of the reader.
        opens: whether it read the file; the reason of a failure is `error`.
        ap, ap50: COCO's, in [0, 1].
        ms: from a decoded picture to its detections: the median of the reader's best round.
    """

    reader: str
    file: str
    version: str | None = None
    opens: bool | None = None
    error: str | None = None
    ap: float | None = None
    ap50: float | None = None
    ms: float | None = None


@dataclass(frozen=True)
class ReadersReport:
    """readers.json."""

    command: str
    machine: dict[str, str | int | None]
    data: Json
    rows: Sequence[Row]

    def to_json(self) -> Json:
        return {**asdict(self), "rows": [asdict(row) for row in self.rows]}


def cells(row: Row) -> list[str]:
    """A row of the table; AP in points, blank where nothing was measured."""
    opens = {None: "", True: "yes", False: "no"}[row.opens]
    ms = "" if row.ms is None else f"{row.ms:.2f}"
    return [row.reader, row.version or "", opens, points(row.ap), points(row.ap50), ms]


def format_readers(report: ReadersReport) -> str:
    """A table for people."""
    head = f"{report.data['images']} pictures; {one_line(report.machine)}"
    rows = [["reader", "version", "opens", "AP", "AP50", "ms"], *map(cells, report.rows)]
    failures = [f"{row.reader}: {row.error}" for row in report.rows if row.error]
    return "\n".join([head, "", align(rows, left=(0, 1, 2)), *failures])
