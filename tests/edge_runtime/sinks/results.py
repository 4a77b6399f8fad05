"""Results to feed a sink with."""

from __future__ import annotations

import numpy as np

from edge_runtime.detector.detections import Detections
from edge_runtime.frame import Frame, Result
from edge_runtime.sinks.base import Context

CLASS_NAMES = ("red", "green")


def make_result(
    number: int = 0,
    classes: tuple[str, ...] = ("red",),
    at: float | None = None,
    time: float | None = None,
    image: np.ndarray | None = None,
    class_names: tuple[str, ...] = CLASS_NAMES,
) -> Result:
    """A frame, gray unless an image is given, with a box for each name in `classes`.

    at: seconds of `captured_at`; a tenth for each number unless given. time: Unix time.
    """
    if image is None:
        image = np.full((120, 160, 3), 90, np.uint8)
    at = number / 10 if at is None else at
    boxes = [[20 + 30 * i, 40, 40 + 30 * i, 80] for i in range(len(classes))]
    detections = Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.linspace(0.9, 0.6, len(classes)),
        np.array([class_names.index(name) for name in classes], np.int64),
        class_names,
    )
    moment = 1_780_000_000 + at if time is None else time
    return Result(Frame(image.shape[:2], at, moment, number, image), detections)


def make_context(fps: float | None = None) -> Context:
    """fps: of a recording; None for a live source."""
    return Context("model.tflite", CLASS_NAMES, "usb:0", fps=lambda: fps)
