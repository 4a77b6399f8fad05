"""Report of a data set as a picture: classes, box sizes against anchors, samples."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure, FigureBase  # the object interface needs no display
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import NullLocator
from PIL import Image

from edge_runtime.detector.anchors import make_anchors
from edge_runtime.media.atomic import atomic_path
from edge_runtime.media.draw import class_color
from edge_runtime.media.images import read_image
from train.data.annotation import Box
from train.data.geometry import clip_box
from train.data.lint.leaks import main_splits
from train.data.lint.survey import Entry, Survey
from train.data.targets import MATCH_IOU, best_anchor_iou
from train.model.presets import PRESETS

Color: TypeAlias = tuple[float, float, float]  # RGB in [0, 1]

_MOST_BOXES = 20000  # more look the same
_MOST_CLASSES = 20
_IN_REACH, _OUT_OF_REACH, _ANCHOR = "#3b7dbd", "#e4572e", "#222222"
_SHADES = ("#264653", "#2a9d8f", "#8ab17d", "#e9c46a", "#f4a261", "#b56576")
_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)


@dataclass(frozen=True, eq=False)
class Sizes:
    """wh: (N, 2) box sides as fractions of the picture. reached: (N,) bool, best IoU >= MATCH_IOU.

    total: boxes of which the N are a fair share. anchors_wh: (K, 2) different anchor sides.
    """

    wh: np.ndarray
    reached: np.ndarray
    total: int
    anchors_wh: np.ndarray


def draw_report(survey: Survey, preset: str, path: str | Path) -> None:
    """Draw a surveyed data set into a picture file (.png, or what else matplotlib can write).

    Raises: ValueError where nothing can be drawn, or for an unknown kind of picture. OSError.
    """
    path = Path(path)
    supported = Figure().canvas.get_supported_filetypes()
    if path.suffix.lower().lstrip(".") not in supported:
        raise ValueError(f"{path}: expected a picture file such as report.png, got another suffix")
    boxes = _boxes(survey)
    if not len(boxes):
        raise ValueError(f"{survey.root}: expected boxes to draw, got none that can be used")
    sizes = box_sizes(boxes, preset)
    # Padding in inches; else labels touch the rim.
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)
    figure = Figure(figsize=(15, 15), layout=layout, facecolor="white")
    top, bottom = np.asarray(figure.subfigures(2, 1, height_ratios=(1, 1.9)))
    counts, histogram, scatter = top.subplots(1, 3, width_ratios=(1.05, 1, 1))
    class_names = _draw_counts(counts, survey)
    _draw_areas(histogram, sizes, preset)
    _draw_sides(scatter, sizes, preset)
    figure.suptitle(f"{survey.root.resolve().name}: {_headline(survey, sizes)}", fontsize=15)
    draw_samples(bottom, _samples(survey), class_names)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=100)


def box_sizes(boxes: np.ndarray, preset: str) -> Sizes:
    """Sides of boxes against a preset's anchors, (N, 4) xyxy in [0, 1] of their pictures."""
    total = len(boxes)
    boxes = boxes[:: -(-total // _MOST_BOXES)]
    spec = PRESETS[preset].spec(["object"])
    different = np.unique(make_anchors(spec)[:, 2:].round(4), axis=0)
    reached = best_anchor_iou(boxes, spec) >= MATCH_IOU
    return Sizes(boxes[:, 2:] - boxes[:, :2], reached, total, different)


def _boxes(survey: Survey) -> np.ndarray:
    """All boxes that training would take, (N, 4) float32 xyxy in [0, 1] of the upright picture."""
    boxes = [box for entry in survey.entries.values() for _, box in usable_boxes(entry)]
    return np.array(boxes, np.float32).reshape(-1, 4)


def usable_boxes(entry: Entry) -> list[tuple[str, Box]]:
    """(class name, xyxy in [0, 1] of the upright picture) of the boxes that training would take."""
    if not entry.usable:
        return []
    placement = entry.usable.placement
    clipped = [
        (item.name, clip_box(item.box_px, placement.drawn_wh)[1])
        for item in entry.usable.annotation.objects
    ]
    return [(name, placement.fractions(box)) for name, box in clipped if box]


def _headline(survey: Survey, sizes: Sizes) -> str:
    usable = sum(entry.usable is not None for entry in survey.entries.values())
    return f"{usable} pictures, {sizes.total} boxes, {len(survey.class_counts)} classes"


def _draw_counts(axes: Axes, survey: Survey) -> list[str]:
    """Horizontal bars, a group a class and a bar a split; returns the names in their order."""
    names = list(survey.listed or sorted(survey.class_counts))
    names += sorted(set(survey.class_counts) - set(names))
    shown = names
    if len(names) > _MOST_CLASSES:
        shown = sorted(names, key=lambda name: -survey.class_counts[name])[:_MOST_CLASSES]
    splits = main_splits({split: lines.values() for split, lines in survey.splits.items()})
    splits = splits[: len(_SHADES)]
    height = 0.8 / max(1, len(splits))
    for place, split in enumerate(splits):
        entries = [survey.entries.get(image_id) for image_id in survey.splits[split].values()]
        counts = Counter(name for r in entries if r for name, _ in usable_boxes(r))
        rows = np.arange(len(shown)) - 0.4 + height * (place + 0.5)
        label = f"{split}: {len(entries)} pictures"
        values = [counts[name] for name in shown]
        bars = axes.barh(rows, values, height * 0.92, color=_SHADES[place], label=label)
        if len(shown) * len(splits) <= 36:
            axes.bar_label(bars, padding=3, fontsize=8, color="#444444")
    axes.set_yticks(range(len(shown)), shown)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    hidden = f"; the {len(shown)} most frequent of {len(names)}" if len(names) > len(shown) else ""
    axes.set(title=f"boxes of each class{hidden}", xlabel="boxes")
    _tidy(axes, "x")
    if splits:
        axes.legend(
            loc="upper center",
            bbox_to_anchor=(0.45, -0.11),  # below, since bars may fill the axes
            ncols=3,
            columnspacing=1,
            frameon=False,
            fontsize=9,
        )
    return names


def _draw_areas(axes: Axes, sizes: Sizes, preset: str) -> None:
    """Histogram of sqrt(area), boxes out of the anchors' reach on top in another color."""
    side = np.sqrt(sizes.wh.prod(axis=1))
    anchor_side = np.unique(np.sqrt(sizes.anchors_wh.prod(axis=1)).round(3))
    low = min(side.min(), anchor_side.min()) * 0.9
    edges = np.geomspace(low, max(1, anchor_side.max() * 1.05), 41)
    groups = [side[sizes.reached], side[~sizes.reached]]
    share = np.mean(~sizes.reached)
    labels = [f"best anchor IoU ≥ {MATCH_IOU}", f"below {MATCH_IOU}: {share:.1%}"]
    axes.hist(groups, edges.tolist(), stacked=True, color=[_IN_REACH, _OUT_OF_REACH], label=labels)
    for number, at in enumerate(anchor_side):
        label = f"anchors of {preset}" if not number else None
        axes.axvline(at, color=_ANCHOR, linewidth=0.8, linestyle=(0, (2, 3)), label=label)
    part = f", {len(side)} of {sizes.total}" if len(side) < sizes.total else ""
    axes.set(xscale="log", title=f"box sizes{part}", ylabel="boxes")
    axes.set_xlabel("√area, fraction of the picture's")
    axes.set_xlim(edges[0], edges[-1])
    _label_logarithmic(axes.xaxis)
    axes.set_ylim(0, axes.get_ylim()[1] * 1.25)  # room for the legend
    _tidy(axes, "y")
    axes.legend(framealpha=1, edgecolor="white", fontsize=9, loc="upper left")


def _draw_sides(axes: Axes, sizes: Sizes, preset: str) -> None:
    """Width against height of each box, both logarithmic; anchors as crosses."""
    near, far = sizes.wh[sizes.reached], sizes.wh[~sizes.reached]
    axes.scatter(near[:, 0], near[:, 1], s=9, color=_IN_REACH, alpha=0.35, linewidths=0)
    axes.scatter(far[:, 0], far[:, 1], s=12, color=_OUT_OF_REACH, alpha=0.7, linewidths=0)
    width, height = sizes.anchors_wh.T
    label = f"anchors of {preset}"
    axes.scatter(width, height, marker="+", s=55, color=_ANCHOR, label=label)
    low = min(sizes.wh.min(), sizes.anchors_wh.min()) * 0.85
    high = max(1.0, sizes.anchors_wh.max()) * 1.1
    axes.plot([low, high], [low, high], color="#bbbbbb", linewidth=0.8, zorder=0)
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set(title="width and height", xlabel="width / picture", ylabel="height / picture")
    _label_logarithmic(axes.xaxis)
    _label_logarithmic(axes.yaxis)
    _tidy(axes, "both")
    axes.legend(framealpha=1, edgecolor="white", fontsize=9, loc="upper left")


def _label_logarithmic(axis: Axis) -> None:
    """Plain numbers instead of powers, on the ticks that are in view."""
    low, high = axis.get_view_interval()
    axis.set_ticks([tick for tick in _TICKS if low <= tick <= high], labels=None)
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())


def _tidy(axes: Axes, grid: Literal["x", "y", "both"]) -> None:
    axes.grid(axis=grid, alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


class Sample(NamedTuple):
    """An image to show. boxes: class name and xyxy in [0, 1] of each."""

    image_id: str
    path: Path
    boxes: list[tuple[str, Box]]


SAMPLES = 12
_COLUMNS = 4
_SHOWN_PX = 700  # longer side at most: a sheet shows no more, and twelve photographs take 500 MB
_MOST_NAMES = 12  # in the legend


def _samples(survey: Survey) -> list[Sample]:
    """Images from all over the set, with their boxes; those with a box only."""
    shown = [
        Sample(entry.image_id, entry.usable.image.path, boxes)
        for entry in survey.entries.values()
        if entry.usable and (boxes := usable_boxes(entry))
    ]
    places = np.linspace(0, len(shown) - 1, min(SAMPLES, len(shown))).round().astype(int)
    return [shown[place] for place in places]


def draw_samples(figure: FigureBase, samples: list[Sample], class_names: list[str]) -> None:
    """Draw pictures into a matplotlib figure, boxes in the color of their class.

    samples: at most SAMPLES. class_names: all of them, since a name's place decides its color.
    """
    colors = {name: _fractions(class_color(i)) for i, name in enumerate(class_names)}
    rows = math.ceil(len(samples) / _COLUMNS)
    grid = figure.subplots(max(rows, 1), _COLUMNS, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, sample in zip(grid, samples, strict=False):
        image = Image.fromarray(read_image(sample.path))
        image.thumbnail((_SHOWN_PX, _SHOWN_PX))
        axes.imshow(image)
        for name, box in sample.boxes:
            _draw_box(axes, box, image.size, colors[name])
        axes.set_title(sample.image_id, fontsize=9, color="#444444")
    names = list(dict.fromkeys(name for sample in samples for name, _ in sample.boxes))
    names = sorted(names, key=class_names.index)[:_MOST_NAMES]
    handles = [Patch(facecolor=colors[name], edgecolor="#444444", label=name) for name in names]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(names), frameon=False)


def _fractions(color: tuple[int, int, int]) -> Color:
    red, green, blue = color
    return red / 255, green / 255, blue / 255


def _draw_box(axes: Axes, box: Box, size_wh: tuple[int, int], color: Color) -> None:
    x_min, y_min, x_max, y_max = np.array(box) * (size_wh * 2) - 0.5  # imshow's pixels are centered
    for width, ink in ((2.6, "black"), (1.4, color)):  # a dark rim shows on any ground
        place = (x_min, y_min), x_max - x_min, y_max - y_min
        axes.add_patch(Rectangle(*place, fill=False, edgecolor=ink, linewidth=width))
