"""Detector: a .tflite file with its spec, ready to find objects in frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_runtime.detector.anchors import make_anchors
from edge_runtime.detector.calibration_record import check_calibration
from edge_runtime.detector.detections import Detections
from edge_runtime.detector.interpreter import Network
from edge_runtime.detector.postprocess import FLOAT, decode_outputs
from edge_runtime.detector.preprocess import preprocess
from edge_runtime.detector.spec import SpecError, read_spec


class Detector:
    """Finds objects in RGB frames. Not for several threads at once.

    `detect` is `preprocess`, `invoke` and `postprocess`, which a benchmark calls one by one.
    The three thresholds may be assigned at any time; the next frame uses them.

    Attributes:
        path: of the model file.
        spec: the `DetectorSpec` inside it.
        runtime: the interpreter in use; str() of it gives name and version.
        num_threads: of the interpreter.

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
    ) -> None:
        """Load a .tflite file that carries a spec.

        Args:
            num_threads: at least 1; None for all cores that this process may use.
            score_threshold: keep a detection if its score >= it; in [0, 1].
            iou_threshold: of two boxes of a class, drop the worse if IoU > it; in [0, 1].
            max_detections: in a frame, at least 1.

        Raises: FileNotFoundError; SpecError if the file has no spec, does not fit it, or was
            calibrated on images prepared otherwise than here; ValueError for other files and for
            arguments out of range; ImportError without an interpreter.
        """
        if num_threads is not None:
            _check_count("num_threads", num_threads)
        self.score_threshold = score_threshold
        self.iou_threshold = iou_threshold
        self.max_detections = max_detections
        self.path = Path(path)
        self.spec = read_spec(path)
        self._anchors = make_anchors(self.spec)
        self._network = Network(path, num_threads)
        self.runtime = self._network.runtime
        self.num_threads = self._network.num_threads
        self._check_tensors()
        tensor = self._network.input
        check_calibration(path, self.spec, tensor.dtype, tensor.quantization)

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
        self._max_detections = _check_count("max_detections", value)

    def detect(self, frame: np.ndarray) -> Detections:
        """Find objects in a frame.

        Args:
            frame: (H, W, 3) RGB uint8 of any size.

        Returns: `Detections` with boxes in pixels of the frame, best score first.
        Raises: TypeError, ValueError for anything but an RGB uint8 frame.
        """
        return self.postprocess(self.invoke(self.preprocess(frame)), frame.shape[:2])

    def preprocess(self, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3) RGB uint8 → the network's input (1, input_h, input_w, 3), in its dtype."""
        tensor = self._network.input
        return preprocess(frame, self.spec, tensor.dtype, tensor.quantization)

    def invoke(self, input_tensor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Run the network: logits (N, C + 1) and offsets (N, 4), in the file's own dtypes."""
        outputs = self._network.invoke(input_tensor)
        return outputs["logits"][0], outputs["offsets"][0]

    def postprocess(
        self, raw: tuple[np.ndarray, np.ndarray], frame_hw: tuple[int, int]
    ) -> Detections:
        """Outputs of `invoke` → `Detections` in a frame of height and width `frame_hw`."""
        boxes, scores, class_ids = decode_outputs(
            *raw,
            self._anchors,
            self.spec.variances,
            self.score_threshold,
            self.iou_threshold,
            self.max_detections,
            self._network.outputs["logits"].quantization or FLOAT,
            self._network.outputs["offsets"].quantization or FLOAT,
        )
        height, width = frame_hw
        pixels = boxes * np.asarray([width, height, width, height], dtype=np.float32)
        return Detections(pixels, scores, class_ids, self.spec.class_names)

    def _check_tensors(self) -> None:
        network, spec = self._network, self.spec
        anchors = len(self._anchors)
        found = {**network.outputs, "input": network.input}
        expected = {
            "input": (1, *spec.input_hw, 3),
            "logits": (1, anchors, spec.num_classes + 1),
            "offsets": (1, anchors, 4),
        }
        for name, shape in expected.items():
            if name not in found:
                raise SpecError(
                    f"{self.path}: an output named {name!r} expected, "
                    f"found {sorted(network.outputs)}; convert again with `python -m convert`"
                )
            tensor = found[name]
            if tensor.shape != shape:
                raise SpecError(
                    f"{self.path}: its spec wants {name} of shape {shape}, found {tensor.shape}; "
                    "spec and network are not of one model: convert again"
                )
            integer = tensor.dtype in (np.int8, np.uint8, np.int16)
            if tensor.dtype != np.float32 and not (integer and tensor.quantization is not None):
                raise SpecError(
                    f"{self.path}: {name} must be float32 or quantised to 8 or 16 bits, "
                    f"found {np.dtype(tensor.dtype).name}; convert again with `python -m convert`"
                )


def _fraction(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must lie in [0, 1], got {value}; percent / 100 does")
    return float(value)


def _check_count(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    return int(value)
