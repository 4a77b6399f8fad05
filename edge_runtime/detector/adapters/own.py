"""Adapter of this project's own files: logits and offsets, decoded by the spec inside."""

from __future__ import annotations

import numpy as np

from edge_runtime.detector.adapters import families
from edge_runtime.detector.adapters.base import Adapter, Found, Thresholds
from edge_runtime.detector.anchors import make_anchors
from edge_runtime.detector.calibration_record import CalibrationRecord, check_calibration
from edge_runtime.detector.interpreter import Network
from edge_runtime.detector.postprocess import FLOAT, decode_outputs
from edge_runtime.detector.preprocess import network_pixels, pixel_map
from edge_runtime.detector.resize import Resize
from edge_runtime.detector.spec import DetectorSpec, SpecError

OUTPUTS = ("logits", "offsets")


class OwnAdapter(Adapter):
    """SSD without suppression inside: softmax, anchors, box voting, as the spec says."""

    family = families.OWN
    spec: DetectorSpec

    def __init__(
        self, network: Network, spec: DetectorSpec, calibration: CalibrationRecord | None
    ) -> None:
        """Raises: SpecError if the spec does not fit the network, or it was calibrated on images
        prepared otherwise than here."""
        super().__init__(network, spec.class_names, spec.input_hw)
        self.spec = spec
        self._check_tensors()  # before anything is made that is as large as the spec says
        self._anchors = make_anchors(spec)
        tensor = network.input
        if calibration is not None:
            check_calibration(network.path, calibration, spec, tensor.dtype, tensor.quantization)
        self._to_input = pixel_map(spec, tensor.dtype, tensor.quantization)
        self._logits_quantization = network.outputs["logits"].quantization or FLOAT
        self._offsets_quantization = network.outputs["offsets"].quantization or FLOAT

    def preprocess(self, frame: np.ndarray, resize: Resize) -> np.ndarray:
        return self._to_input(network_pixels(frame, self.input_hw, resize))[None]

    def invoke(self, input_tensor: np.ndarray) -> tuple[np.ndarray, ...]:
        """Logits (N, C + 1) and offsets (N, 4), in the file's own dtypes."""
        outputs = self.network.invoke(input_tensor)
        return outputs["logits"][0], outputs["offsets"][0]

    def decode(
        self, raw: tuple[np.ndarray, ...], picture_hw: tuple[int, int], thresholds: Thresholds
    ) -> Found:
        logits, offsets = raw
        return decode_outputs(
            logits,
            offsets,
            self._anchors,
            self.spec.variances,
            *thresholds,
            self._logits_quantization,
            self._offsets_quantization,
        )

    def _check_tensors(self) -> None:
        network, spec, path = self.network, self.spec, self.network.path
        anchors = spec.num_anchors
        found = {**network.outputs, "input": network.input}
        expected = {
            "input": (1, *spec.input_hw, 3),
            "logits": (1, anchors, spec.num_classes + 1),
            "offsets": (1, anchors, 4),
        }
        for name, shape in expected.items():
            if name not in found:
                raise SpecError(
                    f"{path}: an output named {name!r} expected, "
                    f"found {sorted(network.outputs)}; convert again with `python -m convert`"
                )
            tensor = found[name]
            if tensor.shape != shape:
                raise SpecError(
                    f"{path}: its spec wants {name} of shape {shape}, found {tensor.shape}; "
                    "spec and network are not of one model: convert again"
                )
            integer = tensor.dtype in (np.int8, np.uint8, np.int16)
            if tensor.dtype != np.float32 and not (integer and tensor.quantization is not None):
                raise SpecError(
                    f"{path}: {name} must be float32 or quantised to 8 or 16 bits, "
                    f"found {np.dtype(tensor.dtype).name}; convert again with `python -m convert`"
                )
