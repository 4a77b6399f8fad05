"""A family of detectors in words: the table, the same as CSV, and where it was measured."""

from __future__ import annotations

import csv
import shlex
from pathlib import Path

from convert.benchmark.report import align
from edge_runtime.media.atomic import atomic_path
from edge_runtime.system.machine import one_line

# Key of a row, heading, format, factor. AP in points; milliseconds of int8.
COLUMNS = (
    ("width", "width", "", None),
    ("input", "input", "s", None),
    ("int8_mb", "size MB", ".2f", 1),
    ("float32_ap", "float32 AP", ".2f", 100),
    ("int8_ap", "int8 AP", ".2f", 100),
    ("ap_difference", "diff", "+.2f", 100),
    ("float32_ap50", "float32 AP50", ".2f", 100),
    ("int8_ap50", "int8 AP50", ".2f", 100),
    ("float32_ms", "float32 ms", ".2f", 1),
    ("int8_ms", "int8 ms", ".2f", 1),
    ("int8_ms_p90", "p90", ".2f", 1),
    ("int8_end_to_end_ms", "end to end ms", ".2f", 1),
    ("best_by", "best by", "s", None),
)


def _cells(row: dict) -> list[str]:
    cells = []
    for key, _, form, factor in COLUMNS:
        # + 0.0 turns a rounded -0.0 into 0.0
        value = row[key] if factor is None else round(row[key] * factor, 2) + 0.0
        cells.append(f"{value:{form}}")
    return cells


def format_family(family: dict) -> str:
    """Conditions and an aligned table, AP in points (hundredths)."""
    data = family["data"]
    head = [
        _conditions(family),
        f"{data['root']}, split {data['split']}: {data['images']} pictures, {data['boxes']} boxes",
        "AP in points (hundredths); ms: median inference; best by: none is cheaper and better",
    ]
    rows = [[heading for _, heading, _, _ in COLUMNS], *map(_cells, family["family"])]
    return "\n".join(head) + "\n\n" + align(rows, left=(len(COLUMNS) - 1,))


def _conditions(family: dict) -> str:
    threads = f", {family['threads']} threads" if family["threads"] else ""
    return f"{one_line(family['machine'])}{threads}, {family['machine']['date'][:10]}"


def caption(family: dict) -> str:
    """Command, data, hardware and date, for below the picture; files are counted, not listed."""
    words = shlex.split(family["command"])
    rest = [shlex.quote(word) for word in words if not word.endswith(".tflite")]
    models = [number for number, word in enumerate(words) if word.endswith(".tflite")]
    if models:
        rest.insert(models[0], f"({len(models)} files)")
    data = family["data"]
    return (
        f"{data['root']}, split {data['split']}, {data['images']} pictures; {_conditions(family)}\n"
        + " ".join(rest)
    )


def write_csv(family: dict, path: Path) -> None:
    """The table's columns under their keys; AP in points, as in the table."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([key for key, *_ in COLUMNS])
        writer.writerows(map(_cells, family["family"]))
