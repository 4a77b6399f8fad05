"""SSD's own augmentation (Liu et al. 2016, sections 2.2 and 3.6), for `--recipe ssd`.

What differs from the house's: a picture may be expanded and then cropped, the minimum overlap of a
crop is drawn once for all its windows, an object stays if its center does, and each change of color
happens by itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from PIL import Image

from edge_runtime.detector.resize import resize
from train.data.augment import (
    MIN_IOUS,
    Augmentation,
    AugmentationSettings,
    Sample,
    drop_tiny,
    mirror,
    photometric,
    random_crop,
)

CHANCE = 0.5  # of each change of color
CANVAS_PIXELS = 4e6  # an expanded picture larger than that would only cost time


def augmentation_of(settings: AugmentationSettings) -> Augmentation:
    """The augmentation that a training's settings ask for."""
    kind = SsdAugmentation if settings.augmentation == "ssd" else Augmentation
    return kind(**{f.name: getattr(settings, f.name) for f in fields(AugmentationSettings)})


def expand(
    image: np.ndarray, boxes: np.ndarray, rng: np.random.Generator, max_zoom: float = 4
) -> tuple[np.ndarray, np.ndarray]:
    """Put the picture somewhere on a canvas of its mean color, 1 to `max_zoom` times as wide.

    At its own scale, up to CANVAS_PIXELS, so that a crop that follows finds the picture's pixels.
    """
    zoom = rng.uniform(1, max_zoom)
    height, width = image.shape[:2]
    smaller = min(1.0, math.sqrt(CANVAS_PIXELS / (zoom * zoom * height * width)))
    if smaller < 1:
        height, width = max(1, round(height * smaller)), max(1, round(width * smaller))
        image = resize(image, (height, width))
    canvas_wh = np.array([round(width * zoom), round(height * zoom)])
    x, y = (rng.uniform(size=2) * (canvas_wh - [width, height])).astype(int).tolist()
    color = tuple(image[::4, ::4].mean(axis=(0, 1)).astype(int).tolist())
    canvas = Image.new("RGB", (int(canvas_wh[0]), int(canvas_wh[1])), color)
    canvas.paste(Image.fromarray(np.ascontiguousarray(image)), (x, y))
    moved = (boxes * [width, height, width, height] + [x, y, x, y]) / np.tile(canvas_wh, 2)
    return np.asarray(canvas), moved.astype(np.float32)


@dataclass(frozen=True)
class SsdAugmentation(Augmentation):
    """The paper's: expand, crop by a minimum overlap or freely, flip, change colors.

    `zoom_out` and `crop` are probabilities of their own here, one after the other.
    """

    def geometric(
        self,
        image: np.ndarray,
        boxes: np.ndarray,
        class_ids: np.ndarray,
        rng: np.random.Generator,
        input_hw: tuple[int, int] | None = None,
    ) -> Sample:
        """As of the base class."""
        boxes = np.asarray(boxes, np.float32)
        if rng.random() < self.zoom_out:
            image, boxes = expand(image, boxes, rng, self.max_zoom or 4)
        if rng.random() < self.crop:
            least = (float(rng.choice(MIN_IOUS)),)
            image, boxes, class_ids = random_crop(
                image,
                boxes,
                class_ids,
                rng,
                min_side=self.min_crop or 0.1,
                min_visible=0,
                min_ious=least,
            )
        if input_hw is not None:
            image = resize(image, input_hw)
        image, boxes = mirror(self, image, boxes, rng)
        return drop_tiny(image, boxes, class_ids)

    def photometric(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Brightness, contrast, saturation and hue, each with a chance of its own; no noise."""
        names = ("brightness", "contrast", "saturation", "hue")
        happens = rng.random(len(names)) < CHANCE
        strengths = {n: getattr(self, n) if h else 0 for n, h in zip(names, happens, strict=True)}
        return photometric(image, rng, **strengths, noise=0)
