"""Plot of the width and size study: int8 AP against latency and against file size."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure  # the object interface needs no display
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from edge_runtime.media.atomic import atomic_path
from studies.width_and_size.report import Row

MARKERS = "osD^vP*X<>"
COSTS = (
    ("latency", "int8_ms", "int8 inference, ms (median)"),
    ("size", "int8_mb", "int8 file, MB"),
)


def draw_study(rows: Sequence[Row], caption: str, path: Path) -> None:
    """Write a PNG with int8 AP against latency and against file size.

    Args:
        rows: of `studies.width_and_size.report.combine`, which says which of them none beats.
    """
    figure = Figure(figsize=(12, 6), layout="constrained")
    for axes, (what, cost, label) in zip(figure.subplots(1, 2, sharey=True), COSTS, strict=True):
        _draw_front(axes, rows, what, cost)
        _draw_widths(axes, rows, what, cost)
        axes.set(xlabel=label, title=f"int8 AP against {what}")
        axes.set_xscale("log")
        _plain_ticks(axes, [getattr(row, cost) for row in rows])
        axes.margins(x=0.18, y=0.08)  # the labels stand left of their points
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("int8 AP, points")
    _draw_legend(figure, rows)
    lines = [part for line in caption.splitlines() for part in textwrap.wrap(line, 150)]
    figure.supxlabel("\n".join(lines), fontsize=8, color="0.35")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _widths(rows: Sequence[Row]) -> dict[float, tuple[float, float, float, float]]:
    """Width → color, from light to dark as the nets grow."""
    widths = sorted({row.width for row in rows})
    shades = colormaps["viridis_r"]
    return {w: shades(0.15 + 0.85 * n / max(1, len(widths) - 1)) for n, w in enumerate(widths)}


def _sizes(rows: Sequence[Row]) -> dict[str, str]:
    """Input size → marker."""
    sizes = sorted({(row.input_hw, row.input) for row in rows})
    return {text: MARKERS[n % len(MARKERS)] for n, (_, text) in enumerate(sizes)}


def _draw_front(axes: Axes, rows: Sequence[Row], what: str, cost: str) -> None:
    """A gray staircase: what can be had for a cost or less."""
    front = sorted((row for row in rows if what in row.best_by), key=lambda r: getattr(r, cost))
    axes.step(
        [getattr(row, cost) for row in front],
        [100 * row.int8_ap for row in front],
        where="post",
        color="0.75",
        linewidth=6,
        solid_capstyle="round",
        zorder=1,
    )
    accuracies = [100 * row.int8_ap for row in rows]
    crowded = 0.03 * (max(accuracies) - min(accuracies))  # two labels would lie in one line
    before = float("-inf")
    for row in front:
        accuracy = 100 * row.int8_ap
        beside = accuracy - before < crowded
        before = accuracy
        axes.annotate(
            f"{row.width}, {row.input}",
            (getattr(row, cost), accuracy),
            (7, -12) if beside else (-7, 7),
            textcoords="offset points",
            ha="left" if beside else "right",
            fontsize=8,
            zorder=4,
            path_effects=[withStroke(linewidth=3, foreground="white")],  # lines end around it
        )


def _draw_widths(axes: Axes, rows: Sequence[Row], what: str, cost: str) -> None:
    markers = _sizes(rows)
    for width, color in _widths(rows).items():
        line = [row for row in rows if row.width == width]
        places = [(getattr(row, cost), 100 * row.int8_ap) for row in line]
        axes.plot(*zip(*places, strict=True), color=color, linewidth=1.3, zorder=2)
        for row, (x, y) in zip(line, places, strict=True):
            style: dict[str, Any] = {
                "facecolor": color if what in row.best_by else "white",
                "edgecolor": color,
                "marker": markers[row.input],
            }
            axes.scatter(x, y, s=60, zorder=3, **style)


def _plain_ticks(axes: Axes, values: Sequence[float]) -> None:
    """1, 2, 3, 5 and their tenfolds, written out: powers of ten would leave one tick or none."""
    subs = (1, 1.5, 2, 3, 5, 7) if max(values) < 10 * min(values) else (1, 2, 5)
    axes.xaxis.set_major_locator(LogLocator(subs=subs))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _draw_legend(figure: Figure, rows: Sequence[Row]) -> None:
    handles = [Line2D([], [], color=c, label=f"width {w}") for w, c in _widths(rows).items()]
    handles += [
        Line2D([], [], color="0.3", marker=marker, linestyle="", label=f"input {size}")
        for size, marker in _sizes(rows).items()
    ]
    handles.append(Line2D([], [], color="0.75", linewidth=6, label="none cheaper and better"))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
