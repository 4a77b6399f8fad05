"""Report of the width and size study: a row for each detector, as table, JSON and CSV."""

from __future__ import annotations

import argparse
import csv
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from convert.benchmark.report import BenchmarkReport, BenchmarkThresholds, DataSummary, ModelRow
from convert.tables import align, points, signed_points
from edge_runtime.media.atomic import atomic_path
from edge_runtime.system.machine import one_line

Json = dict[str, object]


@dataclass(frozen=True)
class Row:
    """The float32 and the int8 file of one detector.

    Attributes:
        width: of the backbone (alpha).
        input: of the network in pixels, as text.
        int8_mb, float32_mb: sizes of the files, 10⁶ bytes.
        float32_ap … ap50_difference: in [0, 1]; differences are int8 - float32.
        float32_ms, int8_ms, int8_ms_p90, int8_end_to_end_ms: median (or 90th percentile) latency.
        best_by: of "latency" and "size", where no other row is both cheaper and more accurate.
        training: record of the last stage.
    """

    width: float
    input: str
    input_hw: tuple[int, int]
    int8_mb: float
    float32_mb: float
    float32_ap: float
    float32_ap50: float
    int8_ap: float
    int8_ap50: float
    ap_difference: float
    ap50_difference: float
    float32_ms: float
    int8_ms: float
    int8_ms_p90: float
    int8_end_to_end_ms: float
    best_by: str
    files: tuple[str, str]
    training: Json | None


@dataclass(frozen=True)
class StudyReport:
    """width_and_size.json.

    Attributes:
        command, machine, data, thresholds: of the benchmark.
        threads: of the interpreter; None where files were measured with different numbers.
        rows: by width and input size; "family" in the JSON.
    """

    command: str
    machine: dict[str, str | int | None]
    data: DataSummary
    thresholds: BenchmarkThresholds
    threads: int | None
    rows: list[Row]

    def to_json(self) -> Json:
        content = asdict(self)
        return {
            **{key: content[key] for key in content if key != "rows"},
            "family": content["rows"],
        }


def combine(report: BenchmarkReport) -> StudyReport:
    """A row for each pair of float32 and int8 files, by width and input size.

    A row is best by "latency" or "size" where no other is both cheaper and more accurate.

    Raises: ValueError, naming the file, where width, size, a figure or the other file is missing.
    """
    pairs = _pairs(report)
    rows = [_row(place, pairs[place]) for place in sorted(pairs)]
    for what, key in (("latency", "int8_ms"), ("size", "int8_mb")):
        front = pareto_front(rows, key)
        rows = [
            replace(row, best_by=f"{row.best_by}, {what}".strip(", ")) if row in front else row
            for row in rows
        ]
    threads = {model.threads for model in report.models}
    return StudyReport(
        report.command,
        report.machine,
        report.data,
        report.thresholds,
        threads.pop() if len(threads) == 1 else None,
        rows,
    )


Place = tuple[float, tuple[int, int]]  # width of the backbone, input_hw


def _pairs(report: BenchmarkReport) -> dict[Place, dict[str, ModelRow]]:
    """The float32 and the int8 file of each detector, by variant."""
    pairs: dict[Place, dict[str, ModelRow]] = {}
    for model in report.models:
        if model.variant in ("float32", "int8"):
            pair = pairs.setdefault(_place(model), {})
            if model.variant in pair:
                raise ValueError(
                    f"one {model.variant} file of each width and input size expected, got "
                    f"{pair[model.variant].file} and {model.file}; measure one of them"
                )
            pair[model.variant] = model
    if not pairs:
        variants = sorted({str(model.variant) for model in report.models})
        raise ValueError(
            f"a report with float32 and int8 files expected, got {', '.join(variants) or 'none'}; "
            "convert every detector to both and measure them in one run of convert.benchmark"
        )
    for _, pair in sorted(pairs.items(), key=lambda item: item[0]):
        if len(pair) < 2:
            (alone,) = pair.values()
            raise ValueError(
                f"a float32 and an int8 file of each detector expected, got {alone.file} "
                "alone; give both to one run of convert.benchmark"
            )
    return pairs


def _place(model: ModelRow) -> Place:
    """As the file's row has it, not its name."""
    if not model.input_hw:
        raise ValueError(
            f"{model.file}: input_hw expected in its row of the report, got none; measure it "
            "again with this version's convert.benchmark"
        )
    return _width(model), model.input_hw


def _width(model: ModelRow) -> float:
    training = model.training or {}
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
            f"{model.file}: a record of its training with the backbone's width (alpha) "
            "expected, got none; train it with --alpha and convert it with this version"
        )
    return float(width)


