"""Table of a comparison: a row for each detector and file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from convert.benchmark.report import BenchmarkReport, ModelRow
from convert.tables import align, markdown, points

OTHER = "results"  # the kind of a row that another detector's results make


@dataclass(frozen=True)
class Size:
    """Of a preset's net: what its training built."""

    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Row:
    """One detector as one file.

    Attributes:
        detector: the preset, or the name in another detector's results.
        kind: float32, int8, or OTHER.
        input: in pixels, as text; empty where it is not known.
        parameters, multiply_adds: None of other detectors.
        ap, ap50, ap_small, ap_medium, ap_large: in [0, 1]; None without such objects.
        inference_ms, p90_ms: median and 90th percentile.
        memory_mb: most bytes resident in a process with this detector alone, in 10^6.
        minutes: of its training.
    """

    detector: str
    kind: str
    input: str
    parameters: int | None
    multiply_adds: int | None
    ap: float | None
    ap50: float | None
    ap_small: float | None
    ap_medium: float | None
    ap_large: float | None
    inference_ms: float | None
    p90_ms: float | None
    memory_mb: float | None
    size_mb: float | None
    minutes: float | None


def make_rows(report: BenchmarkReport, sizes: dict[str, Size]) -> list[Row]:
    """Rows of a benchmark of the files of `studies.compare.runs.files_of` and of results."""
    return [_row(model, sizes) for model in report.models]


def _row(model: ModelRow, sizes: dict[str, Size]) -> Row:
    preset = model.file.removesuffix(f"_{model.variant}.tflite")
    size, accuracy = sizes.get(preset), model.accuracy
    height, width = model.input_hw or (0, 0)
    memory = model.peak_memory
    return Row(
        detector=preset if size else model.label,
        kind=str(model.variant) if size else OTHER,
        input=f"{width}x{height}" if model.input_hw else "",
        parameters=size.parameters if size else None,
        multiply_adds=size.multiply_adds if size else None,
        ap=accuracy.ap,
        ap50=accuracy.ap50,
        ap_small=accuracy.ap_small,
        ap_medium=accuracy.ap_medium,
        ap_large=accuracy.ap_large,
        inference_ms=model.median_ms("inference"),
        p90_ms=model.p90_ms("inference"),
        memory_mb=None if memory is None else memory / 1e6,
        size_mb=model.megabytes,
        minutes=(model.training or {}).get("minutes"),
    )


HEADINGS = (
    *("detector", "file", "input", "M param.", "G madds", "AP", "AP50"),
    *("AP small / medium / large", "ms (p90)", "memory, MB", "size, MB", "min"),
)


def format_rows(rows: Sequence[Row]) -> str:
    """An aligned table, AP in points; blank where something is not known."""
    return align([list(HEADINGS), *map(_cells, rows)], left=(0, 1, 2))


def page_table(rows: Sequence[Row]) -> str:
    """The same as Markdown, for docs/ssd.md."""
    return markdown(HEADINGS, map(_cells, rows))


def _cells(row: Row) -> list[str]:
    parts = (row.ap_small, row.ap_medium, row.ap_large)
    p90 = f" ({row.p90_ms:.1f})" if row.p90_ms is not None else ""
    return [
        row.detector,
        row.kind,
        row.input,
        _number(row.parameters, 1e6, 2),
        _number(row.multiply_adds, 1e9, 2),
        points(row.ap),
        points(row.ap50),
        " / ".join(points(part) or "-" for part in parts),
        _number(row.inference_ms, 1, 1) + p90,
        _number(row.memory_mb, 1, 0),
        _number(row.size_mb, 1, 2),
        _number(row.minutes, 1, 0),
    ]


def _number(value: float | None, unit: float, decimals: int) -> str:
    return "" if value is None else f"{value / unit:.{decimals}f}"


def to_json(rows: Sequence[Row], report: BenchmarkReport, command: str) -> dict[str, Any]:
    """The rows, the data and the machine that they were measured on."""
    return {
        "command": command,
        "machine": dict(report.machine),
        "data": asdict(report.data),
        "rows": [asdict(row) for row in rows],
    }


def read_rows(path: Path) -> list[Row]:
    """The rows of a compare.json. Raises: ValueError for another file."""
    try:
        return [Row(**row) for row in json.loads(path.read_text("utf-8"))["rows"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: a compare.json expected, got another file") from error
