"""Frame and Result: what a source hands to the detector, and the detector to the sinks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge_runtime.detector.detections import Detections


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a source, whole, or only at the network's size, or both.

    Attributes:
        hw: (height, width) of the whole image; boxes are in its pixels.
        captured_at: seconds of `time.monotonic()`, the same clock in every process.
        time: seconds since 1970 (Unix time) at capture.
        number: counted by the source from 0; gaps are frames that it dropped.
        image: (H, W, 3) RGB uint8; None where no sink shows it and the camera's own processor
            delivers `small`.
        small: (h, w, 3) RGB uint8, the whole image stretched or scaled to the network's input by
            the camera's own processor; None where that is left to `preprocess`.
        name: of the file it comes from, or None.

    Raises: ValueError with neither `image` nor `small`.
    """

    hw: tuple[int, int]
    captured_at: float
    time: float
    number: int
    image: np.ndarray | None = None
    small: np.ndarray | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        if self.image is None and self.small is None:
            raise ValueError("a frame needs a picture or a small one, got neither")

    @property
    def for_detector(self) -> np.ndarray:
        """The cheaper one to look at: (h, w, 3) RGB uint8."""
        wanted = self.image if self.small is None else self.small
        assert wanted is not None  # __post_init__ refuses a frame with neither
        return wanted


@dataclass(frozen=True, eq=False)
class Result:
    """A frame and what was found in it.

    Attributes:
        detections: boxes in pixels of `frame.hw`.
        milliseconds: of "preprocess", "inference" and "postprocess".
        latency: seconds from capture to the end of post-processing.
    """

    frame: Frame
    detections: Detections
    milliseconds: dict[str, float] = field(default_factory=dict)
    latency: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: time (Unix seconds), frame, image (a file's name), width, height, ms,
        latency_ms, detections as `Detections.to_dicts`."""
        height, width = self.frame.hw
        line: dict[str, Any] = {"time": round(self.frame.time, 3), "frame": self.frame.number}
        if self.frame.name is not None:
            line["image"] = self.frame.name
        return line | {
            "width": width,
            "height": height,
            "ms": self.milliseconds,
            "latency_ms": round(1000 * self.latency, 2),
            "detections": self.detections.to_dicts(),
        }
