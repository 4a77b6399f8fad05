"""The benchmark's two faces: a table for people and JSON for programs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

from edge_runtime.files import atomic_path
from edge_runtime.machine import one_line

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

    AP is written in points (hundredths). What was not measured stays blank.
    """
    data, thresholds = report["data"], report["thresholds"]
    head = [
        one_line(report["machine"]),
        f"{data['root']}, split {data['split']}: {data['images']} pictures, {data['boxes']} boxes"
        + (f" ({data['difficult']} difficult, counted neither way)" if data["difficult"] else ""),
        "AP in points (hundredths), diff against float32; blank: not measured",
        f"accuracy at score >= {thresholds['accuracy']['score']:g}, latency at score >= "
        f"{thresholds['latency']['score']:g}, NMS IoU {thresholds['accuracy']['iou']:g}",
    ]
    models = report["models"]
    return "\n\n".join(["\n".join(head), _main_table(models), _class_table(models)])


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


def _main_table(models: Sequence[dict]) -> str:
    reference = next((model for model in models if model["variant"] == "float32"), None)
    heading = ["variant", "size MB"]
    for title, key in ACCURACY_COLUMNS:
        heading += [title, "diff"] if key in DIFFERENCES else [title]
    heading += ["inference ms", "p90", "end to end ms", "p90", "threads", "file"]
    rows = [heading]
    for model in models:
        row = [model["variant"] or "", f"{model['bytes'] / 1e6:.2f}"]
        for _, key in ACCURACY_COLUMNS:
            row.append(_points(model[key]))
            if key in DIFFERENCES:
                row.append(_difference(model, reference, key))
        for step in ("inference", "end_to_end"):
            latency = (model["latency_ms"] or {}).get(step, {})
            row += [_number(latency.get("median")), _number(latency.get("p90"))]
        rows.append([*row, str(model["threads"]), model["file"]])
    return align(rows, left=(0, len(heading) - 1))


def _class_table(models: Sequence[dict]) -> str:
    rows = [["AP50", *(model["variant"] or model["file"] for model in models)]]
    for name in models[0]["ap50_per_class"]:
        rows.append([name, *(_points(model["ap50_per_class"][name]) for model in models)])
    return align(rows, left=(0,))


def _difference(model: dict, reference: dict | None, key: str) -> str:
    if reference is None or model is reference or None in (model[key], reference[key]):
        return ""
    points = round(100 * (model[key] - reference[key]), 2)
    return f"{points + 0.0:+.2f}"  # + 0.0 turns a rounded -0.0 into 0.0


def _points(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def align(rows: Sequence[Sequence[str]], left: Sequence[int]) -> str:
    """Columns as wide as their widest cell; those in `left` are set left, numbers right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if number in left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
