"""A soak as curves: what is flat looks flat."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.media.atomic import atomic_path
from edge_runtime.system.machine import one_line

CURVES = (
    ("memory, MB", (("mb", "runtime"), ("camera_mb", "camera's process"))),
    (
        "descriptors, threads",
        (
            ("descriptors", "descriptors"),
            ("threads", "threads"),
            ("camera_descriptors", "camera's"),
        ),
    ),
    ("latency, ms", (("latency_ms", "capture to result, median"),)),
    ("frames a second", (("fps", "looked at"),)),
)
COLORS = {"camera killed": "tab:red", "camera frozen": "tab:purple", "broker killed": "tab:orange"}


def draw(result: dict, path: Path) -> None:
    """Write a PNG: a panel for each of `CURVES`, with the accidents as dashed lines."""
    from matplotlib.figure import Figure  # the object interface needs no display

    figure = Figure(figsize=(10, 9), layout="constrained")
    panels = figure.subplots(len(CURVES), 1, sharex=True)
    for axes, (label, columns) in zip(panels, CURVES, strict=True):
        for column, name in columns:
            points = [(row["minutes"], row[column]) for row in result["rows"]]
            axes.plot(*zip(*points, strict=True), label=name, linewidth=1.2)
        seen = set()
        for accident in result["accidents"]:
            what = accident["what"]
            axes.axvline(
                accident["minutes"],
                color=COLORS[what],
                linestyle=":",
                linewidth=1,
                label=None if what in seen or axes is not panels[-1] else what,
            )
            seen.add(what)
        axes.set_ylabel(label)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right", fontsize=8, ncols=4)
    panels[-1].set_xlabel("minutes")
    figure.suptitle(f"{one_line(result['machine'])}\n`{result['command']}`", fontsize=9)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=100)
