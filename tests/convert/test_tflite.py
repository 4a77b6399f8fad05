import os
from functools import cache

import numpy as np
import pytest

from convert.errors import ConversionError, ModelError, hidden_output
from convert.runtime_versions import minimum_runtime
from convert.tflite import load_model
from convert.variants import VARIANTS
from convert.verify import find_problems, read_model
from edge_runtime.detector.boxes import iou
from edge_runtime.detector.detector import Detector
from edge_runtime.detector.preprocess import pixel_table
from edge_runtime.detector.spec import DetectorSpec
from tests.convert.fixtures import (  # noqa: F401
    SPEC,
    converted_fixture,
    draw_picture,
    frames_fixture,
    keras_path_fixture,
    make,
    make_model,
)

pytestmark = pytest.mark.slow

GRAY = np.full((64, 64, 3), 120, np.uint8)
BRIGHT = np.random.default_rng(0).integers(180, 240, (64, 64, 3), np.uint8)


def test_every_variant_is_sound(converted):
    for variant, path in converted.items():
        assert find_problems(path, variant) == []
        assert (2, 14) >= tuple(map(int, minimum_runtime(read_model(path)).split(".")))[:2] > (1, 0)


@pytest.mark.parametrize("variant", [name for name, row in VARIANTS.items() if not row.flag])
def test_detections_match_the_float_model(converted, variant):
    reference, quantised = Detector(converted["float32"]), Detector(converted[variant])
    rng = np.random.default_rng(7)
    for _ in range(10):
        frame, boxes, _ = draw_picture(rng, SPEC.class_names)
        expected, got = reference.detect(frame), quantised.detect(frame)
        assert len(expected) == len(got) == len(boxes)
        for row in range(len(expected)):
            overlap = iou(expected.boxes[row : row + 1], got.boxes)[0]
            match = int(overlap.argmax())
            assert overlap[match] > 0.97  # a box moves by at most half a quantisation step
            assert got.class_ids[match] == expected.class_ids[row]
            assert abs(got.scores[match] - expected.scores[row]) < 0.02


def test_the_float_file_computes_what_keras_computes(converted, keras_path):
    frame = draw_picture(np.random.default_rng(3), SPEC.class_names)[0]
    detector = Detector(converted["float32"])
    tensor = detector.preprocess(frame)
    expected = make_model()(tensor, training=False)
    logits, offsets = detector.invoke(tensor)
    np.testing.assert_allclose(logits, expected["logits"].numpy()[0], atol=1e-4)
    np.testing.assert_allclose(offsets, expected["offsets"].numpy()[0], atol=1e-4)


PICTURES = {"grey": [GRAY] * 3, "black": [np.zeros_like(GRAY)] * 3, "bright": [BRIGHT, GRAY]}


@pytest.fixture(scope="module")
def calibrated(keras_path, tmp_path_factory):
    """The int8 file by the name of its calibration pictures, each converted once."""
    return cache(
        lambda name: make("int8", keras_path, PICTURES[name], tmp_path_factory.mktemp(name))
    )


@pytest.mark.parametrize("name", PICTURES)
def test_input_range_does_not_depend_on_the_pictures(calibrated, name):
    path = calibrated(name)
    assert find_problems(path, "int8") == []
    graph = read_model(path).subgraphs[0]
    tensor = graph.tensors[graph.inputs[0]]
    assert float(tensor.quantization.scale[0]) == 1 / 128
    assert int(tensor.quantization.zeroPoint[0]) == 0
    pixels = np.arange(256, dtype=np.uint8)
    frame = np.resize(pixels, (64, 64, 3))
    got = Detector(path).preprocess(frame)[0]
    np.testing.assert_array_equal(got, frame.astype(np.int16) - 128)


def test_calibration_still_sets_the_other_ranges(calibrated):
    scales = [
        Detector(calibrated(name))._network.outputs["logits"].quantization[0]
        for name in ("grey", "bright")
    ]
    assert scales[0] != scales[1]


def test_another_pixel_range(keras_path, tmp_path):
    spec = DetectorSpec(SPEC.input_hw, SPEC.class_names, SPEC.levels, pixel_mean=0, pixel_scale=0.5)
    path = make("int8", keras_path, [GRAY], tmp_path, spec)
    assert find_problems(path, "int8") == []
    table = pixel_table(spec, np.int8, Detector(path)._network.input.quantization)
    assert len(set(table.tolist())) == 256


def test_converter_lines_stay_hidden(keras_path, tmp_path, frames, capfd):
    make("int8", keras_path, frames, tmp_path)
    out, err = capfd.readouterr()
    assert "fully_quantize" not in out + err
    assert "I0000" not in out + err


def test_log_comes_with_the_error(capfd):
    expected = pytest.raises(ConversionError, match=r"stepping failed: first line$")
    with expected as caught, hidden_output("stepping"):
        os.write(2, b"from C++\n")
        raise RuntimeError("first line\nsecond line")
    assert "from C++" in caught.value.log
    assert capfd.readouterr() == ("", "")
    print("visible again")
    assert capfd.readouterr().out == "visible again\n"


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        # What TensorFlow's own file writer raises, seen with a file system of 7 MB.
        RuntimeError("{{function_node SaveV2}} saved_model/variables; No space left on device"),
    ],
)
def test_full_disk_is_an_os_error(error):
    with pytest.raises(OSError, match="No space") as caught, hidden_output("stepping"):
        raise error
    assert caught.value.errno == 28


def test_model_that_does_not_fit_its_spec(keras_path):
    other = DetectorSpec(SPEC.input_hw, ("a", "b", "c"), SPEC.levels)
    with pytest.raises(ModelError, match=r"'logits': \(20, 4\).*got.*'logits': \(20, 3\)"):
        load_model(keras_path, other)


def test_file_that_is_no_keras_model(tmp_path):
    path = tmp_path / "a.keras"
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot load it"):
        load_model(path, SPEC)
