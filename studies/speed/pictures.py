"""Preprocessing and whole detections of pictures, against bare loops of the same work."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import cv2
import numpy as np
from PIL import Image

from edge_runtime.detector.detector import Detector
from edge_runtime.detector.resize import OPENCV, keep_opencv_to_one_thread
from studies.speed.bare import BareNetwork
from studies.speed.interleaved import contest
from studies.speed.rows import Task

SIZES = ((300, 300), (480, 640), (720, 1280))  # (height, width)
WHOLE_GOALS = (1.05, 1.10, 1.15)
RESIZE_GOAL, SAME_SIZE_GOAL = 1.2, 1.5


def tasks(bare: BareNetwork, detector: Detector, picture: np.ndarray) -> Iterator[Task]:
    """bare, detector: of one thread, with an int8 input of pixel - 128; detector: by Pillow."""
    keep_opencv_to_one_thread()
    by_opencv = Detector(detector.path, 1, resizer=OPENCV)
    frames = {hw: scaled(picture, hw) for hw in (*SIZES, detector.input_hw)}
    for hw in SIZES[1:]:
        yield from _resizes(detector, by_opencv, frames[hw])
    frame = frames[detector.input_hw]
    yield Task(
        "preprocess a frame of the network's size against an xor into the tensor",
        SAME_SIZE_GOAL,
        contest(partial(detector.preprocess, frame), partial(bare.set_pixels, frame)),
    )
    for hw, goal in zip(SIZES, WHOLE_GOALS, strict=True):
        for way, text in ((detector, ""), (by_opencv, ", resized by OpenCV,")):
            name = f"detect {hw[1]}x{hw[0]}{text} against the bare invoke"
            yield Task(name, goal, contest(partial(way.detect, frames[hw]), bare.invoke))


def _resizes(detector: Detector, by_opencv: Detector, frame: np.ndarray) -> Iterator[Task]:
    height, width = detector.input_hw
    name = f"preprocess {frame.shape[1]}x{frame.shape[0]}"
    ours = partial(detector.preprocess, frame)
    whole = partial(Image.fromarray(frame).resize, (width, height), Image.Resampling.BILINEAR)
    linear, area = (
        partial(cv2.resize, frame, (width, height), interpolation=interpolation)
        for interpolation in (cv2.INTER_LINEAR, cv2.INTER_AREA)
    )
    plain = "cv2.resize, which does not antialias"
    yield Task(f"{name} against Pillow's resize", RESIZE_GOAL, contest(ours, whole))
    yield Task(f"{name} against {plain}", RESIZE_GOAL, contest(ours, linear))
    ours = partial(by_opencv.preprocess, frame)
    name = f"{name}, resized by OpenCV,"
    antialiased = "cv2.resize with INTER_AREA, which antialiases as well"
    yield Task(f"{name} against {antialiased}", RESIZE_GOAL, contest(ours, area))
    yield Task(f"{name} against {plain}", RESIZE_GOAL, contest(ours, linear))


def scaled(picture: np.ndarray, hw: tuple[int, int]) -> np.ndarray:
    """A picture (H, W, 3) uint8 at another size."""
    return np.array(Image.fromarray(picture).resize(hw[::-1], Image.Resampling.BICUBIC))
