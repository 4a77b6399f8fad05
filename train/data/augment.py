"""Random changes of a training picture and, with it, of its boxes.

`image` is (H, W, 3) RGB uint8, `boxes` (M, 4) float32 xyxy in [0, 1], `class_ids` (M,) int64; M may
be 0. Windows and places are whole pixels, so that boxes follow the pixels exactly. Nothing is
changed in place, though a result may be a view; the same generator state gives the same result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from edge_runtime.detector.boxes import area, intersection, iou
from edge_runtime.detector.preprocess import resize

Array, Rng, HW = np.ndarray, np.random.Generator, tuple[int, int]
Example = tuple[Array, Array, Array]  # image, boxes, class_ids

TRIALS = 50  # windows drawn for one crop, as SSD's Caffe code does
MIN_IOUS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)  # the paper's, and 0 for any window
SMALLEST_SIDE = 1e-3  # a third of a pixel of 300: nothing to see, and its log() swamps the loss


def flip(image: Array, boxes: Array) -> tuple[Array, Array]:
    """Mirror left and right."""
    x_min, y_min, x_max, y_max = boxes.T
    return image[:, ::-1], np.stack([1 - x_max, y_min, 1 - x_min, y_max], axis=1)


def flip_upside_down(image: Array, boxes: Array) -> tuple[Array, Array]:
    """Mirror top and bottom."""
    x_min, y_min, x_max, y_max = boxes.T
    return image[::-1], np.stack([x_min, 1 - y_max, x_max, 1 - y_min], axis=1)


def _windows(image_hw: HW, rng: Rng, min_side: float) -> Array:
    """Random windows with an aspect ratio in [0.5, 2]: (K, 4) int64 xyxy in pixels, K <= TRIALS."""
    image_wh = np.array(image_hw[::-1])
    side = rng.uniform(min_side, 1, (TRIALS, 2))
    side_wh = np.clip(np.rint(side * image_wh), 1, image_wh).astype(np.int64)
    low = rng.integers(0, image_wh - side_wh + 1)
    # Of fractions, not of pixels: this is how much the objects get distorted.
    ratio = (side_wh[:, 0] * image_wh[1]) / (side_wh[:, 1] * image_wh[0])
    return np.concatenate([low, low + side_wh], axis=1)[(ratio >= 0.5) & (ratio <= 2)]


def _kept(boxes: Array, windows: Array, min_visible: float) -> Array:
    """Which boxes a window keeps: (K, M) bool. Both in fractions of the picture."""
    center = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = (windows[:, None, :2] <= center) & (center <= windows[:, None, 2:])  # [K, M, 2]
    visible = intersection(windows, boxes) >= min_visible * area(boxes)
    return inside.all(axis=2) & visible


def random_crop(
    image: Array, boxes: Array, class_ids: Array, rng: Rng, *, min_side=0.3, min_visible=0.4
) -> Example:
    """Cut out a window that shows at least one object (SSD, Liu et al. 2016, section 2.2).

    Each window drawn has its own minimum IoU with an object: one choice for the whole crop, as in
    the paper, would leave pictures of small objects mostly uncut, since no window of this size
    reaches an IoU of even 0.1 with them. If no window will do, nothing is cut off.

    `min_side` is a fraction of the picture's sides. A box stays if its centre lies in the window
    and `min_visible` of its area: the centre alone would teach that a quarter of an object is one.
    """
    height, width = image.shape[:2]
    scale = np.array([width, height, width, height])
    windows = _windows((height, width), rng, min_side)
    fractions = windows / scale
    kept = _kept(boxes, fractions, min_visible)  # [K, M]
    good = np.ones(len(windows), bool)
    if len(boxes):
        wanted = rng.choice(MIN_IOUS, (len(windows), 1))
        good = (kept & (iou(fractions, boxes) >= wanted)).any(axis=1)
    if not good.any():
        return image, boxes, class_ids
    chosen = good.argmax()
    x_min, y_min, x_max, y_max = windows[chosen]
    moved = boxes[kept[chosen]] * scale - [x_min, y_min, x_min, y_min]
    moved = np.clip(moved / ([x_max - x_min, y_max - y_min] * 2), 0, 1).astype(np.float32)
    return image[y_min:y_max, x_min:x_max], moved, class_ids[kept[chosen]]


def zoom_out(
    image: Array, boxes: Array, rng: Rng, *, max_zoom: float = 2.5, canvas_hw: HW | None = None
) -> tuple[Array, Array]:
    """Shrink the picture by 1 to `max_zoom` onto a canvas of its mean colour.

    It makes small objects out of large ones (SSD, Liu et al. 2016, section 3.6). `canvas_hw` is the
    size of the result, the picture's own by default; the network's input size saves a second
    resampling, and with it blur that the device's pictures do not have.
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


