"""Preprocessing and whole detections of pictures, against bare loops of the same work."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import cv2
import numpy as np
from PIL import Image

from edge_runtime.detector.detector import Detector
from studies.speed.bare import BareNetwork
from studies.speed.interleaved import contest
from studies.speed.rows import Task

SIZES = ((300, 300), (480, 640), (720, 1280))  # (height, width)
WHOLE_GOALS = (1.05, 1.10, 1.15)
RESIZE_GOAL, SAME_SIZE_GOAL = 1.2, 1.5


def tasks(bare: BareNetwork, detector: Detector, picture: np.ndarray) -> Iterator[Task]:
    """bare, detector: of one thread, with an int8 input of pixel - 128."""
    cv2.setNumThreads(1)
    height, width = detector.input_hw
    frames = {hw: scaled(picture, hw) for hw in (*SIZES, detector.input_hw)}
    for hw in SIZES[1:]:
        name = f"preprocess {hw[1]}x{hw[0]} against"
        ours = partial(detector.preprocess, frames[hw])
        pillow = partial(
            Image.fromarray(frames[hw]).resize, (width, height), Image.Resampling.BILINEAR
        )
        yield Task(f"{name} Pillow's resize", RESIZE_GOAL, contest(ours, pillow))
        opencv = partial(cv2.resize, frames[hw], (width, height), interpolation=cv2.INTER_LINEAR)
        name = f"{name} cv2.resize, which does not antialias"
        yield Task(name, RESIZE_GOAL, contest(ours, opencv))
    frame = frames[detector.input_hw]
    yield Task(
        "preprocess a frame of the network's size against an xor into the tensor",
        SAME_SIZE_GOAL,
        contest(partial(detector.preprocess, frame), partial(bare.set_pixels, frame)),
    )
    for hw, goal in zip(SIZES, WHOLE_GOALS, strict=True):
        name = f"detect {hw[1]}x{hw[0]} against the bare invoke"
        yield Task(name, goal, contest(partial(detector.detect, frames[hw]), bare.invoke))


def scaled(picture: np.ndarray, hw: tuple[int, int]) -> np.ndarray:
    """A picture (H, W, 3) uint8 at another size."""
    return np.array(Image.fromarray(picture).resize(hw[::-1], Image.Resampling.BICUBIC))
