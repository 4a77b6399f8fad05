"""Detector: a .tflite file of any known family, ready to find objects in frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_runtime.detector.adapters.base import Thresholds
from edge_runtime.detector.adapters.families import Family
from edge_runtime.detector.adapters.registry import open_adapter
from edge_runtime.detector.detections import Detections
from edge_runtime.detector.interpreter import MOST_THREADS
from edge_runtime.detector.json_object import is_whole, shown
from edge_runtime.detector.model_file import ModelFile, read_model_file
from edge_runtime.detector.resize import PILLOW, find_resize
from edge_runtime.detector.spec import MOST_ANCHORS, DetectorSpec


class Detector:
    """Finds objects in RGB frames. `detect` is not for several threads at once.

    It is `preprocess`, `invoke` and `postprocess`, which a benchmark calls one by one, and of which
    each may have a thread of its own, if `postprocess` is told `picture_hw`.
    The three thresholds and the resizer may be assigned at any time; the next frame uses them.

    Attributes:
        path: of the model file.
        runtime: the interpreter in use; str() of it gives name and version.
        num_threads: of the interpreter.
        labels: the label file that was given; None for the names that the file has.

    Example:
        >>> detector = Detector("models/digits_int8.tflite")  # doctest: +SKIP
        >>> detector.detect(np.asarray(image.convert("RGB"))).names  # doctest: +SKIP
        ['3', '7']
    """

    def __init__(
        self,
        path: str | Path,
        num_threads: int | None = None,
        score_threshold: float = 0.5,
        iou_threshold: float = 0.45,
        max_detections: int = 100,
        family: str | None = None,
        labels: str | Path | None = None,
        file: ModelFile | None = None,
        resizer: str = PILLOW,
    ) -> None:
        """Load a .tflite file.

        Args:
            num_threads: 1 to 256; None for all cores that this process may use.
            score_threshold: keep a detection if its score >= it; in [0, 1].
            iou_threshold: of two boxes of a class, drop the worse if IoU > it; in [0, 1]. Files
                that suppress inside, by a threshold of their own, do not heed it.
            max_detections: in a frame, 1 to 1,000,000.
            family: name of the family, see `edge_runtime.detector.adapters.families`; None for
                what the file itself says.
            labels: file of class names for a file that has none, or instead of them.
            file: the one at `path`, read before; it may have been replaced since. None: it is read.
            resizer: "pillow", with which detectors are trained and calibrated, or "opencv", which
                is several times as fast; see `edge_runtime.detector.resize`.

        Raises: FileNotFoundError; SpecError if the file does not fit the spec inside it, or was
            calibrated on images prepared otherwise than here; ValueError for files that cannot be
            read as detectors and for arguments out of range; ImportError without an interpreter,
            and without OpenCV where that is to resize.
        """
        if num_threads is not None:
            _check_count("num_threads", num_threads, MOST_THREADS)
        self.score_threshold = score_threshold
        self.iou_threshold = iou_threshold
        self.max_detections = max_detections
        self.resizer = resizer
        self.path = Path(path)
        self._adapter = open_adapter(file or read_model_file(path), num_threads, family, labels)
        self._network = self._adapter.network
        self.runtime = self._network.runtime
        self.num_threads = self._network.num_threads
        self.labels = None if labels is None else Path(labels)
        self._picture_hw: tuple[int, int] | None = None

    @property
    def family(self) -> Family:
        """What kind of file it is, and in one line how it is read."""
        return self._adapter.family

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes; a class id is an index into them."""
        return self._adapter.class_names

    @property
    def unused_names(self) -> frozenset[str]:
        """Those of `class_names` that only stand for a number that no class has."""
        return self._adapter.unused

    @property
    def input_hw(self) -> tuple[int, int]:
        """Height and width of the network's input in pixels."""
        return self._adapter.input_hw

    @property
    def keeps_aspect(self) -> bool:
        """Whether pictures are scaled by one factor and padded, not stretched."""
        return self._adapter.keeps_aspect

    @property
    def spec(self) -> DetectorSpec | None:
        """The spec inside a file of this project; None for those of others."""
        return self._adapter.spec

    @property
    def score_threshold(self) -> float:
        """Keep a detection if its score >= this; in [0, 1]."""
        return self._score_threshold

    @score_threshold.setter
    def score_threshold(self, value: float) -> None:
        self._score_threshold = _fraction("score_threshold", value)

    @property
    def iou_threshold(self) -> float:
        """Of two boxes of a class, drop the worse if their IoU > this; in [0, 1]."""
        return self._iou_threshold

    @iou_threshold.setter
    def iou_threshold(self, value: float) -> None:
        self._iou_threshold = _fraction("iou_threshold", value)

    @property
    def max_detections(self) -> int:
        """The most detections in a frame, at least 1."""
        return self._max_detections

    @max_detections.setter
    def max_detections(self, value: int) -> None:
        self._max_detections = _check_count("max_detections", value, MOST_ANCHORS)

    @property
    def resizer(self) -> str:
        """What resizes pictures: a name of `edge_runtime.detector.resize.RESIZERS`."""
        return self._resizer

    @resizer.setter
    def resizer(self, name: str) -> None:
        self._resize = find_resize(name)
        self._resizer = name

    def detect(self, frame: np.ndarray) -> Detections:
        """Find objects in a frame.

        Args:
            frame: (H, W, 3) RGB uint8 of any size.

        Returns: `Detections` with boxes in pixels of the frame, best score first.
        Raises: TypeError, ValueError for anything but an RGB uint8 frame.
        """
        return self.postprocess(self.invoke(self.preprocess(frame)), frame.shape[:2])

    def preprocess(self, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3) RGB uint8 → the network's input, with batch, in its dtype."""
        tensor = self._adapter.preprocess(frame, self._resize)
        self._picture_hw = frame.shape[0], frame.shape[1]
        return tensor

    def invoke(self, input_tensor: np.ndarray) -> tuple[np.ndarray, ...]:
        """Run the network: its outputs as the family has them, without batch, in their own dtypes.

        Of a file of this project: logits (N, C + 1) and offsets (N, 4).
        """
        return self._adapter.invoke(input_tensor)

    def postprocess(
        self,
        raw: tuple[np.ndarray, ...],
        frame_hw: tuple[int, int],
        picture_hw: tuple[int, int] | None = None,
    ) -> Detections:
        """Outputs of `invoke` → `Detections` in a frame of height and width `frame_hw`.

        picture_hw: of what was preprocessed, which may be a smaller copy of the frame; None for the
            picture of the last `preprocess`.
        """
        thresholds = Thresholds(self.score_threshold, self.iou_threshold, self.max_detections)
        picture_hw = picture_hw or self._picture_hw or frame_hw
        boxes, scores, class_ids = self._adapter.decode(raw, picture_hw, thresholds)
        height, width = frame_hw
        pixels = boxes * np.asarray([width, height, width, height], dtype=np.float32)
        return Detections(pixels, scores, class_ids, self.class_names)


def _fraction(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must lie in [0, 1], got {value}; percent / 100 does")
    return float(value)


def _check_count(name: str, value: int, most: int) -> int:
    if not is_whole(value, 1, most):
        raise ValueError(f"{name} must be a whole number from 1 to {most}, got {shown(value)}")
    return int(value)
