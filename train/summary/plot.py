"""Picture of presets: what they cost, and how far each map sees beside the boxes it answers for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase  # the object interface needs no display

from edge_runtime.media.atomic import atomic_path
from train.summary.deployed import Deployed
from train.summary.facts import Facts


def draw_summary(
    path: Path, facts: Sequence[Facts], deployed: Sequence[Sequence[Deployed]]
) -> None:
    """Write a picture; a panel of bars a quantity, and a panel of levels a preset.

    Raises: OSError where it cannot be written.
    """
    bars: list[tuple[str, list[float]]] = [
        ("parameters, M", [item.parameters / 1e6 for item in facts]),
        ("multiply-adds, G", [item.multiply_adds / 1e9 for item in facts]),
        ("anchors", [float(item.anchors) for item in facts]),
    ]
    for number, kind in enumerate(["float32", "int8"] if deployed else []):
        bars.append((f"{kind}, MB", [row[number].megabytes for row in deployed]))
        bars.append((f"{kind}, ms", [row[number].median for row in deployed]))
    columns = max(len(bars), len(facts))
    figure = Figure(figsize=(2.5 * columns, 6), layout="constrained")
    top, below = figure.subfigures(2, 1, squeeze=False).flat
    names = [item.preset for item in facts]
    for axes, (title, values) in zip(_row(top, len(bars)), bars, strict=True):
        drawn = axes.barh(names, values, color=[f"C{n}" for n in range(len(names))])
        axes.bar_label(
            drawn,
            [f" {value:,.0f}" if value >= 1000 else f" {value:.3g}" for value in values],
            fontsize=8,
        )
        axes.set_title(title, fontsize=9)
        axes.margins(x=0.3)
        axes.invert_yaxis()
        axes.tick_params(labelsize=8, labelleft=title == bars[0][0])
    below.suptitle("boxes (dots) and what their cells see (bars), in pixels", fontsize=9)
    for number, (axes, item) in enumerate(zip(_row(below, len(facts)), facts, strict=True)):
        _draw_levels(axes, item, f"C{number}")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, format=path.suffix.lstrip(".") or "png")


def _row(figure: FigureBase, count: int) -> list[Axes]:
    return list(figure.subplots(1, count, squeeze=False)[0])


def _draw_levels(axes: Axes, item: Facts, color: str) -> None:
    """Window that a map's cell sees, and its boxes' sizes, in pixels of the input, log axis."""
    places = range(len(item.levels))
    side = min(item.input_hw)
    axes.plot(places, [level.reach for level in item.levels], "k_", markersize=14, label="reach")
    for place, level in zip(places, item.levels, strict=True):
        sizes = [size * side for size in level.sizes]
        axes.plot([place] * len(sizes), sizes, "o", color=color, markersize=4, alpha=0.6)
    axes.axhline(side, color="0.6", linestyle=":", linewidth=1)
    axes.set_yscale("log", base=2)
    axes.set_ylim(16, 4096)
    axes.yaxis.set_major_formatter("{x:.0f}")
    labels = [f"{level.cells[0]}x{level.cells[1]}" for level in item.levels]
    axes.set_xticks(list(places), labels, fontsize=7)
    axes.set_title(item.preset, fontsize=9)
    axes.tick_params(axis="y", labelsize=8)
    axes.grid(alpha=0.3)
