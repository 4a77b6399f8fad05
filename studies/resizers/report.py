"""Report of the resizers study: a row for a detector on a split, and what is left on the mean."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from convert.tables import align, markdown, mean_and_spread, points, signed_points
from edge_runtime.detector.resize import OPENCV, PILLOW

Json = dict[str, Any]


@dataclass(frozen=True)
class Accuracies:
    """In [0, 1]."""

    ap: float
    ap50: float


@dataclass(frozen=True)
class Row:
    """One detector on one split.

    Attributes:
        data: name of the set's folder.
        file: of the detector; input_hw: of its network.
        larger_in_one, larger_in_both: of the pictures, those more than twice as large as the input
            in one side at least, and in both: only these need anything but a bilinear resize.
        accuracies: by resizer.
    """

    data: str
    split: str
    file: str
    input_hw: tuple[int, int]
    pictures: int
    boxes: int
    larger_in_one: int
    larger_in_both: int
    accuracies: Mapping[str, Accuracies]


def to_json(command: str, machine: dict[str, str | int | None], rows: Sequence[Row]) -> Json:
    return {"command": command, "machine": machine, "rows": [asdict(row) for row in rows]}


HEADINGS = (
    *("detector", "split", "pictures", "> 2x in a side, in both"),
    *("AP, Pillow", "OpenCV", "difference", "AP50, Pillow", "OpenCV", "difference"),
)
MEASURES = ("ap", "ap50")


def cells(row: Json) -> list[str]:
    """A line of the table, of the JSON's."""
    line = [row["file"].removesuffix(".tflite"), row["split"], str(row["pictures"])]
    line.append(f"{row['larger_in_one']}, {row['larger_in_both']}")
    for measure in MEASURES:
        pillow, opencv = (row["accuracies"][resizer][measure] for resizer in (PILLOW, OPENCV))
        line += [points(pillow), points(opencv), signed_points(opencv - pillow)]
    return line


def mean_cells(rows: Sequence[Json], split: str) -> list[str]:
    """Means of a split's differences ± their standard deviation."""
    line = ["mean", split, "", ""]
    for measure in MEASURES:
        differences = [
            row["accuracies"][OPENCV][measure] - row["accuracies"][PILLOW][measure]
            for row in rows
            if row["split"] == split
        ]
        spread = statistics.stdev(differences) if len(differences) > 1 else 0.0
        line += ["", "", mean_and_spread(statistics.mean(differences), spread, signed=True)]
    return line


def _lines(rows: Sequence[Json]) -> list[list[str]]:
    splits = dict.fromkeys(row["split"] for row in rows)
    return [*map(cells, rows), *(mean_cells(rows, split) for split in splits)]


def page_table(rows: Sequence[Json]) -> str:
    """The table of docs/results.md."""
    return markdown(HEADINGS, _lines(rows))


def format_study(rows: Sequence[Row]) -> str:
    """An aligned table for people, AP in points (hundredths)."""
    return align([list(HEADINGS), *_lines([asdict(row) for row in rows])], left=(0, 1))
