"""Growth: how the time of decoding rises with anchors, classes, kept detections and threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.detector.interpreter import available_cores
from edge_runtime.media.atomic import atomic_path
from studies.speed.bare import BareNetwork
from studies.speed.decoding import COCO_BACKGROUND, OBJECTS, kept_outputs
from studies.speed.interleaved import Spread, Work, alone
from studies.speed.post_process import drawn_outputs, ssd_300, ssd_spec

ANCHOR_SIDES = (128, 256, 320, 512, 640, 768, 928)  # 480 to 25230 anchors
CLASSES = (1, 5, 20, 90, 200, 365)
KEPT = (0, 10, 50, 100, 300, 1000)


@dataclass(frozen=True)
class Point:
    """A point of a curve: seconds of ours and, where there is one, of the operator."""

    axis: str
    value: int
    ours: Spread
    operator: Spread | None = None


@dataclass(frozen=True)
class Step:
    axis: str
    value: int
    ours: Work
    operator: Work | None = None
    clock: Callable[[], float] = time.thread_time

    def measure(self, seconds: float) -> Point:
        ours = alone(self.ours, seconds / 2, self.clock)
        theirs = None if self.operator is None else alone(self.operator, seconds / 2, self.clock)
        return Point(self.axis, self.value, ours, theirs)


def steps(model: Path) -> Iterator[Step]:
    """The points that are to be measured."""
    for side in ANCHOR_SIDES:
        outputs = drawn_outputs(ssd_spec(side, (16, 32), 20, 6), OBJECTS)
        count = len(outputs.logits)
        yield Step("anchors, 20 classes", count, outputs.ours(0.5), outputs.operator(0.5))
    for count in CLASSES:
        outputs = drawn_outputs(ssd_300(count), OBJECTS, COCO_BACKGROUND)
        yield Step("classes, 1917 anchors", count, outputs.ours(0.5), outputs.operator(0.5))
    for count in KEPT:
        outputs, most = kept_outputs(count), max(1, count)
        yield Step("kept detections", count, outputs.ours(0.5, most), outputs.operator(0.5, most))
    for count in range(1, available_cores() + 1):
        bare = BareNetwork(model, count)
        yield Step("threads, inference", count, bare.invoke, clock=time.perf_counter)


def draw(points: list[Point], title: str, path: Path) -> None:
    """Write a PNG: a panel for each axis, medians as lines and quartiles as bars."""
    from matplotlib.figure import Figure  # the object interface needs no display

    axes = list(dict.fromkeys(point.axis for point in points))
    figure = Figure(figsize=(11, 8), layout="constrained")
    for panel, axis in zip(figure.subplots(2, 2).flat, axes, strict=True):
        mine = [point for point in points if point.axis == axis]
        for label, color, spreads in (
            ("edge_runtime", "tab:blue", [point.ours for point in mine]),
            ("C++ operator", "tab:orange", [point.operator for point in mine]),
        ):
            known = [(p.value, s) for p, s in zip(mine, spreads, strict=True) if s is not None]
            if not known:
                continue
            medians = [1e3 * spread.median for _, spread in known]
            ranges = [
                [1e3 * (spread.median - spread.low) for _, spread in known],
                [1e3 * (spread.high - spread.median) for _, spread in known],
            ]
            values = [value for value, _ in known]
            panel.errorbar(values, medians, ranges, label=label, color=color, marker="o", capsize=3)
        panel.set_xlabel(axis)
        panel.set_ylabel("ms")
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3)
        panel.legend()
    figure.suptitle(title, fontsize=9)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=100)
