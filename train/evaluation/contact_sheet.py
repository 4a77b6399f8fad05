"""Contact sheet of validation images: objects found, missed and made up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure  # the object interface needs no display
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from PIL import Image

from edge_runtime.media.atomic import atomic_path
from edge_runtime.media.images import read_image
from train.data.dataset import Example
from train.evaluation.coco import PictureDetections
from train.evaluation.matching import NONE, match_detections

SCORE_THRESHOLD = 0.5  # what a user of the detector sees by default
IOU_THRESHOLD = 0.5  # of a detection that counts as right, as in AP50
PICTURES = 12
COLUMNS = 4
SHOWN_PX = 700  # longer side at most: a sheet shows no more
FOUND, MISSED, WRONG = "#30d060", "#ffd000", "#ff3030"


def outcome(
    example: Example, detections: PictureDetections
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort detections into right and wrong ones, and find the objects that were missed.

    The best detection takes the object of its class that it overlaps most, then the next best.

    Args:
        detections: boxes (K, 4) xyxy in [0, 1], scores (K,), class_ids (K,), in any order.

    Returns: rows of the detections that are right and of those that are wrong, best first, and
        rows of the example's boxes that were missed. A difficult one is never missed, and a
        detection of it is neither right nor wrong.
    """
    scores = detections[1]
    partners, _ = match_detections(detections, example.boxes, example.class_ids, IOU_THRESHOLD)
    shown = np.argsort(-scores, kind="stable")[: int((scores >= SCORE_THRESHOLD).sum())]
    matched = partners[shown]
    difficult = np.append(example.difficult, False)  # NONE is the last
    right = shown[(matched != NONE) & ~difficult[matched]]
    free = np.ones(len(example.boxes), bool)
    free[matched[matched != NONE]] = False
    return right, shown[matched == NONE], np.flatnonzero(free & ~example.difficult)


def draw_contact_sheet(
    examples: Sequence[Example],
    detections: Sequence[PictureDetections],
    class_names: Sequence[str],
    path: Path,
) -> None:
    """Write up to PICTURES pictures, spread evenly over the split, as one JPEG."""
    shown = np.linspace(0, len(examples) - 1, min(PICTURES, len(examples))).round().astype(int)
    columns = min(COLUMNS, len(shown))
    rows = math.ceil(len(shown) / columns)
    figure = Figure(figsize=(4.5 * columns, 3.8 * rows + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, number in zip(grid, shown, strict=False):
        _draw_picture(axes, examples[number], detections[number], class_names)
    handles = [
        Line2D([], [], color=FOUND, label=f"found (score >= {SCORE_THRESHOLD}, IoU >= 0.5)"),
        Line2D([], [], color=MISSED, linestyle="--", label="missed"),
        Line2D([], [], color=WRONG, label="not in the annotations"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=90, format="jpeg")


def _draw_picture(
    axes: Axes, example: Example, detections: PictureDetections, class_names: Sequence[str]
) -> None:
    image = Image.fromarray(read_image(example.image_path))
    image.thumbnail((SHOWN_PX, SHOWN_PX))
    axes.imshow(image)
    boxes, scores, class_ids = detections
    right, wrong, missed = outcome(example, detections)
    for row in right:
        _draw_box(axes, boxes[row], image.size, FOUND)
    for row in missed:
        name = class_names[example.class_ids[row]]
        _draw_box(axes, example.boxes[row], image.size, MISSED, name, "--")
    for row in wrong:
        _draw_box(
            axes, boxes[row], image.size, WRONG, f"{class_names[class_ids[row]]} {scores[row]:.2f}"
        )
    axes.set_title(
        f"{example.image_id}: {len(right)} found, {len(missed)} missed, {len(wrong)} wrong",
        fontsize=9,
        color="#444444",
    )


def _draw_box(
    axes: Axes,
    box: np.ndarray,
    size_wh: tuple[int, int],
    color: str,
    text: str = "",
    style: str = "-",
) -> None:
    x_min, y_min, x_max, y_max = np.array(box) * (size_wh * 2) - 0.5  # imshow's pixels are centered
    for width, ink in ((2.8, "black"), (1.5, color)):  # a dark rim shows on any ground
        line = "-" if ink == "black" else style
        place = (x_min, y_min), x_max - x_min, y_max - y_min
        axes.add_patch(Rectangle(*place, fill=False, edgecolor=ink, linewidth=width, ls=line))
    if text:
        label = {"facecolor": color, "edgecolor": "none", "pad": 0.8}
        axes.text(x_min, y_min, text, fontsize=7, va="bottom", bbox=label, clip_on=True)
