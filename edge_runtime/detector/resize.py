"""Resizing: a picture at the size of the network's input, stretched or between bars.

Training and calibration resize with Pillow, and so does a detector unless it is told to use
OpenCV, which is several times as fast. The two differ by some grey levels where there are edges.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TypeAlias

import numpy as np
from PIL import Image

# Stretches (H, W, 3) uint8 to (height, width).
Resize: TypeAlias = Callable[[np.ndarray, tuple[int, int]], np.ndarray]


def resize(frame: np.ndarray, input_hw: tuple[int, int]) -> np.ndarray:
    """Stretch (H, W, 3) uint8 to (input_h, input_w, 3): bilinear, antialiased when shrinking.

    Stretching, not letterboxing, so that boxes in [0, 1] are the same before and after.
    """
    if frame.shape[:2] == tuple(input_hw):
        return frame
    height, width = input_hw
    image = Image.fromarray(np.ascontiguousarray(frame))
    # Without a reducing_gap, which saves a third of 1280x720 to 320x320: half a grey level on the
    # average is enough to move scores of other makers' detectors by more than 0.02.
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def opencv_resize() -> Resize:
    """As `resize`, by OpenCV: halved while a side is more than twice as long, then bilinear.

    Bilinear by half is the mean of two pixels, and no more than that is skipped: antialiased, near
    enough. OpenCV is fast at 2x2; at other factors its INTER_AREA takes five times as long as this.

    Raises: ImportError with the line that installs OpenCV.
    """
    cv2 = _opencv()

    def resize_by_halves(frame: np.ndarray, input_hw: tuple[int, int]) -> np.ndarray:
        height, width = frame.shape[:2]
        while (height, width) != tuple(input_hw):
            height = height // 2 if height > 2 * input_hw[0] else input_hw[0]
            width = width // 2 if width > 2 * input_hw[1] else input_hw[1]
            frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)
        return frame

    return resize_by_halves


PILLOW, OPENCV = "pillow", "opencv"
RESIZERS: dict[str, Callable[[], Resize]] = {PILLOW: lambda: resize, OPENCV: opencv_resize}


def find_resize(resizer: str) -> Resize:
    """The function of a resizer.

    Raises: ValueError for a name that is not one of RESIZERS; ImportError as `opencv_resize`.
    """
    if resizer not in RESIZERS:
        raise ValueError(f"a resizer of {', '.join(RESIZERS)} expected, got {resizer!r}")
    return RESIZERS[resizer]()


def keep_opencv_to_one_thread() -> None:
    """Have OpenCV work in the thread that calls it: for a program whose cores are the network's.

    By itself it cuts even such small pictures into stripes, and its threads wait for the next ones
    in a loop: between frames, that takes nearly a millisecond of every core.
    Raises: ImportError with the line that installs OpenCV.
    """
    _opencv().setNumThreads(1)


def _opencv() -> ModuleType:
    from edge_runtime.system.optional_imports import require  # not above: most starts need none

    return require("cv2", "opencv")


def fitted_hw(picture_hw: tuple[int, int], input_hw: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a picture that is scaled by one factor until it just fits an input."""
    factor = min(side / whole for side, whole in zip(input_hw, picture_hw, strict=True))
    height, width = (max(1, round(whole * factor)) for whole in picture_hw)
    return min(height, input_hw[0]), min(width, input_hw[1])


def letterbox_corner(fitted: tuple[int, int], input_hw: tuple[int, int]) -> tuple[int, int]:
    """(top, left) of a fitted picture in the middle of an input; an odd pixel goes below, right."""
    return (input_hw[0] - fitted[0]) // 2, (input_hw[1] - fitted[1]) // 2


def letterbox(
    frame: np.ndarray, input_hw: tuple[int, int], pad: int, resize: Resize = resize
) -> np.ndarray:
    """Scale (H, W, 3) uint8 by one factor into (input_h, input_w, 3), with bars of `pad` around."""
    fitted = fitted_hw((frame.shape[0], frame.shape[1]), input_hw)
    image = resize(frame, fitted)
    if fitted == tuple(input_hw):
        return image
    top, left = letterbox_corner(fitted, input_hw)
    boxed = np.full((*input_hw, 3), pad, np.uint8)
    boxed[top : top + fitted[0], left : left + fitted[1]] = image
    return boxed
