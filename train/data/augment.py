"""Data augmentation: random changes of a training image and, with it, of its boxes.

`image` is (H, W, 3) RGB uint8, `boxes` (M, 4) float32 xyxy in [0, 1], `class_ids` (M,) int64; M may
be 0. Windows and places are whole pixels, so that boxes follow the pixels exactly. Nothing is
changed in place, though a result may be a view; the same generator state gives the same result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from PIL import Image

from edge_runtime.detector.boxes import area, intersection, iou
from edge_runtime.detector.resize import resize
from train.settings import check_settings, setting

# image, boxes, class_ids
Sample: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]

USUAL_MIN_CROP, USUAL_MAX_ZOOM = 0.3, 2.5  # where nothing is known of the objects
TRIALS = 50  # windows drawn for one crop, as SSD's Caffe code does
MIN_IOUS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)  # the paper's, and 0 for any window
SMALLEST_SIDE = 1e-3  # a third of a pixel of 300: nothing to see, and its log() swamps the loss


def flip(image: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mirror left and right."""
    x_min, y_min, x_max, y_max = boxes.T
    return image[:, ::-1], np.stack([1 - x_max, y_min, 1 - x_min, y_max], axis=1)


def flip_upside_down(image: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mirror top and bottom."""
    x_min, y_min, x_max, y_max = boxes.T
    return image[::-1], np.stack([x_min, 1 - y_max, x_max, 1 - y_min], axis=1)


def _windows(image_hw: tuple[int, int], rng: np.random.Generator, min_side: float) -> np.ndarray:
    """Random windows with an aspect ratio in [0.5, 2]: (K, 4) int64 xyxy in pixels, K <= TRIALS."""
    image_wh = np.array(image_hw[::-1])
    side = rng.uniform(min_side, 1, (TRIALS, 2))
    side_wh = np.clip(np.rint(side * image_wh), 1, image_wh).astype(np.int64)
    low = rng.integers(0, image_wh - side_wh + 1)
    # Of fractions, not of pixels: this is how much the objects get distorted.
    ratio = (side_wh[:, 0] * image_wh[1]) / (side_wh[:, 1] * image_wh[0])
    return np.concatenate([low, low + side_wh], axis=1)[(ratio >= 0.5) & (ratio <= 2)]


def _kept(boxes: np.ndarray, windows: np.ndarray, min_visible: float) -> np.ndarray:
    """Boxes that each window keeps: (K, M) bool. Both in fractions of the image."""
    center = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = (windows[:, None, :2] <= center) & (center <= windows[:, None, 2:])  # [K, M, 2]
    visible = intersection(windows, boxes) >= min_visible * area(boxes)
    return inside.all(axis=2) & visible


def random_crop(
    image: np.ndarray,
    boxes: np.ndarray,
    class_ids: np.ndarray,
    rng: np.random.Generator,
    *,
    min_side: float = 0.3,
    min_visible: float = 0.4,
    min_ious: Sequence[float] = MIN_IOUS,
) -> Sample:
    """Cut out a window that shows at least one object (SSD, Liu et al. 2016, section 2.2).

    Each window drawn has its own minimum IoU with an object: one choice for the whole crop, as in
    the paper, would leave images of small objects mostly uncut, since no window of this size
    reaches an IoU of even 0.1 with them. If no window will do, nothing is cut off.

    `min_side` is a fraction of the image's sides. A box stays if its center lies in the window
    and `min_visible` of its area: the center alone would teach that a quarter of an object is one.
    Each window's minimum IoU is one of `min_ious`.
    """
    height, width = image.shape[:2]
    scale = np.array([width, height, width, height])
    windows = _windows((height, width), rng, min_side)
    fractions = windows / scale
    kept = _kept(boxes, fractions, min_visible)  # [K, M]
    good: np.ndarray = np.ones(len(windows), bool)
    if len(boxes):
        wanted = rng.choice(min_ious, (len(windows), 1))
        good = np.logical_and(kept, iou(fractions, boxes) >= wanted).max(axis=1)
    if not good.any():
        return image, boxes, class_ids
    chosen = good.argmax()
    x_min, y_min, x_max, y_max = windows[chosen]
    moved = boxes[kept[chosen]] * scale - [x_min, y_min, x_min, y_min]
    moved = np.clip(moved / ([x_max - x_min, y_max - y_min] * 2), 0, 1).astype(np.float32)
    return image[y_min:y_max, x_min:x_max], moved, class_ids[kept[chosen]]


def zoom_out(
    image: np.ndarray,
    boxes: np.ndarray,
    rng: np.random.Generator,
    *,
    max_zoom: float = 2.5,
    canvas_hw: tuple[int, int] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Shrink the image by 1 to `max_zoom` onto a canvas of its mean color.

    It makes small objects out of large ones (SSD, Liu et al. 2016, section 3.6). `canvas_hw` is the
    size of the result, the image's own by default; the network's input size saves a second
    resampling, and with it blur that the device's images do not have.
    """
    height, width = canvas_hw or image.shape[:2]
    zoom = rng.uniform(1, max_zoom)
    small_hw = max(1, round(height / zoom)), max(1, round(width / zoom))
    y, x = rng.integers(0, [height - small_hw[0] + 1, width - small_hw[1] + 1]).tolist()
    small = resize(image, small_hw)
    color = small[::4, ::4].mean(axis=(0, 1)).astype(int)  # a part will do for a mean
    canvas = Image.new("RGB", (width, height), tuple(color.tolist()))
    canvas.paste(Image.fromarray(np.ascontiguousarray(small)), (x, y))
    moved = boxes * np.array(small_hw[::-1] * 2) + [x, y, x, y]
    moved = np.clip(moved / [width, height, width, height], 0, 1)
    return np.asarray(canvas), moved.astype(np.float32)


LUMA = np.array([0.299, 0.587, 0.114])  # of R, G, B (ITU-R BT.601)


def color_matrix(brightness: float, contrast: float, saturation: float, hue: float) -> np.ndarray:
    """Four changes as one affine map, so that an image is passed over only once.

    `brightness` levels are added, `contrast` is a factor about mid gray, `saturation` one about the
    pixel's own gray, `hue` a turn about the gray axis in degrees (Rodrigues' formula). Returns
    (3, 4), a row for each of R, G, B; the last column is the constant.
    """
    cosine, sine = math.cos(math.radians(hue)), math.sin(math.radians(hue))
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    turn = cosine * np.eye(3) + (1 - cosine) / 3 + sine * cross
    fade = saturation * np.eye(3) + (1 - saturation) * LUMA  # every row: LUMA
    constant = np.full((3, 1), 128 * (1 - contrast) + brightness)
    return np.concatenate([contrast * fade @ turn, constant], axis=1)


def photometric(
    image: np.ndarray,
    rng: np.random.Generator,
    *,
    brightness: float = 32,
    contrast: float = 0.5,
    saturation: float = 0.5,
    hue: float = 18,
    noise: float = 6,
) -> np.ndarray:
    """Other light and another camera; each strength is the greatest change, 0 for none.

    Contrast and saturation of 0.5 mean factors from 0.5 to 1.5; noise is in levels, and uniform,
    which costs a tenth of normal noise. The units of the others: see `color_matrix`.
    """
    add, more, vivid, turn, level = rng.uniform(-1, 1, 5)
    if brightness or contrast or saturation or hue:
        factors = 1 + more * contrast, 1 + vivid * saturation
        matrix = color_matrix(add * brightness, *factors, turn * hue)
        canvas = Image.fromarray(np.ascontiguousarray(image))
        image = np.asarray(canvas.convert("RGB", tuple(matrix.ravel())))
    peak = round(abs(level) * noise)
    if peak:
        grain = rng.integers(-peak, peak + 1, image.shape, dtype=np.int16)
        image = np.clip(image + grain, 0, 255).astype(np.uint8)
    return image


@dataclass(frozen=True)
class AugmentationSettings:
    """The augmentation that depends on the data, and that the flags of a training set."""

    augmentation: str = setting(
        "house",
        "ssd: the SSD paper's, which expands with --zoom-out and then crops with --crop, each a "
        "probability of its own, and cuts objects at their center; --recipe ssd sets them",
        choices=("house", "ssd"),
    )
    horizontal_flip: float = setting(
        0.5, "probability; 0 where left and right matter, as in text", 0, 1
    )
    vertical_flip: float = setting(
        0.0, "probability; 0.5 where there is no up, as in microscopy", 0, 1
    )
    # What crop and zoom_out leave, a fifth by default, stays as the device sees it.
    crop: float = setting(0.4, "probability of a random crop, which makes objects larger", 0, 1)
    # Less shows too little of most objects, and blurs them.
    min_crop: float = setting(
        0.0,
        "smallest side of a crop, as a fraction of the picture's; 0: from the objects' sizes",
        0.05,
        1,
        zero="what the objects' sizes suggest",
    )
    zoom_out: float = setting(
        0.2, "probability of a larger canvas, which makes objects smaller", 0, 1
    )
    # The SSD paper's 4 turns a tenth of the image into 6 pixels of 256.
    max_zoom: float = setting(
        0.0,
        "largest canvas side; small objects vanish above it; 0: from the objects' sizes",
        1,
        100,
        zero="what the objects' sizes suggest",
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.augmentation == "house" and self.crop + self.zoom_out > 1:
            raise ValueError(
                f"--crop and --zoom-out are 1 together at most, since a picture gets one of them, "
                f"got {self.crop} + {self.zoom_out}"
            )


def mirror(
    settings: AugmentationSettings, image: np.ndarray, boxes: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Flip with the probabilities of the settings."""
    if rng.random() < settings.horizontal_flip:
        image, boxes = flip(image, boxes)
    # Asked only where wanted: a draw more would change every later one of older recipes.
    if settings.vertical_flip and rng.random() < settings.vertical_flip:
        image, boxes = flip_upside_down(image, boxes)
    return image, boxes


def drop_tiny(image: np.ndarray, boxes: np.ndarray, class_ids: np.ndarray) -> Sample:
    """Without the boxes that a crop has left next to nothing of."""
    solid = (boxes[:, 2:] - boxes[:, :2] >= SMALLEST_SIDE).all(axis=1)
    return image, boxes[solid], class_ids[solid]


@dataclass(frozen=True)
class Augmentation(AugmentationSettings):
    """All changes of a training image, and how often they happen; calling it makes them.

    The strengths of brightness, contrast, saturation and hue are those of SSD's Caffe code.
    """

    color: float = setting(
        0.8, "probability of `photometric`; the rest keeps true colors in sight", 0, 1, flag=False
    )
    min_visible: float = setting(
        0.4, "of a box in a crop; its center alone lets a quarter pass", 0, 1, flag=False
    )
    brightness: float = setting(32, "levels of 255", 0, 255, flag=False)
    contrast: float = setting(0.5, "greatest change of the factor", 0, 1, flag=False)
    saturation: float = setting(0.5, "greatest change of the factor", 0, 1, flag=False)
    hue: float = setting(18, "degrees", 0, 180, flag=False)
    noise: float = setting(6, "levels; what a small camera adds indoors", 0, 255, flag=False)

    def geometric(
        self,
        image: np.ndarray,
        boxes: np.ndarray,
        class_ids: np.ndarray,
        rng: np.random.Generator,
        input_hw: tuple[int, int] | None = None,
    ) -> Sample:
        """Crop or zoom out, resize to `input_hw` if given, flip; drop what is cut off or tiny."""
        boxes = np.asarray(boxes, np.float32)
        chance = rng.random()
        if chance < self.crop:
            image, boxes, class_ids = random_crop(
                image,
                boxes,
                class_ids,
                rng,
                min_side=self.min_crop or USUAL_MIN_CROP,
                min_visible=self.min_visible,
            )
        elif chance < self.crop + self.zoom_out:
            image, boxes = zoom_out(
                image, boxes, rng, max_zoom=self.max_zoom or USUAL_MAX_ZOOM, canvas_hw=input_hw
            )
        if input_hw is not None:
            image = resize(image, input_hw)
        image, boxes = mirror(self, image, boxes, rng)
        return drop_tiny(image, boxes, class_ids)

    def photometric(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Other light and colors, with probability `color`; cheap on an image resized before."""
        if rng.random() >= self.color:
            return image
        strengths = "brightness", "contrast", "saturation", "hue", "noise"
        return photometric(image, rng, **{name: getattr(self, name) for name in strengths})

    def __call__(
        self,
        image: np.ndarray,
        boxes: np.ndarray,
        class_ids: np.ndarray,
        rng: np.random.Generator,
        input_hw: tuple[int, int] | None = None,
    ) -> Sample:
        image, boxes, class_ids = self.geometric(image, boxes, class_ids, rng, input_hw)
        return self.photometric(image, rng), boxes, class_ids
