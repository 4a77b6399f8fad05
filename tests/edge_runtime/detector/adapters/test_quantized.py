"""Integer inputs and outputs whose steps do not fit what they have to hold."""

from __future__ import annotations

import numpy as np
import pytest

from edge_runtime import Detector
from tests.edge_runtime.detector.adapters import test_mediapipe
from tests.edge_runtime.detector.adapters.test_post_processed import LABELS, VALUES
from tests.edge_runtime.detector.adapters.test_yolo import (
    FRAME,
    HW,
    ROWS,
    end_table,
    v8_table,
    write,
)
from tests.edge_runtime.detector.tflite_files import Input, Output, TinyFile

INT8 = Input(shape=(1, *HW, 3), dtype="int8", quantization=(1 / 255, -128))


@pytest.mark.parametrize(
    ("table", "scale"),
    [(v8_table(ROWS, unit=False), 0.4), (end_table(False), 0.4), (end_table(True), 0.31)],
    ids=["pixels", "finished, in pixels", "finished, 80 classes"],
)
def test_boxes_and_scores_in_one_tensor_of_8_bits(table, scale, tmp_path):
    stored = np.clip(np.rint(table / scale) - 128, -128, 127).astype(np.int8)
    path = write(tmp_path / "m.tflite", stored, inputs=INT8, quantization=(scale, -128))
    message = rf"m\.tflite: scores in steps of 0\.05 .*int8.* steps of {scale}.*float outputs"
    with pytest.raises(ValueError, match=message):
        Detector(path, 1)


def test_scores_that_are_not_quantised(tmp_path):
    message = r"m\.tflite: scores in steps of .* uint8 \[1, 3(, 3)?\] in steps of 1, "
    whole = {role: values.astype(np.uint8) for role, values in VALUES.items()}
    names = {"boxes": "boxes", "classes": "classes", "scores": "scores", "count": "count"}
    four = [Output(names[role], values) for role, values in whole.items()]
    with pytest.raises(ValueError, match=message):
        Detector(TinyFile(four, members=LABELS).write(tmp_path / "m.tflite"), 1)
    path = test_mediapipe.write(tmp_path / "m.tflite", scores=np.zeros((3, 3), np.uint8))
    with pytest.raises(ValueError, match=message):
        Detector(path, 1)


@pytest.mark.parametrize(
    ("dtype", "quantization", "least"),
    [("uint8", (1.0, 0), 0), ("int8", (1.0, -128), -128), ("int16", (0.5, 0), 0)],
)
def test_an_input_of_whole_pixels_takes_them(dtype, quantization, least, tmp_path, caplog):
    """Scaled to 0 to 1, all of the picture would be black."""
    inputs = Input(shape=(1, *HW, 3), dtype=dtype, quantization=quantization)
    path = write(tmp_path / "m.tflite", v8_table(ROWS), inputs=inputs)
    detector = Detector(path, 1)
    assert "pixels are taken as they are and not scaled to 0 to 1" in caplog.text
    tensor = detector.preprocess(FRAME)
    expected = np.array([114, 200]) / quantization[0] + least
    np.testing.assert_array_equal(np.unique(tensor), expected)


@pytest.mark.parametrize(
    ("dtype", "quantization"), [("int16", None), ("int8", (40.0, 0)), ("uint8", (3.0, 0))]
)
def test_an_input_that_would_be_black_is_refused(dtype, quantization, tmp_path):
    inputs = Input(shape=(1, *HW, 3), dtype=dtype, quantization=quantization)
    path = write(tmp_path / "m.tflite", v8_table(ROWS), inputs=inputs)
    with pytest.raises(ValueError, match=r"m\.tflite: an input .* 0 to 1 expected, found .*black"):
        Detector(path, 1)
