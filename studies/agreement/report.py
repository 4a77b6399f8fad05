"""Agreement report: the JSON, and its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from convert.benchmark.report import Json
from convert.tables import align
from edge_runtime.system.machine import one_line

HEAD = (
    *("family", "file", "edges", "reader", "pictures", "detections", "agreed, %"),
    *("as it is: ours", "theirs", "agreed, %"),
)


@dataclass(frozen=True)
class Row:
    """A file, read by our adapter and by its maker's reader.

    Attributes:
        edges: types of input and outputs.
        reader: name, distribution and version; None where it is not installed.
        pictures: compared.
        detections: above the score, of both readers, given the same pixels.
        agreed: share of them that the other has as well.
        ours, theirs, agreed_as_is: detections above the score, and that share, where each reader
            resizes pictures in its own way; None where both do alike.
        error: why a file or a reader does not open.
    """

    file: str
    family: str | None = None
    edges: str | None = None
    reader: str | None = None
    pictures: int | None = None
    detections: int | None = None
    agreed: float | None = None
    ours: int | None = None
    theirs: int | None = None
    agreed_as_is: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class AgreementReport:
    """agreement.json."""

    command: str
    machine: dict[str, str | int | None]
    score: float
    least_iou: float
    most_change: float
    rows: Sequence[Row]

    def to_json(self) -> Json:
        return {**asdict(self), "rows": [asdict(row) for row in self.rows]}


def cells(row: Row) -> list[str]:
    """A row of the table; blank where nothing was measured."""
    texts = [row.family, row.file, row.edges, row.reader, row.pictures, row.detections]
    both = _percent(row.agreed), row.ours, row.theirs, _percent(row.agreed_as_is)
    return ["" if value is None else str(value) for value in (*texts, *both)]


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.1f}"


def format_agreement(report: AgreementReport) -> str:
    """A table for people."""
    table = align([HEAD, *map(cells, report.rows)], left=(0, 1, 2, 3))
    failures = [f"{row.file}: {row.error}" for row in report.rows if row.error]
    return "\n".join([one_line(report.machine), "", table, *failures])
