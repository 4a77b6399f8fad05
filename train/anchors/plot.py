"""Plot of boxes and anchors: width against height, on log axes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure  # the object interface needs no display

from edge_runtime.detector.spec import AnchorLevel, DetectorSpec
from edge_runtime.media.atomic import atomic_path
from train.anchors.coverage import all_boxes
from train.anchors.kmeans import STRIDES_PER_BOX, box_sizes_px
from train.data.dataset import DetectionDataset

LEGEND_CLASSES = 20  # more would not fit beside the axes


def anchor_sizes_px(levels: tuple[AnchorLevel, ...], input_hw: tuple[int, int]) -> np.ndarray:
    """Width and height of all levels' anchors in input pixels, (K, 2)."""
    sizes = np.concatenate([level.sizes for level in levels]) * min(input_hw)
    root = np.sqrt(np.concatenate([level.aspect_ratios for level in levels]))
    return np.stack([sizes * root, sizes / root], axis=1)


def draw_anchors(
    path: str | Path, dataset: DetectionDataset, before: DetectorSpec, after: DetectorSpec
) -> None:
    """Write a PNG: boxes in the color of their class, the anchors of two specs, log axes.

    Raises: ValueError if the data set has no boxes; OSError where the file cannot be written.
    """
    boxes, class_ids = all_boxes(dataset)
    sizes = box_sizes_px(boxes, after.input_hw)
    figure = Figure(figsize=(7, 7))
    axes = figure.subplots()
    _draw_boxes(axes, sizes, class_ids, dataset.class_names)
    _draw_anchors(axes, before, "before", marker="s", face="none", edge="0.35")
    _draw_anchors(axes, after, "after", marker="X", face="black", edge="white")
    drawn = np.concatenate(
        [sizes, *(anchor_sizes_px(spec.levels, spec.input_hw) for spec in (before, after))]
    )
    _set_axes(axes, drawn, after)
    axes.set_title(f"{dataset.root.resolve().name}, {dataset.split}: {len(boxes)} boxes")
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, bbox_inches="tight")


def _draw_anchors(
    axes: Axes, spec: DetectorSpec, label: str, marker: str, face: str, edge: str
) -> None:
    width, height = anchor_sizes_px(spec.levels, spec.input_hw).T
    axes.scatter(
        width,
        height,
        s=80,
        marker=marker,
        facecolors=face,
        edgecolors=edge,
        linewidths=1.2,
        zorder=3,
        label=label,
    )


def _draw_boxes(
    axes: Axes, sizes: np.ndarray, class_ids: np.ndarray, class_names: Sequence[str]
) -> None:
    count = len(class_names)
    colors = (
        colormaps["tab10"](range(10))
        if count <= 10
        else colormaps["turbo"](np.linspace(0, 1, count))
    )
    shuffled = np.random.default_rng(0).permutation(len(sizes))  # or one class hides another
    width, height = sizes[shuffled].T
    axes.scatter(width, height, s=7, alpha=0.45, linewidths=0, c=colors[class_ids[shuffled]])
    frequent = np.argsort(-np.bincount(class_ids, minlength=count), kind="stable")
    for class_id in sorted(set(frequent[:LEGEND_CLASSES].tolist()) & set(class_ids.tolist())):
        axes.scatter([], [], s=30, color=colors[class_id], label=class_names[class_id])


def _set_axes(axes: Axes, sizes: np.ndarray, spec: DetectorSpec) -> None:
    """Log axes, and a line where the boxes of each level begin."""
    low, high = sizes.min() * 0.85, sizes.max() * 1.15
    for level in spec.levels[1:]:
        size = STRIDES_PER_BOX * level.stride  # width x height = size² is straight on log axes
        left, right = max(low, size**2 / high), min(high, size**2 / low)
        if left >= right:
            continue
        axes.plot([left, right], [size**2 / left, size**2 / right], ":", color="0.5", linewidth=1)
        x = right * (left / right) ** 0.05
        axes.annotate(
            f"stride {level.stride} from here",
            (x, size**2 / x),
            xytext=(2, 2),
            textcoords="offset points",
            rotation=-45,
            rotation_mode="anchor",
            ha="right",
            fontsize=8,
            color="0.4",
        )
    height, width = spec.input_hw
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set(xlabel=f"width in pixels of {width}", ylabel=f"height in pixels of {height}")
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if low <= tick <= high]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(ticks, [str(tick) for tick in ticks])
        axis.set_ticks([], minor=True)
    axes.grid(alpha=0.3)
