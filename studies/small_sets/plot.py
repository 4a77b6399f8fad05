"""Plot of the small sets study: AP50 and AP of every training, float32 and int8."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure  # the object interface needs no display

from edge_runtime.media.atomic import atomic_path
from studies.small_sets.report import Cell

KINDS = (("float32", -0.12, "C0", "o"), ("int8", 0.12, "C1", "s"))


def draw_study(cells: Sequence[Cell], path: Path) -> None:
    """Write a PNG with a point for each training from ImageNet's weights, and each file."""
    cells = [cell for cell in cells if cell.start == "ImageNet"] or list(cells)
    names = sorted({cell.data for cell in cells}, key=str.lower)
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    for axes, (key, title) in zip(
        figure.subplots(1, 2), (("ap50", "AP50"), ("ap", "AP")), strict=True
    ):
        for kind, shift, color, marker in KINDS:
            axes.scatter(
                [names.index(cell.data) + shift for cell in cells],
                [100 * getattr(cell, f"{kind}_{key}") for cell in cells],
                color=color,
                marker=marker,
                label=kind,
            )
        axes.set_xticks(range(len(names)), names)
        axes.set(title=f"{title} on test pictures, a point a training", ylabel="points")
        axes.set_ylim(0, 100)
        axes.grid(alpha=0.3, axis="y")
    figure.axes[0].legend(loc="lower left")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)
