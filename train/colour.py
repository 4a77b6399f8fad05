"""Random changes of a training picture's light and colours, as another camera would see it."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

Array, Rng = np.ndarray, np.random.Generator

LUMA = np.array([0.299, 0.587, 0.114])  # of R, G, B (ITU-R BT.601)


def colour_matrix(brightness: float, contrast: float, saturation: float, hue: float) -> Array:
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
    which costs a tenth of normal noise. The units of the others: see `colour_matrix`.
    """
    add, more, vivid, turn, level = rng.uniform(-1, 1, 5)
    if brightness or contrast or saturation or hue:
        factors = 1 + more * contrast, 1 + vivid * saturation
        matrix = colour_matrix(add * brightness, *factors, turn * hue)
        picture = Image.fromarray(np.ascontiguousarray(image))
        image = np.asarray(picture.convert("RGB", tuple(matrix.ravel())))
    peak = round(abs(level) * noise)
    if peak:
        grain = rng.integers(-peak, peak + 1, image.shape, dtype=np.int16)
        image = np.clip(image + grain, 0, 255).astype(np.uint8)
    return image
