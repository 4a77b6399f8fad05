"""Films whose frames carry their number: red on the left, blue on the right, bits at the bottom."""

from __future__ import annotations

from pathlib import Path

import numpy as np

BITS = 8
CELL = 16
WH = (BITS * CELL, 64)
RED, BLUE = (200, 0, 0), (0, 0, 200)


def draw(number: int) -> np.ndarray:
    """(64, 128, 3) RGB uint8; number: 0 to 255."""
    frame = np.zeros((WH[1], WH[0], 3), np.uint8)
    frame[:, : WH[0] // 2] = RED
    frame[:, WH[0] // 2 :] = BLUE
    for bit in range(BITS):
        frame[-CELL:, bit * CELL : (bit + 1) * CELL] = 255 * (number >> bit & 1)
    return frame


def read_number(picture: np.ndarray) -> int:
    """The number that `draw` put there; compression may have blurred it."""
    middles = picture[-CELL // 2, CELL // 2 :: CELL].mean(axis=1)
    return sum(1 << bit for bit, brightness in enumerate(middles) if brightness > 127)


def write_video(path: Path, frames: int, fps: float = 25, code: str = "MJPG") -> Path:
    """code: OpenCV's name of the codec, "MJPG" or "mp4v"."""
    import cv2

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), fps, WH)
    assert writer.isOpened()
    for number in range(frames):
        writer.write(cv2.cvtColor(draw(number), cv2.COLOR_RGB2BGR))
    writer.release()
    return path
