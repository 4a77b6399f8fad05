"""The bare network: a model file in its interpreter, without a line of the runtime around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_runtime.detector.interpreter import find_runtime


class BareNetwork:
    """Its input is set once.

    Attributes:
        invoke: runs it.
        quantizations: (scale, zero point) of the outputs by the number of their columns.
    """

    def __init__(self, model: Path, num_threads: int = 1) -> None:
        runtime = find_runtime().interpreter_class
        self._interpreter = runtime(model_content=model.read_bytes(), num_threads=num_threads)
        self._interpreter.allocate_tensors()
        (entry,) = self._interpreter.get_input_details()
        self._view = self._interpreter.tensor(entry["index"])
        self._view()[:] = 0
        self.invoke = self._interpreter.invoke
        self.quantizations: dict[int, tuple[float, int]] = {
            int(each["shape"][-1]): each["quantization"]
            for each in self._interpreter.get_output_details()
        }

    def set_pixels(self, frame: np.ndarray) -> None:
        """Write (H, W, 3) uint8, less 128, straight into an int8 input."""
        np.bitwise_xor(frame, np.uint8(128), out=self._view().view(np.uint8)[0])
