"""Plot of the network study: latency of each variant, and where its time goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib import colormaps
from matplotlib.figure import Figure  # the object interface needs no display

from convert.benchmark.report import Json
from edge_runtime.media.atomic import atomic_path
from studies.network.report import STAGES


def draw(rows: Sequence[Json], title: str, path: Path) -> None:
    """Write a PNG: ratios to the first variant with quartiles, and the int8 time by stage.

    Stages are measured variant by variant, so the bars show their shares of the ratio, which all
    variants were measured for side by side.

    rows: the JSON's variants.
    """
    figure = Figure(figsize=(12, 0.34 * len(rows) + 2.2), layout="constrained")
    ratios, stages = figure.subplots(1, 2, sharey=True)
    places = list(range(len(rows)))
    for kind, shift, color in (("int8", -0.12, "tab:blue"), ("float32", 0.12, "tab:orange")):
        spreads = [row["ratio"][kind] for row in rows]
        medians = [spread["median"] for spread in spreads]
        errors = [
            [spread["median"] - spread["low"] for spread in spreads],
            [spread["high"] - spread["median"] for spread in spreads],
        ]
        at = [place + shift for place in places]
        ratios.errorbar(
            medians, at, xerr=errors, fmt="o", color=color, label=kind, capsize=2, markersize=4
        )
    ratios.axvline(1, color="0.6", linewidth=1)
    ratios.set_yticks(places, [row["facts"]["name"] for row in rows])
    ratios.invert_yaxis()
    ratios.set(xlabel="time against the first net's of the same type", xlim=(0, None))
    ratios.legend(loc="lower left")
    shades = colormaps["viridis"]
    left = [0.0] * len(rows)
    for number, stage in enumerate(STAGES):
        widths = [_part(row, stage) for row in rows]
        shade = shades(number / (len(STAGES) - 1))
        stages.barh(places, widths, left=left, color=shade, label=stage)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    stages.set(xlabel="int8 time by stage, the first net's: 1")
    figure.legend(*stages.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    for axes in (ratios, stages):
        axes.grid(alpha=0.3, axis="x")
    figure.suptitle(title, fontsize=9)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=100)


def _part(row: Json, stage: str) -> float:
    stages, ratio = row["stages"], row["ratio"]["int8"]["median"]
    return float(ratio * stages.get(stage, 0.0) / sum(stages.values()))
