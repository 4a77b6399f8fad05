"""Report of the small sets study: a row for each training, a line of means for each set."""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from convert.benchmark.report import BenchmarkReport, ModelRow, read_report
from convert.tables import align, mean_and_spread, points, signed_points
from edge_runtime.media.atomic import atomic_path


@dataclass(frozen=True)
class Cell:
    """One training of one set, measured on its test split.

    Attributes:
        data: name of the set's folder.
        start: the first weights: "ImageNet", or the name of another detector's file.
        flags: of the training's command that are no names of files and no seed: none, if untouched.
        pictures, test_pictures: learnt from, and measured on.
        input: of the network in pixels, as text.
        epochs, minutes: of the whole training, by its log; the best epoch may have come before.
        float32_ap … int8_ap50: in [0, 1].
        machine: of the training, in words; date: of the measurement.
    """

    data: str
    seed: int
    start: str
    flags: str
    pictures: int
    test_pictures: int
    input: str
    epochs: int
    minutes: float
    float32_ap: float
    float32_ap50: float
    int8_ap: float
    int8_ap50: float
    commit: str
    machine: str
    date: str


def read_cell(path: Path) -> Cell:
    """The cell of NAME/report.json, beside which the training's log is NAME.csv.

    Raises: ValueError, FileNotFoundError where one is missing or no such file.
    """
    log = path.absolute().parent.with_suffix(".csv")
    if not log.is_file():
        raise FileNotFoundError(f"no log of the training at {log}; train by `make small-sets`")
    with log.open(encoding="utf-8", newline="") as file:
        seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
    return make_cell(read_report(path), seconds)


def make_cell(report: BenchmarkReport, seconds: Sequence[float]) -> Cell:
    """The cell of a report of `python -m convert` and the seconds of its training's epochs.

    Raises: ValueError where float32, int8, the training's record or an AP is missing.
    """
    training, float32, int8 = report.training, report.model("float32"), report.model("int8")
    if not training or float32 is None or int8 is None:
        raise ValueError(
            f"a report of a training's float32 and int8 file expected, got {report.command!r}; "
            "write it by `make small-sets`"
        )
    height, width = int8.input_hw or (0, 0)
    start, flags = _read_command(training["command"])
    return Cell(
        data=report.data.root,
        seed=training["seed"],
        start=start,
        flags=flags,
        pictures=training["images"],
        test_pictures=report.data.images,
        input=f"{width}x{height}",
        epochs=len(seconds),
        minutes=round(sum(seconds) / 60, 1),
        float32_ap=_measured(float32, float32.accuracy.ap),
        float32_ap50=_measured(float32, float32.accuracy.ap50),
        int8_ap=_measured(int8, int8.accuracy.ap),
        int8_ap50=_measured(int8, int8.accuracy.ap50),
        commit=training["commit"],
        machine=f"{training['machine']['cpu']}, {training['machine']['cores']} cores",
        date=str(report.machine["date"])[:10],
    )


def _measured(model: ModelRow, value: float | None) -> float:
    if value is None:
        raise ValueError(f"AP and AP50 of {model.file} expected, got none; its test split has none")
    return value


def _read_command(command: str) -> tuple[str, str]:
    """What a training started from, and its flags beside data, files and seed."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for flag in ("--seed", "--out", "--data", "--backbone-weights", "--start-from"):
        parser.add_argument(flag)
    for flag in ("--resume", "--overwrite"):
        parser.add_argument(flag, action="store_true")
    known, rest = parser.parse_known_args(shlex.split(command))
    start = Path(known.start_from).stem if known.start_from else "ImageNet"
    return start, shlex.join(rest[rest.index("train") + 1 :])


def read_cells(path: Path) -> list[Cell]:
    """The cells of an earlier small_sets.json. Raises: ValueError for another file."""
    try:
        return [Cell(**row) for row in json.loads(path.read_text("utf-8"))["cells"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: a small_sets.json expected, got another file") from error


def merge(earlier: Iterable[Cell], now: Iterable[Cell]) -> list[Cell]:
    """Cells by set, start and seed; one that was measured again counts as now.

    Raises: ValueError where they were trained with different flags.
    """
    cells = {(cell.data, cell.start, cell.seed): cell for cell in [*earlier, *now]}
    flags = {cell.flags for cell in cells.values()}
    if len(flags) > 1:
        raise ValueError(f"trainings with the same flags expected, got {sorted(flags)}")
    return [cells[key] for key in sorted(cells)]


def to_json(cells: Sequence[Cell]) -> dict[str, Any]:
    return {"cells": [asdict(cell) for cell in cells]}


HEADINGS = (
    *(
        "set",
        "start",
        "pictures",
        "input",
        "seeds",
        "float32 AP50",
        "float32 AP",
        "int8 AP50",
        "int8 AP",
    ),
    *("int8 - float32 AP", "minutes"),
)


def summary_rows(cells: Sequence[Cell]) -> list[list[str]]:
    """A line for each set and start: means over seeds ± standard deviation, AP in points."""
    rows = []
    for name, start in sorted({(cell.data, cell.start) for cell in cells}):
        of_set = [cell for cell in cells if (cell.data, cell.start) == (name, start)]
        first = of_set[0]
        rows.append(
            [
                name,
                start,
                f"{first.pictures} + {first.test_pictures}",
                "/".join(sorted({cell.input for cell in of_set})),
                str(len(of_set)),
                _over(of_set, lambda cell: cell.float32_ap50),
                _over(of_set, lambda cell: cell.float32_ap),
                _over(of_set, lambda cell: cell.int8_ap50),
                _over(of_set, lambda cell: cell.int8_ap),
                _over(of_set, lambda cell: cell.int8_ap - cell.float32_ap, signed=True),
                f"{statistics.mean(cell.minutes for cell in of_set):.0f}",
            ]
        )
    return rows


def _over(cells: Sequence[Cell], value: Callable[[Cell], float], signed: bool = False) -> str:
    values = [value(cell) for cell in cells]
    if len(values) == 1:
        return signed_points(values[0]) if signed else points(values[0])
    return mean_and_spread(statistics.mean(values), statistics.stdev(values), signed=signed)


def format_study(cells: Sequence[Cell]) -> str:
    """Conditions and an aligned table, AP in points (hundredths)."""
    machines = sorted({f"{cell.machine}, {cell.date}" for cell in cells})
    flags = next(iter(cells)).flags or "none"
    head = [
        "; ".join(machines),
        f"flags beside data, out, weights and seed: {flags}; measured on test pictures, in points",
        "pictures: learnt from + measured on; mean ± standard deviation of the seeds",
    ]
    return "\n".join(head) + "\n\n" + align([list(HEADINGS), *summary_rows(cells)], left=(0, 1))


def write_csv(cells: Sequence[Cell], path: Path) -> None:
    """A row for each training."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(asdict(cells[0])), lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(asdict, cells))
