"""The plots of report.html, each an SVG element that takes its ink from the page.

Text and axes are drawn in `currentColor`, so that they can be read on a light and on a dark page.
A plot is about as wide as a phone, where its letters keep their size.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convert.benchmark.report import BenchmarkReport, ModelRow

if TYPE_CHECKING:  # an extra that a board need not have
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#010203"  # stands for the page's own colour until the SVG is written
# Readable on white and on black, and told apart by the colour-blind.
FIRST, SECOND, OTHER = "#3b82d0", "#d9702e", "#868c95"
WIDTH = 5.0  # inches; a point of the plot is a pixel of a phone
LONGEST_NAME = 18  # letters beside an axis
DOTS_DPI = 200  # thousands of dots are a picture, not thousands of elements

_STYLE = {
    "svg.fonttype": "none",  # the page's own font, and text that can be searched
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": OTHER,
    "grid.alpha": 0.3,
    "axes.grid": True,
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def latency_plot(models: Sequence[ModelRow], pair: tuple[str, str]) -> str | None:
    """AP against the median of the inference, a point a model; None where neither was measured."""
    costs = [model.median_ms("inference") for model in models]
    return _cost_plot(models, costs, "inference, ms (median)", pair)


def memory_plot(models: Sequence[ModelRow], pair: tuple[str, str]) -> str | None:
    """AP against peak memory, a point a model; None where neither was measured."""
    costs = [None if m.peak_memory is None else m.peak_memory / 1e6 for m in models]
    return _cost_plot(models, costs, "peak memory, MB", pair)


def _cost_plot(
    models: Sequence[ModelRow],
    costs: Sequence[float | None],
    label: str,
    pair: tuple[str, str],
) -> str | None:
    rows = [
        (cost, 100 * model.accuracy.ap, model.label)
        for model, cost in zip(models, costs, strict=True)
        if cost and model.accuracy.ap is not None
    ]
    if not rows:
        return None

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for x, y, name in rows:
            axes.scatter(x, y, s=55, color=_color(name, pair), zorder=3)
        axes.set(xlabel=label, ylabel="AP, points")
        _set_costs(axes, [x for x, _, _ in rows])
        low, high = min(y for _, y, _ in rows), max(y for _, y, _ in rows)
        margin = max(0.25 * (high - low), 0.25)
        axes.set_ylim(low - margin, high + margin)
        _label_points(axes, rows)

    return _svg(draw, 3.2)


def _set_costs(axes: Axes, costs: Sequence[float]) -> None:
    """From 0, or in decades where one model takes so long that the others would be one point."""
    fastest, slowest = min(costs), max(costs)
    if slowest <= 8 * fastest:
        axes.set_xlim(0, 1.1 * slowest)
        return
    axes.set_xscale("log")
    axes.set_xlim(fastest / 1.3, slowest * 1.3)
    ticks = [step * 10**power for power in range(-2, 6) for step in (1, 2, 5)]
    shown = [tick for tick in ticks if fastest / 1.3 <= tick <= slowest * 1.3]
    axes.set_xticks(shown, [f"{tick:g}" for tick in shown])
    axes.set_xticks([], minor=True)


def _label_points(axes: Axes, rows: Sequence[tuple[float, float, str]]) -> None:
    """Names in a column at the right, each tied to its point: points may lie on each other."""
    low, high = axes.get_ylim()
    rows = sorted(rows, key=lambda row: row[1])
    heights = np.array([(y - low) / (high - low) for _, y, _ in rows])
    step = min(0.085, 1 / len(rows))
    # Each at least a line above the one below, then the pile pushed down into the axes.
    for place in range(1, len(heights)):
        heights[place] = max(heights[place], heights[place - 1] + step)
    ceiling = 1 - step * np.arange(len(heights))[::-1]
    heights = np.minimum(heights, ceiling)
    for (x, y, name), height in zip(rows, heights, strict=True):
        axes.annotate(
            _short(name),
            (x, y),
            (1.03, height),
            textcoords="axes fraction",
            va="center",
            fontsize=9,
            parse_math=False,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": OTHER, "linewidth": 0.7, "shrinkB": 4},
        )


def class_plot(report: BenchmarkReport, pair: tuple[str, str]) -> str | None:
    """AP of each class in two models as bars, and their difference; None unless both are there."""
    first, second = (report.model(variant) for variant in pair)
    if first is None or second is None:
        return None
    names = list(first.accuracy.ap_per_class)
    values = [
        [100 * (model.accuracy.ap_per_class[name] or 0) for name in names]
        for model in (first, second)
    ]

    def draw(figure: Figure) -> None:
        both, change = figure.subplots(1, 2, sharey=True, width_ratios=(2, 1))
        places = np.arange(len(names))
        for offset, row, name, color in zip(
            (-0.2, 0.2), values, pair, (FIRST, SECOND), strict=True
        ):
            both.barh(places + offset, row, 0.38, color=color, label=name)
        difference = np.subtract(values[1], values[0])
        change.barh(places, difference, 0.5, color=SECOND)
        change.axvline(0, color=INK, linewidth=0.8)
        reach = max(0.5, 1.15 * float(np.abs(difference).max()))
        change.set_xlim(-reach, reach)
        both.set_yticks(places, [_short(name) for name in names], parse_math=False)
        both.set_ylim(len(names) - 0.4, -0.6)  # the first class on top
        both.set(xlabel="AP, points", xlim=(0, 100))
        change.set_xlabel(f"{pair[1]} - {pair[0]}")
        change.tick_params(left=False)
        for axes in (both, change):
            axes.grid(visible=False, axis="y")
        figure.legend(loc="outside upper left", ncols=2)

    return _svg(draw, 1.2 + 0.32 * len(names))


def score_plot(pairs: np.ndarray, names: tuple[str, str], shown: float) -> str:
    """Scores of matched detections, one model against the other. pairs: (P, 2) in [0, 1]."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot((0, 1), (0, 1), color=OTHER, linewidth=1, zorder=1)
        for line in (axes.axvline, axes.axhline):
            line(shown, color=OTHER, linewidth=1, linestyle=":")
        x, y = pairs.T
        axes.scatter(x, y, s=7, color=SECOND, alpha=0.5, linewidths=0, rasterized=True)
        axes.set(xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal")
        axes.set(xlabel=f"score of {names[0]}", ylabel=f"score of {names[1]}")

    return _svg(draw, 4.4)


def difference_plot(pairs: np.ndarray, names: tuple[str, str]) -> str:
    """Histogram of the score differences of matched detections. pairs: (P, 2)."""
    differences = pairs[:, 1] - pairs[:, 0]
    reach = max(0.02, float(np.abs(differences).max()))
    return _histogram(differences, (-reach, reach), f"score of {names[1]} - score of {names[0]}")


def iou_plot(ious: np.ndarray) -> str:
    """Histogram of the IoU of matched detections. ious: (P,)."""
    return _histogram(ious, (min(0.9, float(ious.min())), 1), "IoU of the two boxes")


def _histogram(values: np.ndarray, limits: tuple[float, float], label: str) -> str:
    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.hist(values, bins=41, range=limits, color=SECOND)
        axes.set_yscale("log", nonpositive="clip")  # the few far away are what matters
        axes.set_ylim(bottom=0.7)
        axes.set(xlabel=label, ylabel="detections")
        axes.grid(visible=False, axis="x")

    return _svg(draw, 2.6)


def _svg(draw: Callable[[Figure], None], height: float) -> str:
    """An <svg> element: `draw` on a figure `height` inches high."""
    import matplotlib  # an extra that a board need not have
    from matplotlib.figure import Figure  # the object interface needs no display

    # The salt makes the same plot the same text; ids of two plots on a page must differ.
    style: Any = {**_STYLE, "svg.hashsalt": draw.__qualname__}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        figure.patch.set_alpha(0)
        draw(figure)
        for axes in figure.axes:
            axes.patch.set_alpha(0)
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        with warnings.catch_warnings():  # a letter that its font lacks, but the page's may have
            warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
            figure.savefig(buffer, format="svg", metadata=nothing, dpi=DOTS_DPI)
    return _inline(buffer.getvalue())


def _inline(text: str) -> str:
    """A plot's file → an element that fills its place on a page, without prolog and idle ids."""
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    used = set(re.findall(r"#([\w-]+)", text))
    return re.sub(r' id="([^"]*)"', lambda m: m[0] if m[1] in used else "", text)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def _color(name: str, pair: tuple[str, str]) -> str:
    return {pair[0]: FIRST, pair[1]: SECOND}.get(name, OTHER)
