"""Report of the network study: the JSON, and its tables for people and for docs/results.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from convert.benchmark.report import Json, read_report
from convert.tables import align
from edge_runtime.system.machine import one_line
from studies.network.files import Facts
from studies.speed.interleaved import Spread

HEAD = [
    *("variant", "what differs", "M multiply-adds", "M parameters", "int8 / float32 MB"),
    *("int8 ms (quartiles)", "ratio (quartiles)", "float32 ms (quartiles)", "ratio (quartiles)"),
    *("partitions", "ImageNet", "AP"),
]
STAGES = [
    *(f"backbone, {side}x{side}" for side in (160, 80, 40, 20, 10)),
    "top-down path",
    "heads",
]


@dataclass(frozen=True)
class Result:
    """A measured variant: milliseconds, ratio to the first variant's, by kind of file.

    Attributes:
        stages: milliseconds of the int8 file by stage.
        ap: of int8 after QAT on the test scenes, in [0, 1]; None where it is not trained.
    """

    facts: Facts
    ms: Mapping[str, Spread]
    ratio: Mapping[str, Spread]
    stages: Mapping[str, float]
    ap: float | None = None


def read_ap(path: Path) -> float | None:
    """AP of the int8 file after QAT in a report of `python -m convert`; None without a report."""
    if not path.is_file():
        return None
    row = read_report(path).model("int8_qat")
    return None if row is None else row.accuracy.ap


def to_json(results: Sequence[Result], command: str, machine: Mapping[str, object]) -> Json:
    return {
        "command": command,
        "machine": dict(machine),
        "threads": 1,
        "variants": [asdict(result) for result in results],
    }


def cells(row: Json) -> list[str]:
    """A row of the table, of the JSON's."""
    facts = row["facts"]
    sizes = " / ".join(f"{facts['bytes'][kind] / 1e6:.2f}" for kind in ("int8", "float32"))
    found = [facts["name"], facts["says"], f"{facts['multiply_adds'] / 1e6:.0f}"]
    found += [f"{facts['parameters'] / 1e6:.2f}", sizes]
    for kind in ("int8", "float32"):
        found += [_spread(row["ms"][kind]), _spread(row["ratio"][kind])]
    ap = "" if row["ap"] is None else f"{100 * row['ap']:.2f}"
    return [*found, _delegation(facts["delegation"]["int8"]), _imagenet(facts["new_layers"]), ap]


def _spread(spread: Mapping[str, float]) -> str:
    return f"{spread['median']:.2f} ({spread['low']:.2f} to {spread['high']:.2f})"


def _delegation(found: Json) -> str:
    outside = sum(found["outside"].values())
    return f"{found['partitions']}" + (f", {outside} outside" if outside else "")


def _imagenet(new_layers: Sequence[str] | None) -> str:
    if new_layers is None:
        return "none of this width"
    convolutions = [name for name in new_layers if not name.endswith(("_bn", "_BN"))]
    return f"all but {', '.join(convolutions)}" if convolutions else "all"


def stage_cells(row: Json) -> list[str]:
    """Percent of the int8 time by stage."""
    total = sum(row["stages"].values())
    shares = (row["stages"].get(stage) for stage in STAGES)
    return [
        row["facts"]["name"],
        *("" if part is None else f"{100 * part / total:.0f}" for part in shares),
    ]


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of docs/results.md."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tables(content: Json) -> str:
    """Both tables of docs/results.md."""
    rows = content["variants"]
    first = markdown(HEAD, [cells(row) for row in rows])
    stages = markdown(["% of int8 time", *STAGES], [stage_cells(row) for row in rows])
    return f"{first}\n\n{stages}"


def instructions_markdown(contents: Sequence[Json]) -> str:
    """Of the files of `studies.network.instructions`, a column for each processor."""
    head = ["M instructions of an inference", *(each["cpu"] for each in contents)]
    names = dict.fromkeys(name for each in contents for name in each["millions"])
    rows = [[name, *(f"{each['millions'].get(name, '')}" for each in contents)] for name in names]
    return markdown(head, rows)


def format_study(content: Json) -> str:
    """The same for people."""
    rows = content["variants"]
    parts = (
        [HEAD, *(cells(row) for row in rows)],
        [["% of int8 time", *STAGES], *(stage_cells(row) for row in rows)],
    )
    return "\n\n".join([one_line(content["machine"]), *(align(p, left=(0, 1)) for p in parts)])
