"""Frame and Result: what a source hands to the detector, and the detector to the sinks."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from edge_runtime.detector.detections import Detections

REDUCING_GAP = 2.0  # Pillow halves first what is at least so many times too large: half the time
NO_IMAGE = np.zeros((1, 1, 3), np.uint8)


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

    @property
    def nbytes(self) -> int:
        """Bytes of its images."""
        return sum(image.nbytes for image in (self.image, self.small) if image is not None)


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
    _scaled: dict[tuple[int, int], Result] = field(default_factory=dict, init=False, repr=False)
    _scaling: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    @cached_property
    def without_image(self) -> Result:
        """The same, for what looks at no image: it may wait without holding memory."""
        frame = replace(self.frame, image=None, small=NO_IMAGE)
        return Result(frame, self.detections, self.milliseconds, self.latency)

    def fitted(self, most_wh: tuple[int, int]) -> Result:
        """The same with its image scaled down by one factor until it fits into (width, height);
        boxes too. Computed once, whoever asks, in any thread. Itself where it fits already."""
        height, width = self.frame.hw
        factor = min(most_wh[0] / width, most_wh[1] / height)
        image = self.frame.image
        if factor >= 1 or image is None:
            return self
        # Even sides, for what makes a video of it.
        new_wh = (max(2, round(width * factor) & ~1), max(2, round(height * factor) & ~1))
        with self._scaling:
            if new_wh not in self._scaled:
                self._scaled[new_wh] = self._scale(image, new_wh)
            return self._scaled[new_wh]

    def _scale(self, image: np.ndarray, new_wh: tuple[int, int]) -> Result:
        height, width = self.frame.hw
        small = Image.fromarray(image).resize(
            new_wh, Image.Resampling.BILINEAR, reducing_gap=REDUCING_GAP
        )
        frame = replace(self.frame, hw=new_wh[::-1], image=np.asarray(small), small=None)
        scale = np.array([new_wh[0] / width, new_wh[1] / height] * 2, np.float32)
        detections = replace(self.detections, boxes=self.detections.boxes * scale)
        return Result(frame, detections, self.milliseconds, self.latency)

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
