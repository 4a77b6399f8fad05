"""Plot of a comparison: accuracy against time, memory and size, and accuracy by size of object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure  # the object interface needs no display
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from edge_runtime.media.atomic import atomic_path
from studies.compare.report import Row

MARKERS = {"float32": "o", "int8": "s"}
COSTS = (
    ("inference_ms", "inference, ms (median)"),
    ("memory_mb", "peak memory, MB"),
    ("size_mb", "file, MB"),
)


def draw_comparison(rows: Sequence[Row], caption: str, path: Path) -> None:
    """Write a PNG. A detector has a color; float32 is a circle, int8 a square, others a cross."""
    names = list(dict.fromkeys(row.detector for row in rows))
    colors = {name: f"C{number % 10}" for number, name in enumerate(names)}
    figure = Figure(figsize=(15, 4.5), layout="constrained")
    *costs, bars = figure.subplots(1, 4)
    for axes in costs[1:]:
        axes.sharey(costs[0])
    for axes, (field, label) in zip(costs, COSTS, strict=True):
        _draw_cost(axes, rows, field, colors)
        axes.set(xlabel=label)
        if field != "memory_mb":  # the same interpreter is most of it in all
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
    costs[0].set_ylabel("AP, points")
    _draw_sizes(bars, rows, colors)
    handles = [Line2D([], [], color=colors[n], marker="o", linestyle="", label=n) for n in names]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(names), fontsize=8)
    figure.supxlabel(caption, fontsize=8, color="0.35")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=100, format="png")


def _draw_cost(axes: Axes, rows: Sequence[Row], field: str, colors: dict[str, str]) -> None:
    for row in rows:
        cost = getattr(row, field)
        if cost is None or row.ap is None:
            continue
        marker = MARKERS.get(row.kind, "x")
        axes.plot(cost, 100 * row.ap, marker, color=colors[row.detector], markersize=8)
        axes.annotate(
            row.kind, (cost, 100 * row.ap), fontsize=7, xytext=(6, 3), textcoords="offset points"
        )
    axes.grid(alpha=0.3)
    axes.margins(x=0.25, y=0.15)


def _draw_sizes(axes: Axes, rows: Sequence[Row], colors: dict[str, str]) -> None:
    """AP of small, medium and large objects, int8 of a preset, else what there is."""
    shown = [row for row in rows if row.kind != "float32"]
    width = 0.8 / max(1, len(shown))
    for number, row in enumerate(shown):
        values = [100 * (value or 0) for value in (row.ap_small, row.ap_medium, row.ap_large)]
        places = [place + number * width for place in range(3)]
        axes.bar(places, values, width, color=colors[row.detector])
    middle = (len(shown) - 1) * width / 2
    axes.set_xticks([place + middle for place in range(3)], ["small", "medium", "large"])
    axes.set(title="AP by size of object, int8 and results")
    axes.title.set_fontsize(9)
    axes.grid(axis="y", alpha=0.3)
