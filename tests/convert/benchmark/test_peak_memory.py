"""Peak memory of a detector in a process of its own."""

import sys

import numpy as np
import pytest
from PIL import Image

from convert.benchmark.peak_memory import measure_peak_memory


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="proc(5) is Linux's")
def test_a_detectors_peak_is_that_of_python_numpy_and_itself(tiny_models, tmp_path):
    picture = tmp_path / "black.png"
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(picture)
    peak = measure_peak_memory(tiny_models / "tiny_int8.tflite", picture, threads=1)
    assert peak is not None
    assert 20e6 < peak < 500e6  # no training's hundreds of megabytes are among it


def test_what_cannot_be_measured_is_blank(tmp_path):
    assert measure_peak_memory(tmp_path / "none.tflite", tmp_path / "none.png") is None
