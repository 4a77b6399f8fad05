"""The benchmark's two faces: a table for people and JSON for programs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

from convert.tables import align, points, signed_points
from edge_runtime.media.atomic import atomic_path
from edge_runtime.system.machine import one_line

# (heading, key of the accuracy); differences to float32 stand beside the first two.
ACCURACY_COLUMNS = (
    ("AP", "ap"),
    ("AP50", "ap50"),
    ("AP75", "ap75"),
    ("small", "ap_small"),
    ("medium", "ap_medium"),
    ("large", "ap_large"),
)
DIFFERENCES = {"ap", "ap50"}


def format_report(report: dict) -> str:
    """Aligned plain text: conditions, a row for each model, AP50 for each class.

    Then, where they were measured, how far float32 and int8 agree and how both stand changed
    pictures. AP is written in points (hundredths). What was not measured stays blank.
    """
    models = report["models"]
    main = main_rows(models)
    parts = [
        "\n".join([one_line(report["machine"]), *conditions(report)]),
        align(main, left=(0, len(main[0]) - 1)),
        align(class_rows(models, "ap50_per_class", "AP50"), left=(0,)),
    ]
    if report.get("agreement"):
        parts.append("\n".join(agreement_lines(report["agreement"])))
    if report.get("robustness"):
        parts.append(align(robustness_rows(report["robustness"]), left=(0,)))
    return "\n\n".join(parts)


def conditions(report: dict) -> list[str]:
    """What the numbers were measured with, a line each."""
    data, thresholds = report["data"], report["thresholds"]
    difficult = (
        f" ({data['difficult']} difficult, counted neither way)" if data["difficult"] else ""
    )
    return [
        f"{data['root']}, split {data['split']}: {data['images']} pictures, {data['boxes']} boxes"
        + difficult,
        "AP in points (hundredths), diff against float32; blank: not measured",
        f"accuracy at score >= {thresholds['accuracy']['score']:g}, latency at score >= "
        f"{thresholds['latency']['score']:g}, NMS IoU {thresholds['accuracy']['iou']:g}",
    ]


def write_report(path: str | Path, report: dict) -> None:
    """Write the JSON, whole or not at all. Raises: OSError."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", "utf-8")


def read_report(path: str | Path) -> dict:
    """A report that `write_report` wrote. Raises: ValueError if it is none; FileNotFoundError."""
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"no report at {path}; write it by `python -m convert.benchmark`"
        ) from error
    except ValueError as error:
        raise ValueError(f"{path}: a report of convert expected, got {error}") from error
    if not isinstance(report, dict) or not {"models", "data", "command"} <= set(report):
        raise ValueError(f"{path}: a report of convert expected, got another JSON file")
    return report


def check_writable(path: str | Path) -> None:
    """Raises: OSError, before the long work, if the JSON could not be written to `path`."""
    with contextlib.suppress(_Untouched), atomic_path(path):
        raise _Untouched


class _Untouched(Exception):  # noqa: N818 - no error: it makes `atomic_path` keep the old file
    pass


def main_rows(models: Sequence[dict]) -> list[list[str]]:
    """The heading and a row for each model, as text."""
    reference = next((model for model in models if model["variant"] == "float32"), None)
    heading = ["variant", "size MB"]
    for title, key in ACCURACY_COLUMNS:
        heading += [title, "diff"] if key in DIFFERENCES else [title]
    heading += ["inference ms", "p90", "end to end ms", "p90", "threads", "file"]
    rows = [heading]
    for model in models:
        row = [model["variant"] or "", f"{model['bytes'] / 1e6:.2f}"]
        for _, key in ACCURACY_COLUMNS:
            row.append(points(model[key]))
            if key in DIFFERENCES:
                row.append(_difference(model, reference, key))
        for step in ("inference", "end_to_end"):
            latency = (model["latency_ms"] or {}).get(step, {})
            row += [_number(latency.get("median")), _number(latency.get("p90"))]
        rows.append([*row, str(model["threads"]), model["file"]])
    return rows


def class_rows(models: Sequence[dict], key: str, title: str) -> list[list[str]]:
    """The heading and a row for each class with its accuracy `key` in every model."""
    rows = [[title, *(model["variant"] or model["file"] for model in models)]]
    for name in models[0][key]:
        rows.append([name, *(points(model[key][name]) for model in models)])
    return rows


def agreement_lines(agreement: dict) -> list[str]:
    """How far two models agree, in sentences."""
    first, second = agreement["variants"]
    only, alone = agreement["only"], agreement["alone"]
    lines = [
        f"shown at score >= {agreement['score_threshold']:g}: {agreement['both']} by both, "
        + ", ".join(
            f"{only[one]} by {one} only ({alone[one]} of them without a trace in {other})"
            for one, other in ((first, second), (second, first))
        )
    ]
    scores, ious = agreement["score_difference"], agreement["iou"]
    if scores:
        lines.append(
            f"score of {second} - {first}: mean {scores['mean']:+.4f}, without sign "
            f"{scores['mean_abs']:.4f}, at most {scores['p95_abs']:.4f} for 95 % and "
            f"{scores['max_abs']:.4f} for all"
        )
        lines.append(
            f"IoU of their boxes: mean {ious['mean']:.3f}, at least {ious['p5']:.3f} for 95 % and "
            f"{ious['min']:.3f} for all"
        )
    return lines


def robustness_rows(robustness: Sequence[dict]) -> list[list[str]]:
    """The heading and a row for each condition; the last cell marks those that fail."""
    first, second = robustness[0]["models"]
    rows = [["pictures"]]
    for title in ("AP", "AP50"):
        rows[0] += [f"{title} {first}", second, "diff"]
    rows[0] += ["against clean", ""]
    for row in robustness:
        cells = [row["condition"]]
        for key in ("ap", "ap50"):
            cells += [points(model[key]) for model in row["models"].values()]
            cells.append(signed_points(row["difference"][key]))
        extra = row["against_clean"]["ap50"] if row is not robustness[0] else None
        rows.append([*cells, signed_points(extra), "FAILS" if row["passes"] is False else ""])
    return rows


def _difference(model: dict, reference: dict | None, key: str) -> str:
    if reference is None or model is reference or None in (model[key], reference[key]):
        return ""
    return signed_points(model[key] - reference[key])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
