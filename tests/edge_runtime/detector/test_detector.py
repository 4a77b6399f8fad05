"""The detector on really converted tiny models; what they find is known by their weights."""

from dataclasses import replace

import numpy as np
import pytest

from edge_runtime import AnchorLevel, Detector, SpecError
from edge_runtime.detector.spec import embed
from tests.tiny_model import CELL_BOX, SPEC


@pytest.fixture(params=["tiny_float", "tiny_int8"])
def detector(request, tiny_models):
    return Detector(tiny_models / f"{request.param}.tflite", num_threads=1)


def expected_boxes():
    """The frame is 3 times as wide and 2 times as high as the input."""
    left, top, right, bottom = CELL_BOX
    red = (3 * (left + 32), 2 * top, 3 * (right + 32), 2 * bottom)
    green = (3 * left, 2 * (top + 16), 3 * right, 64)  # cut off by the rim
    return [red, green]


def test_finds_the_colored_cells(detector, red_frame):
    found = detector.detect(red_frame)
    assert found.names == ["red", "green"]
    assert found.scores == pytest.approx([0.98, 0.88], abs=0.02)
    # int8 offsets come in steps of about 0.02: a tenth of an input pixel.
    np.testing.assert_allclose(found.boxes, expected_boxes(), atol=0.5)


def test_empty_frame_gives_empty_detections(detector):
    assert len(detector.detect(np.zeros((5, 7, 3), np.uint8))) == 0


def test_int8_is_close_to_float(tiny_models):
    random = np.random.default_rng(0)
    frame = random.integers(0, 2, (2, 3, 3), np.uint8).repeat(16, 0).repeat(16, 1) * 255
    both = [
        Detector(tiny_models / f"tiny_{kind}.tflite", 1, score_threshold=0).detect(frame)
        for kind in ("float", "int8")
    ]
    assert len(both[0]) == len(both[1]) == 12  # 6 anchors, 2 classes, no overlap
    np.testing.assert_allclose(both[0].scores, both[1].scores, atol=0.03)


def test_the_three_steps_are_detect(detector, red_frame):
    tensor = detector.preprocess(red_frame)
    assert tensor.shape == (1, 32, 48, 3)
    logits, offsets = detector.invoke(tensor)
    assert logits.shape == (6, 3) and offsets.shape == (6, 4) and logits.dtype == tensor.dtype
    found = detector.postprocess((logits, offsets), red_frame.shape[:2])
    np.testing.assert_array_equal(found.boxes, detector.detect(red_frame).boxes)


def test_results_stay_after_the_next_frame(detector, red_frame):
    raw = detector.invoke(detector.preprocess(red_frame))
    before = raw[0].copy()
    detector.detect(255 - red_frame)
    np.testing.assert_array_equal(raw[0], before)


def test_thresholds_may_change(detector, red_frame):
    detector.score_threshold = 0.95
    assert detector.detect(red_frame).names == ["red"]
    detector.score_threshold = 0
    assert len(detector.detect(red_frame)) == 12
    detector.max_detections = 3
    assert len(detector.detect(red_frame)) == 3


@pytest.mark.parametrize(
    "arguments",
    [
        {"score_threshold": -0.1},
        {"score_threshold": 1.1},
        {"score_threshold": float("nan")},
        {"iou_threshold": 50},
        {"max_detections": 0},
        {"max_detections": 2.5},
        {"num_threads": 0},
        {"num_threads": True},
    ],
)
def test_arguments_out_of_range_are_refused(arguments, tiny_models):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))} must"):
        Detector(tiny_models / "tiny_int8.tflite", **arguments)


def test_zero_is_a_threshold(tiny_models):
    detector = Detector(tiny_models / "tiny_int8.tflite", 1, score_threshold=0, iou_threshold=0)
    assert detector.score_threshold == 0 and detector.iou_threshold == 0


def test_wrong_frame_is_refused(detector):
    with pytest.raises(ValueError, match="converts grey"):
        detector.detect(np.zeros((4, 4), np.uint8))


def test_missing_file_and_file_without_spec(tiny_models, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.tflite"):
        Detector(tmp_path / "none.tflite")
    with pytest.raises(SpecError, match=r"tiny_bare\.tflite: .*found none"):
        Detector(tiny_models / "tiny_bare.tflite")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (replace(SPEC, input_hw=(48, 32)), r"input of shape \(1, 48, 32, 3\), found \(1, 32, 48"),
        (replace(SPEC, class_names=("a",)), r"logits of shape \(1, 6, 2\), found \(1, 6, 3\)"),
        (
            replace(SPEC, levels=(AnchorLevel(8, (0.5,), (1.0,)),)),
            r"logits of shape \(1, 24, 3\), found",
        ),
    ],
)
def test_spec_of_another_network_is_refused(spec, message, tiny_models, tmp_path):
    path = tmp_path / "other.tflite"
    path.write_bytes((tiny_models / "tiny_bare.tflite").read_bytes())
    embed(path, spec)
    with pytest.raises(SpecError, match=rf"other\.tflite: its spec wants {message}"):
        Detector(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"PK\3\4 a zip", "is not a TFLite file"), (b"\x1c\0\0\0TFL3" + b"\0" * 500, "truncated")],
)
def test_broken_file_is_named(content, message, tmp_path):
    path = tmp_path / "broken.tflite"
    path.write_bytes(content)
    embed(path, SPEC)
    with pytest.raises(ValueError, match=rf"broken\.tflite.*{message}"):
        Detector(path)
