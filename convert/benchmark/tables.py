"""The benchmark's report as plain text and as rows of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from convert.benchmark.report import (
    Agreement,
    BenchmarkReport,
    ModelRow,
    RobustnessRow,
    minus,
)
from convert.tables import align, points, signed_points
from edge_runtime.detector.resize import PILLOW
from edge_runtime.system.machine import one_line

# (heading, attribute of the accuracy); differences to float32 stand beside the first two.
ACCURACY_COLUMNS = (
    ("AP", "ap"),
    ("AP50", "ap50"),
    ("AP75", "ap75"),
    ("small", "ap_small"),
    ("medium", "ap_medium"),
    ("large", "ap_large"),
)
DIFFERENCES = {"ap", "ap50"}


def format_report(report: BenchmarkReport) -> str:
    """Aligned plain text: conditions, a row for each model, AP50 for each class.

    Then, where they were measured, how far float32 and int8 agree and how both stand changed
    pictures. AP is written in points (hundredths). What was not measured stays blank.
    """
    main = main_rows(report)
    parts = [
        "\n".join([one_line(report.machine), *conditions(report)]),
        align(main, left=(0, len(main[0]) - 1)),
        align(class_rows(report.models, "ap50_per_class", "AP50"), left=(0,)),
    ]
    if report.agreement:
        parts.append("\n".join(agreement_lines(report.agreement)))
    if report.robustness:
        parts.append(align(robustness_rows(report.robustness), left=(0,)))
    return "\n\n".join(parts)


def conditions(report: BenchmarkReport) -> list[str]:
    """Conditions of the measurement, a line each."""
    data, latency, accuracy = report.data, report.thresholds.latency, report.thresholds.accuracy
    difficult = f" ({data.difficult} difficult, counted neither way)" if data.difficult else ""
    resized = "" if report.resizer == PILLOW else f", resized by {report.resizer}"
    return [
        f"{data.root}, split {data.split}: {data.images} pictures, {data.boxes} boxes{difficult}"
        f"{resized}",
        "AP in points (hundredths), diff against float32; blank: not measured",
        "score error: mean |score - float32's| of the detections that both show",
        f"accuracy at score >= {accuracy.score:g}, latency at score >= {latency.score:g}, "
        f"NMS IoU {accuracy.iou:g}",
    ]


def main_rows(report: BenchmarkReport) -> list[list[str]]:
    """The heading and a row for each model, as text."""
    reference = report.model("float32")
    heading = ["variant", "size MB"]
    for title, key in ACCURACY_COLUMNS:
        heading += [title, "diff"] if key in DIFFERENCES else [title]
    heading.append("score error")
    rows = [[*heading, "inference ms", "p90", "end to end ms", "p90", "memory MB"]]
    rows[0] += ["threads", "file"]
    for model in report.models:
        row = [model.variant or model.name or "", _number(model.megabytes, 2)]
        for _, key in ACCURACY_COLUMNS:
            row.append(points(getattr(model.accuracy, key)))
            if key in DIFFERENCES:
                row.append(_difference(model, reference, key))
        row.append("" if model.score_error is None else f"{model.score_error:.4f}")
        for step in ("inference", "end_to_end"):
            row += [_number(model.median_ms(step), 2), _number(model.p90_ms(step), 2)]
        memory = None if model.peak_memory is None else model.peak_memory / 1e6
        threads = "" if model.threads is None else str(model.threads)
        rows.append([*row, _number(memory, 0), threads, model.file])
    return rows


def class_rows(models: Sequence[ModelRow], key: str, title: str) -> list[list[str]]:
    """The heading and a row for each class with its accuracy in every model.

    Args:
        key: "ap_per_class" or "ap50_per_class".
    """
    columns: list[Mapping[str, float | None]] = [getattr(m.accuracy, key) for m in models]
    rows = [[title, *(model.label for model in models)]]
    for name in columns[0]:
        rows.append([name, *(points(column[name]) for column in columns)])
    return rows


def agreement_lines(agreement: Agreement) -> list[str]:
    """Agreement of two models, in sentences."""
    first, second = agreement.variants
    lines = [
        f"shown at score >= {agreement.score_threshold:g}: {agreement.both} by both, "
        + ", ".join(
            f"{agreement.only[one]} by {one} only "
            f"({agreement.alone[one]} of them without a trace in {other})"
            for one, other in ((first, second), (second, first))
        )
    ]
    scores, ious = agreement.score_difference, agreement.iou
    if scores:
        lines.append(
            f"score of {second} - {first}: mean {scores.mean:+.4f}, without sign "
            f"{scores.mean_abs:.4f}, at most {scores.p95_abs:.4f} for 95 % and "
            f"{scores.max_abs:.4f} for all"
        )
    if ious:
        lines.append(
            f"IoU of their boxes: mean {ious.mean:.3f}, at least {ious.p5:.3f} for 95 % and "
            f"{ious.min:.3f} for all"
        )
    return lines


def robustness_rows(robustness: Sequence[RobustnessRow]) -> list[list[str]]:
    """The heading and a row for each condition; the last cell marks those that fail."""
    first, second = robustness[0].models
    rows = [["pictures"]]
    for title in ("AP", "AP50"):
        rows[0] += [f"{title} {first}", second, "diff"]
    rows[0] += ["against clean", ""]
    for row in robustness:
        cells = [row.condition]
        cells += [points(model.ap) for model in row.models.values()]
        cells.append(signed_points(row.difference.ap))
        cells += [points(model.ap50) for model in row.models.values()]
        cells.append(signed_points(row.difference.ap50))
        extra = "" if row is robustness[0] else signed_points(row.against_clean.ap50)
        rows.append([*cells, extra, "FAILS" if row.passes is False else ""])
    return rows


def _difference(model: ModelRow, reference: ModelRow | None, key: str) -> str:
    if reference is None or model is reference:
        return ""
    return signed_points(minus(getattr(model.accuracy, key), getattr(reference.accuracy, key)))


def _number(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:.{decimals}f}"
