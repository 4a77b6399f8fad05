"""Run a quantized SSD detector on a Raspberry Pi, with NumPy and a TFLite interpreter."""

from edge_runtime import moved
from edge_runtime.detector.detections import Detections
from edge_runtime.detector.detector import Detector
from edge_runtime.detector.spec import AnchorLevel, DetectorSpec, SpecError, read_spec

__all__ = ["AnchorLevel", "Detections", "Detector", "DetectorSpec", "SpecError", "read_spec"]

moved.install(__name__)
