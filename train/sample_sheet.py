"""A sheet of pictures with the boxes of their annotations."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.patches import Patch, Rectangle
from PIL import Image

from edge_runtime.media.draw import class_color
from edge_runtime.media.images import read_image

SAMPLES = 12
_COLUMNS = 4
_SHOWN_PX = 700  # longer side at most: a sheet shows no more, and twelve photographs take 500 MB
_MOST_NAMES = 12  # in the legend


def draw_samples(figure, samples: list, class_names: list[str]) -> None:
    """Draw pictures into a matplotlib figure, boxes in the colour of their class.

    samples: (record, [(class name, xyxy in [0, 1])]) each; at most SAMPLES. class_names: all of
    them, since a name's place decides its colour.
    """
    colors = {name: np.array(class_color(i)) / 255 for i, name in enumerate(class_names)}
    rows = math.ceil(len(samples) / _COLUMNS)
    grid = figure.subplots(max(rows, 1), _COLUMNS, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, (record, boxes) in zip(grid, samples, strict=False):
        image = Image.fromarray(read_image(record.image_path))
        image.thumbnail((_SHOWN_PX, _SHOWN_PX))
        axes.imshow(image)
        for name, box in boxes:
            _draw_box(axes, box, image.size, colors[name])
        axes.set_title(record.image_id, fontsize=9, color="#444444")
    names = list(dict.fromkeys(name for _, boxes in samples for name, _ in boxes))
    names = sorted(names, key=class_names.index)[:_MOST_NAMES]
    handles = [Patch(facecolor=colors[name], edgecolor="#444444", label=name) for name in names]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(names), frameon=False)


def _draw_box(axes, box: tuple, size_wh: tuple[int, int], color: np.ndarray) -> None:
    x_min, y_min, x_max, y_max = np.array(box) * (size_wh * 2) - 0.5  # imshow's pixels are centred
    for width, ink in ((2.6, "black"), (1.4, color)):  # a dark rim shows on any ground
        place = (x_min, y_min), x_max - x_min, y_max - y_min
        axes.add_patch(Rectangle(*place, fill=False, edgecolor=ink, linewidth=width))
