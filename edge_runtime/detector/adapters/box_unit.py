"""Box unit: whether a file's boxes are fractions of its input, or pixels of it.

The file does not say; its numbers tell, once for a file: single boxes may be tiny, or reach far out
of the picture.
"""

from __future__ import annotations

import numpy as np

# Fractions may be a little above 1 where a box reaches out of the picture; pixels are far above.
PIXELS_ABOVE = 2.0
# Of all boxes, sure or not: the last ones end at almost 1, or at almost the input's side; and a
# side may be a few times 1.
CENTER_ABOVE = 0.5
PIXELS_SHARE = 1 / 8


class BoxUnit:
    """Divides boxes in pixels by the input's sides, and leaves fractions as they are."""

    def __init__(self, input_hw: tuple[int, int], pixels: bool | None = None) -> None:
        """pixels: None where the first boxes tell."""
        height, width = input_hw
        self._sides = np.asarray([width, height, width, height], np.float32)
        self._pixels = pixels

    def fractions(self, boxes: np.ndarray) -> np.ndarray:
        """(N, 4) xyxy as the file has them → fractions of the input, not clipped."""
        sides = boxes[np.isfinite(boxes)]
        if self._pixels is None and sides.any():
            self._pixels = bool(np.abs(sides).max() > PIXELS_ABOVE)
        return boxes / self._sides if self._pixels else boxes


def pixels_by_trial(high: float, input_hw: tuple[int, int]) -> bool | None:
    """Whether boxes are in pixels, by the largest number of all in a trial; None: it tells not."""
    if high > max(PIXELS_ABOVE, PIXELS_SHARE * max(input_hw)):
        return True
    return False if high > CENTER_ABOVE else None
