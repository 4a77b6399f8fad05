"""Mosaic: one training picture of four (Bochkovskiy et al. 2020, section 3.4, YOLOv4).

Few pictures make many: objects stand among others, before other backgrounds, cut by other edges.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_runtime.detector.boxes import area, intersection
from edge_runtime.detector.preprocess import resize
from train.data.augment import Sample

CENTER = (0.35, 0.65)  # where the four meet, as fractions of the input
SCALE = (0.5, 1.0)  # size of an object, relative to that in its whole picture


def mosaic(
    samples: Sequence[Sample],
    rng: np.random.Generator,
    input_hw: tuple[int, int],
    min_visible: float = 0.25,
) -> Sample:
    """Windows of four pictures side by side, in an image of `input_hw`.

    A picture keeps its proportions as the network sees them, unless it is too small for its place.

    Args:
        samples: four of images (H, W, 3) uint8, boxes (M, 4) xyxy in [0, 1] and class ids (M,).
        min_visible: a box stays if its center and this share of its area are in its window.
    """
    height, width = input_hw
    x, y = (round(float(rng.uniform(*CENTER)) * side) for side in (width, height))
    canvas = np.empty((height, width, 3), np.uint8)
    boxes, class_ids = [], []
    places = ((0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height))
    for sample, (left, top, right, bottom) in zip(samples, places, strict=True):
        side = np.array([right - left, bottom - top])
        share = np.minimum(side / [width, height] / rng.uniform(*SCALE), 1)
        image, kept, ids = _cut(sample, share, rng, min_visible)
        canvas[top:bottom, left:right] = resize(image, (bottom - top, right - left))
        moved = kept * np.tile(side, 2) + [left, top, left, top]
        boxes.append(moved / [width, height, width, height])
        class_ids.append(ids)
    return canvas, np.concatenate(boxes).astype(np.float32), np.concatenate(class_ids)


def _cut(sample: Sample, share: np.ndarray, rng: np.random.Generator, min_visible: float) -> Sample:
    """A window that takes `share` (2,) of a picture's width and height, somewhere in it."""
    image, boxes, class_ids = sample
    image_wh = np.array(image.shape[1::-1])
    side = np.maximum(np.rint(share * image_wh), 1).astype(int)
    low = rng.integers(0, image_wh - side + 1)
    window = np.concatenate([low, low + side]) / np.tile(image_wh, 2)
    kept = intersection(window[None], boxes)[0] > min_visible * area(boxes)
    moved = (boxes[kept] - np.tile(window[:2], 2)) / np.tile(window[2:] - window[:2], 2)
    (left, top), (right, bottom) = low, low + side
    return image[top:bottom, left:right], np.clip(moved, 0, 1), class_ids[kept]
