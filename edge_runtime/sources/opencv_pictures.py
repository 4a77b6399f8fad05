"""OpenCV as the sources use it: quiet, and its pictures turned into ours."""

from __future__ import annotations

import os
from types import ModuleType

import numpy as np

from edge_runtime.extras import require


def load_cv2() -> ModuleType:
    """OpenCV, with its own remarks and FFmpeg's kept off stderr: what fails, a source says itself.

    OPENCV_LOG_LEVEL and OPENCV_FFMPEG_LOGLEVEL of the environment are respected.

    Raises: ImportError with the line that installs it.
    """
    # Read when the first video is opened, and never again. -8 is FFmpeg's AV_LOG_QUIET.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2 = require("cv2", "opencv")
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2


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