@dataclass(frozen=True)
class Augmentation:
    """What happens to a training picture, and how often; calling it does everything."""

    horizontal_flip: float = 0.5  # probability; 0 where left and right differ, as in digits
    vertical_flip: float = 0.0  # probability; most pictures have an up, a microscope's have none
    crop: float = 0.5  # probability; large objects, and other surroundings
    zoom_out: float = 0.3  # probability; what is left, a fifth, stays as the device sees it
    color: float = 0.8  # probability of `photometric`; the rest keeps true colours in sight
    min_side: float = 0.3  # of a crop; less shows too little of most objects, and blurs them
    min_visible: float = 0.4  # of a box in a crop; its centre alone lets a quarter pass
    max_zoom: float = 2.5  # the paper's 4 turns a tenth of the picture into 6 pixels of 256
    brightness: float = 32  # levels of 255; this and the next three are those of SSD's Caffe code
    contrast: float = 0.5
    saturation: float = 0.5
    hue: float = 18  # degrees
    noise: float = 6  # levels; what a small camera adds indoors

    def __post_init__(self) -> None:
        chances = "horizontal_flip", "vertical_flip", "crop", "zoom_out", "color"
        for name in (*chances, "min_side", "min_visible", "contrast", "saturation"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} from 0 to 1 expected, got {getattr(self, name)}")
        if self.crop + self.zoom_out > 1:
            got = f"got {self.crop} + {self.zoom_out}; lower one"
            raise ValueError(f"crop + zoom_out up to 1 expected, a picture gets only one; {got}")
        if not self.max_zoom >= 1:
            raise ValueError(f"max_zoom of at least 1 expected, got {self.max_zoom}; 1 is none")

    def geometric(
        self, image: Array, boxes: Array, class_ids: Array, rng: Rng, input_hw: HW | None = None
    ) -> Example:
        """Crop or zoom out, resize to `input_hw` if given, flip; drop what is cut off or tiny."""
        boxes = np.asarray(boxes, np.float32)
        chance = rng.random()
        if chance < self.crop:
            limits = {"min_side": self.min_side, "min_visible": self.min_visible}
            image, boxes, class_ids = random_crop(image, boxes, class_ids, rng, **limits)
        elif chance < self.crop + self.zoom_out:
            zoom = {"max_zoom": self.max_zoom, "canvas_hw": input_hw}
            image, boxes = zoom_out(image, boxes, rng, **zoom)
        if input_hw is not None:
            image = resize(image, input_hw)
        if rng.random() < self.horizontal_flip:
            image, boxes = flip(image, boxes)
        # Asked only where wanted: a draw more would change every later one of older recipes.
        if self.vertical_flip and rng.random() < self.vertical_flip:
            image, boxes = flip_upside_down(image, boxes)
        solid = (boxes[:, 2:] - boxes[:, :2] >= SMALLEST_SIDE).all(axis=1)
        return image, boxes[solid], class_ids[solid]

    def photometric(self, image: Array, rng: Rng) -> Array:
        """Other light and colours, with probability `color`; cheap on a picture resized before."""
        if rng.random() >= self.color:
            return image
        strengths = "brightness", "contrast", "saturation", "hue", "noise"
        return photometric(image, rng, **{name: getattr(self, name) for name in strengths})

    def __call__(
        self, image: Array, boxes: Array, class_ids: Array, rng: Rng, input_hw: HW | None = None
    ) -> Example:
        image, boxes, class_ids = self.geometric(image, boxes, class_ids, rng, input_hw)
        return self.photometric(image, rng), boxes, class_ids


LUMA = np.array([0.299, 0.587, 0.114])  # of R, G, B (ITU-R BT.601)


def color_matrix(brightness: float, contrast: float, saturation: float, hue: float) -> Array:
    """Four changes as one affine map, so that a picture is passed over only once.

    `brightness` levels are added, `contrast` is a factor about mid grey, `saturation` one about the
    pixel's own grey, `hue` a turn about the grey axis in degrees (Rodrigues' formula). Returns
    (3, 4), a row for each of R, G, B; the last column is the constant.
    """
    cosine, sine = math.cos(math.radians(hue)), math.sin(math.radians(hue))
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    turn = cosine * np.eye(3) + (1 - cosine) / 3 + sine * cross
    fade = saturation * np.eye(3) + (1 - saturation) * LUMA  # every row: LUMA
    constant = np.full((3, 1), 128 * (1 - contrast) + brightness)
    return np.concatenate([contrast * fade @ turn, constant], axis=1)


def photometric(
    image: Array, rng: Rng, *, brightness=32, contrast=0.5, saturation=0.5, hue=18, noise=6
) -> Array:
    """Other light and another camera; each strength is the greatest change, 0 for none.

    Contrast and saturation of 0.5 mean factors from 0.5 to 1.5; noise is in levels, and uniform,
    which costs a tenth of normal noise. The units of the others: see `color_matrix`.
    """
    add, more, vivid, turn, level = rng.uniform(-1, 1, 5)
    if brightness or contrast or saturation or hue:
        factors = 1 + more * contrast, 1 + vivid * saturation
        matrix = color_matrix(add * brightness, *factors, turn * hue)
        picture = Image.fromarray(np.ascontiguousarray(image))
        image = np.asarray(picture.convert("RGB", tuple(matrix.ravel())))
    peak = round(abs(level) * noise)
    if peak:
        grain = rng.integers(-peak, peak + 1, image.shape, dtype=np.int16)
        image = np.clip(image + grain, 0, 255).astype(np.uint8)
    return image
