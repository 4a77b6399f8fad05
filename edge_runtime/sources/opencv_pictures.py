"""OpenCV's pictures turned into ours."""

from __future__ import annotations

from types import ModuleType

import numpy as np


def retrieve(cv2: ModuleType, capture, rotate: int) -> np.ndarray | None:
    """The frame that was grabbed last, as (H, W, 3) RGB uint8 of its own memory.

    rotate: 0 or 180 degrees. Returns: None where the frame is damaged.
    """
    try:
        whole, bgr = capture.retrieve()
        if not whole:
            return None
        picture = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    except cv2.error:  # what a webcam sends over a bad cable is not always a JPEG
        return None
    return cv2.rotate(picture, cv2.ROTATE_180) if rotate == 180 else picture
