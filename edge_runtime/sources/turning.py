"""Turning: upright images of a camera that is mounted sideways, or looks into a mirror."""

from __future__ import annotations

from types import ModuleType

import numpy as np

ROTATIONS = (0, 90, 180, 270)  # degrees, clockwise


def turn(image: np.ndarray, rotate: int, mirror: bool) -> np.ndarray:
    """An (H, W, 3) uint8 image turned clockwise by `rotate`, one of ROTATIONS, then with left and
    right exchanged if `mirror`.

    Returns: (H, W, 3) or (W, H, 3) in one piece of memory; the image itself with nothing to do.
    """
    if not rotate and not mirror:
        return image
    height, width, channels = image.shape
    # A pixel at a time, not a byte: twice as fast.
    pixels = np.ascontiguousarray(image).view(np.dtype((np.void, channels)))[:, :, 0]
    pixels = np.rot90(pixels, -rotate // 90)
    pixels = np.ascontiguousarray(pixels[:, ::-1] if mirror else pixels)
    return pixels.view(np.uint8).reshape(*turned_hw((height, width), rotate), channels)


def turn_with_opencv(cv2: ModuleType, image: np.ndarray, rotate: int, mirror: bool) -> np.ndarray:
    """As `turn`, four times as fast."""
    turns = {
        90: cv2.ROTATE_90_CLOCKWISE,
        180: cv2.ROTATE_180,
        270: cv2.ROTATE_90_COUNTERCLOCKWISE,
    }
    turned: np.ndarray = cv2.rotate(image, turns[rotate]) if rotate else image
    return cv2.flip(turned, 1) if mirror else turned


def turned_hw(hw: tuple[int, int], rotate: int) -> tuple[int, int]:
    """(height, width) of an image after it is turned."""
    return hw[::-1] if rotate in (90, 270) else hw
