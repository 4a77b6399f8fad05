"""Builds the smallest detector that has everything: `python tests/tiny_model.py FOLDER`.

Input 32 × 48, one anchor of 16 × 16 pixels in each of 2 × 3 cells, fixed weights. A red cell is a
"red", a green one a "green"; each box is half as wide as its cell, as high, and 2 pixels lower.
Run as a process of its own where the tests' process has no TensorFlow yet: its import is slow,
noisy, and would hide that the runtime does without.
"""

import math
import os
import sys
from pathlib import Path

import numpy as np

from edge_runtime.detector.spec import AnchorLevel, DetectorSpec, embed

SPEC = DetectorSpec(
    input_hw=(32, 48), class_names=("red", "green"), levels=(AnchorLevel(16, (0.5,), (1.0,)),)
)
# In input pixels; the lower row of cells is cut off by the rim.
CELL_BOX = (4, 2, 12, 18)


def _network(tf):
    mean = np.full((16, 16, 3, 3), 1 / 256, np.float32)
    score = 4 * np.array([[0, 1, -1], [0, -1, 1], [0, 0, 0]])  # rows r, g, b; background, classes
    kernel = (mean * score).astype(np.float32)
    zeros = np.zeros((16, 16, 3, 4), np.float32)
    offsets = np.array([1.25, 0, 0, math.log(0.5) / 0.2], np.float32)  # ty, tx, th, tw

    class Network(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, *SPEC.input_hw, 3), tf.float32)])
        def serve(self, image):
            logits = tf.nn.conv2d(image, kernel, 16, "VALID") + np.array([4, 0, 0], np.float32)
            boxes = tf.nn.conv2d(image, zeros, 16, "VALID") + offsets
            return {
                "offsets": tf.reshape(boxes, (1, 6, 4)),
                "logits": tf.reshape(logits, (1, 6, 3)),
            }

    return Network()


def _calibration():
    random = np.random.default_rng(0)
    for _ in range(20):  # cells of pure colours, at the ends of the input's range
        cells = random.integers(0, 2, (1, 2, 3, 3)).repeat(16, axis=1).repeat(16, axis=2)
        yield [np.where(cells == 1, 127 / 128, -1).astype(np.float32)]


def build(folder: Path) -> None:
    """Write tiny_float.tflite, tiny_int8.tflite and the spec-less tiny_bare.tflite."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    network = _network(tf)
    for name, integer in (("tiny_float", False), ("tiny_int8", True)):
        functions = [network.serve.get_concrete_function()]
        converter = tf.lite.TFLiteConverter.from_concrete_functions(functions, network)
        if integer:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = _calibration
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        path = folder / f"{name}.tflite"
        path.write_bytes(converter.convert())
        (folder / "tiny_bare.tflite").write_bytes(path.read_bytes())
        embed(path, SPEC, {"min_runtime_version.txt": "2.3.0"})


if __name__ == "__main__":
    build(Path(sys.argv[1]))