def _row(place: Place, pair: Mapping[str, ModelRow]) -> Row:
    width, (height, wide) = place
    float32, int8 = pair["float32"], pair["int8"]
    ap = {name: _ap(model) for name, model in pair.items()}
    return Row(
        width=width,
        input=str(wide) if height == wide else f"{wide}x{height}",
        input_hw=(height, wide),
        int8_mb=_measured(int8, int8.megabytes, "bytes"),
        float32_mb=_measured(float32, float32.megabytes, "bytes"),
        float32_ap=ap["float32"][0],
        float32_ap50=ap["float32"][1],
        int8_ap=ap["int8"][0],
        int8_ap50=ap["int8"][1],
        ap_difference=ap["int8"][0] - ap["float32"][0],
        ap50_difference=ap["int8"][1] - ap["float32"][1],
        float32_ms=_measured(float32, float32.median_ms("inference"), "latency_ms"),
        int8_ms=_measured(int8, int8.median_ms("inference"), "latency_ms"),
        int8_ms_p90=_measured(int8, int8.p90_ms("inference"), "latency_ms"),
        int8_end_to_end_ms=_measured(int8, int8.median_ms("end_to_end"), "latency_ms"),
        best_by="",
        files=(float32.file, int8.file),
        training=int8.training,
    )


def _ap(model: ModelRow) -> tuple[float, float]:
    accuracy = model.accuracy
    return _measured(model, accuracy.ap, "ap"), _measured(model, accuracy.ap50, "ap50")


def _measured(model: ModelRow, value: float | None, key: str) -> float:
    if value is None:
        raise ValueError(
            f"{model.file}: {key} expected in its row of the report, got none; measure it again, "
            "without --latency-runs 0"
        )
    return value


def pareto_front(rows: Sequence[Row], cost: str) -> list[Row]:
    """Those that no other row beats in int8 AP without costing more; cheapest first.

    Costs count as the table prints them, in hundredths: files of one width differ by a few bytes.

    Args:
        cost: attribute of a row.
    """
    front: list[Row] = []
    for row in sorted(rows, key=lambda row: (round(getattr(row, cost), 2), -row.int8_ap)):
        if not front or row.int8_ap > front[-1].int8_ap:
            front.append(row)
    return front


# Attribute of a row, heading. AP in points; milliseconds of int8.
COLUMNS = (
    ("width", "width"),
    ("input", "input"),
    ("int8_mb", "size MB"),
    ("float32_ap", "float32 AP"),
    ("int8_ap", "int8 AP"),
    ("ap_difference", "diff"),
    ("float32_ap50", "float32 AP50"),
    ("int8_ap50", "int8 AP50"),
    ("float32_ms", "float32 ms"),
    ("int8_ms", "int8 ms"),
    ("int8_ms_p90", "p90"),
    ("int8_end_to_end_ms", "end to end ms"),
    ("best_by", "best by"),
)


def _cells(row: Row) -> list[str]:
    return [
        *(f"{row.width}", row.input, f"{row.int8_mb:.2f}"),
        *(points(row.float32_ap), points(row.int8_ap), signed_points(row.ap_difference)),
        *(points(row.float32_ap50), points(row.int8_ap50)),
        *(f"{row.float32_ms:.2f}", f"{row.int8_ms:.2f}", f"{row.int8_ms_p90:.2f}"),
        *(f"{row.int8_end_to_end_ms:.2f}", row.best_by),
    ]


def format_study(report: StudyReport) -> str:
    """Conditions and an aligned table, AP in points (hundredths)."""
    data = report.data
    head = [
        _conditions(report),
        f"{data.root}, split {data.split}: {data.images} pictures, {data.boxes} boxes",
        "AP in points (hundredths); ms: median inference; best by: none is cheaper and better",
    ]
    rows = [[heading for _, heading in COLUMNS], *map(_cells, report.rows)]
    return "\n".join(head) + "\n\n" + align(rows, left=(len(COLUMNS) - 1,))


def _conditions(report: StudyReport) -> str:
    threads = f", {report.threads} threads" if report.threads else ""
    return f"{one_line(report.machine)}{threads}, {str(report.machine['date'])[:10]}"


def caption(report: StudyReport) -> str:
    """Command, data, hardware and date, for below the plot; files are counted, not listed."""
    words = shlex.split(report.command)
    rest = [shlex.quote(word) for word in words if not word.endswith(".tflite")]
    models = [number for number, word in enumerate(words) if word.endswith(".tflite")]
    if models:
        rest.insert(models[0], f"({len(models)} files)")
    data = report.data
    return (
        f"{data.root}, split {data.split}, {data.images} pictures; {_conditions(report)}\n"
        + " ".join(rest)
    )


def write_csv(report: StudyReport, path: Path) -> None:
    """The table's columns under their attributes' names; AP in points, as in the table."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([key for key, _ in COLUMNS])
        writer.writerows(map(_cells, report.rows))
