"""Calibration frames in other lights: darker and brighter than the pictures of a data set."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

LIGHTS = (0.3, 0.5, 0.7, 1.3)


def in_other_lights(frames: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Every second picture darker or brighter: a camera outlives the light it was installed in."""
    factors = itertools.cycle(LIGHTS)
    return [
        np.clip(np.rint(frame * next(factors)), 0, 255).astype(np.uint8) if number % 2 else frame
        for number, frame in enumerate(frames)
    ]
