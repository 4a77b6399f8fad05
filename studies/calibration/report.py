"""Report of the calibration study: rows, table and plot."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure  # the object interface needs no display

from convert.tables import align, points, signed_points
from edge_runtime.media.atomic import atomic_path
from edge_runtime.system.machine import one_line

COUNTS = (1, 10, 100, 500)
USED = ("min-max", True, True)  # method, corrected, equalized: what `python -m convert` does
USUAL = 200  # pictures, for the comparison of methods: what `python -m convert` takes


@dataclass(frozen=True)
class Row:
    """One net of the study.

    Attributes:
        images: that calibrated it; None for float32.
        method: of the ranges, see studies/calibration/methods.py.
        corrected: whether rounding was corrected; None for float32.
        equalized: whether channels were, see convert/quantize/equalization.py; None for float32.
        score_error: RMS difference to float of the scores of anchors that float gives 0.1 or more.
        ap, ap50: in [0, 1]; None without boxes.
    """

    images: int | None
    method: str
    corrected: bool | None
    equalized: bool | None
    score_error: float | None
    ap: float | None
    ap50: float | None


@dataclass(frozen=True)
class StudyReport:
    """calibration.json.

    Attributes:
        machine: of `describe_machine`.
        data: "root", "calibration_split", "split", and "images" that AP was measured on.
        rows: float32 first.
    """

    command: str
    machine: dict[str, str | int | None]
    model: str
    data: dict[str, str | int]
    rows: list[Row]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> StudyReport:
        return cls(**{**content, "rows": [Row(**row) for row in content["rows"]]})


def format_study(report: StudyReport) -> str:
    """Aligned plain text; AP in points."""
    data = report.data
    head = (
        f"{one_line(report.machine)}\n{data['root']}: calibrated on split "
        f"{data['calibration_split']}, AP in points on {data['images']} pictures of split "
        f"{data['split']}, simulated int8"
    )
    table = [
        ["pictures", "ranges", "channels", "rounding", "score error", "AP", "diff", "AP50", "diff"]
    ]
    first = report.rows[0]
    for row in report.rows:
        table.append(
            [
                "" if row.images is None else str(row.images),
                row.method,
                {True: "equalized", False: "as trained", None: ""}[row.equalized],
                {True: "corrected", False: "to nearest", None: ""}[row.corrected],
                "" if row is first or row.score_error is None else f"{row.score_error:.4f}",
                points(row.ap),
                "" if row is first else signed_points(_minus(row.ap, first.ap)),
                points(row.ap50),
                "" if row is first else signed_points(_minus(row.ap50, first.ap50)),
            ]
        )
    return f"{head}\n\n{align(table, left=(1, 2, 3))}"


def _minus(ap: float | None, reference: float | None) -> float | None:
    return None if ap is None or reference is None else ap - reference


def draw_study(report: StudyReport, path: Path) -> None:
    """Plot of int8's cost against the number of pictures, and by method, as a PNG."""
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    counts, methods = figure.subplots(1, 2, width_ratios=(1, 1.4))
    _draw_counts(counts, report.rows)
    _draw_methods(methods, report.rows)
    for axes in (counts, methods):
        axes.grid(alpha=0.3)
    counts.axhline(0, color="gray", lw=1)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _draw_counts(axes: Any, rows: list[Row]) -> None:
    reference = rows[0]
    plain = [r for r in rows if r.images and (r.method, r.corrected, r.equalized) == USED]
    plain.sort(key=lambda row: row.images or 0)
    images = [row.images for row in plain]
    for key, name in (("ap", "AP"), ("ap50", "AP50")):
        changes = [100 * (getattr(row, key) - getattr(reference, key)) for row in plain]
        axes.plot(images, changes, marker="o", label=name)
    axes.set(xscale="log", xlabel="calibration pictures", ylabel="points against float32")
    axes.set_xticks(images, [str(number) for number in images])
    axes.set_title("min-max ranges, channels equalized, rounding corrected")
    axes.legend(frameon=False)


def _draw_methods(axes: Any, rows: list[Row]) -> None:
    reference, *others = rows
    usual = max(row.images or 0 for row in others if row.method != "min-max")
    compared = [row for row in others if row.images == usual]
    names = [_name(row) for row in compared]
    bars = axes.barh(names, [row.score_error for row in compared], color="C2")
    labels = [f"{signed_points(_minus(row.ap, reference.ap))} AP" for row in compared]
    axes.bar_label(bars, labels, padding=3)
    axes.set(xlabel="RMS error of scores", title=f"{usual} pictures, by method")
    axes.margins(x=0.2)
    axes.invert_yaxis()


def _name(row: Row) -> str:
    """The method, and what of the usual is left out."""
    left_out = [
        *([] if row.equalized else ["channels as trained"]),
        *([] if row.corrected else ["rounded to nearest"]),
    ]
    return row.method + ("\n" + ", ".join(left_out) if left_out else "")
