"""Pixels of an opened image as an upright array, in strips: no second copy of a large picture."""

from __future__ import annotations

import numpy as np
from PIL import Image

from edge_runtime.media.orientation import turn_upright

SMALL_PIXELS = 4_000_000  # decoded at once, which is a little faster
STRIP_ROWS = 256  # a multiple of every power of two by which a picture is shrunk


def upright_pixels(image: Image.Image, orientation: int, shrink: int = 1) -> np.ndarray:
    """Decode an image, turned as its EXIF orientation, 1 to 8, says, alpha dropped.

    shrink: factor by which width and height are made smaller, a power of two up to STRIP_ROWS.

    Returns: (ceil(H / shrink), ceil(W / shrink), 3) RGB uint8.
    Raises: what Pillow raises for damage.
    """
    image.load()
    # Of the pixels as stored: some versions of Pillow call a TIFF's size what turning makes of it.
    width, height = image.im.size
    if shrink == 1 and width * height <= SMALL_PIXELS:
        rgb = image if image.mode == "RGB" else image.convert("RGB")
        return np.asarray(turn_upright(rgb, orientation))
    stored_hw = -(-height // shrink), -(-width // shrink)
    hw = stored_hw[::-1] if orientation >= 5 else stored_hw
    upright = np.empty((*hw, 3), np.uint8)
    stored = _stored_view(upright, orientation)
    for top in range(0, height, STRIP_ROWS):
        strip = image.crop((0, top, width, min(top + STRIP_ROWS, height)))
        rgb = strip if strip.mode == "RGB" else strip.convert("RGB")
        if shrink > 1:
            rgb = rgb.reduce(shrink)
        row = top // shrink
        stored[row : row + rgb.height] = np.asarray(rgb)
    return upright


def _stored_view(upright: np.ndarray, orientation: int) -> np.ndarray:
    """The same array as the file has its rows and columns."""
    if orientation >= 5:
        upright = upright.transpose(1, 0, 2)
    rows = -1 if orientation in (3, 4, 6, 7) else 1
    columns = -1 if orientation in (2, 3, 7, 8) else 1
    return upright[::rows, ::columns]
