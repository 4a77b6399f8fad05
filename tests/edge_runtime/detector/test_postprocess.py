import math

import numpy as np
import pytest

from edge_runtime.detector.postprocess import WIDE_ROW, decode_outputs, dequantize
from edge_runtime.detector.suppression import MIN_CANDIDATES
from tests import reference

VARIANCES = (0.1, 0.2)
LOGITS_QUANTIZATION = (0.03, 3)
OFFSETS_QUANTIZATION = (0.05, -11)


def random_outputs(seed, count=60, classes=3):
    """int8 logits and offsets, and anchors, for which boxes overlap and scores tie."""
    random = np.random.default_rng(seed)
    # The whole range: a difference of two does not fit int8.
    logits = random.integers(-128, 128, (count, classes + 1)).astype(np.int8)
    offsets = random.integers(-50, 50, (count, 4)).astype(np.int8)
    anchors = random.uniform([0, 0, 0.1, 0.1], [1, 1, 0.6, 0.6], (count, 4)).astype(np.float32)
    return logits, offsets, anchors


def one_anchor(*logits):
    """Outputs of a single anchor in the middle of the picture, for given logits."""
    anchor = np.asarray([[0.5, 0.5, 0.5, 0.5]], np.float32)
    return np.asarray([logits], np.float32), np.zeros((1, 4), np.float32), anchor


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("score_threshold", [0.0, 0.01, 0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_quantised_outputs_against_loops(seed, score_threshold, dtype):
    logits, offsets, anchors = random_outputs(seed)
    zeros = (LOGITS_QUANTIZATION, OFFSETS_QUANTIZATION)
    expected = reference.decode_outputs(
        *(dequantize(v, q).tolist() for v, q in zip((logits, offsets), zeros, strict=True)),
        anchors.tolist(),
        VARIANCES,
        score_threshold,
        0.45,
        20,
    )
    if dtype == np.uint8:  # the same numbers, with the zero point moved along
        logits, offsets = ((v.astype(int) + 128).astype(dtype) for v in (logits, offsets))
        zeros = tuple((scale, zero + 128) for scale, zero in zeros)
    boxes, scores, class_ids = decode_outputs(
        logits, offsets, anchors, VARIANCES, score_threshold, 0.45, 20, *zeros
    )
    assert (boxes.dtype, scores.dtype, class_ids.dtype) == (np.float32, np.float32, np.int64)
    assert class_ids.tolist() == expected[2]
    np.testing.assert_allclose(scores, expected[1], rtol=1e-5)
    np.testing.assert_allclose(boxes, np.reshape(expected[0], (-1, 4)), atol=1e-5)


@pytest.mark.parametrize("score_threshold", [0.0, 0.2, 0.5, 0.999])
def test_quantised_equals_dequantised_first(score_threshold):
    logits, offsets, anchors = random_outputs(9, count=500, classes=20)
    arguments = (anchors, VARIANCES, score_threshold, 0.45, 100)
    quantised = decode_outputs(
        logits, offsets, *arguments, LOGITS_QUANTIZATION, OFFSETS_QUANTIZATION
    )
    floats = decode_outputs(
        dequantize(logits, LOGITS_QUANTIZATION),
        dequantize(offsets, OFFSETS_QUANTIZATION),
        *arguments,
    )
    np.testing.assert_array_equal(quantised[2], floats[2])
    for one, other in zip(quantised[:2], floats[:2], strict=True):
        np.testing.assert_allclose(one, other, atol=4 * np.finfo(np.float32).eps)


def test_score_at_the_threshold_exactly_is_kept():
    logits, offsets, anchor = one_anchor(0, math.log(3), -50)  # p = 3 / (1 + 3)
    (score,) = decode_outputs(logits, offsets, anchor, VARIANCES, 0.0, 0.5, 1)[1]
    assert score == pytest.approx(0.75)
    above = float(np.nextafter(score, np.float32(1)))
    for threshold, count in ((float(score), 1), (above, 0)):
        result = decode_outputs(logits, offsets, anchor, VARIANCES, threshold, 0.5, 10)
        assert len(result[1]) == count


def test_an_anchor_may_stand_for_two_classes():
    result = decode_outputs(*one_anchor(-5, 2, 2), VARIANCES, 0.4, 0.5, 10)
    assert result[2].tolist() == [0, 1]
    np.testing.assert_array_equal(result[0], [[0.25, 0.25, 0.75, 0.75]] * 2)


@pytest.mark.parametrize(("top", "count"), [(2, 0), (30, 1)])
def test_threshold_of_one_keeps_only_certainty(top, count):
    result = decode_outputs(*one_anchor(-top, top, -top), VARIANCES, 1.0, 0.5, 10)
    assert len(result[1]) == count


def test_threshold_of_zero_keeps_every_class():
    result = decode_outputs(*one_anchor(50, -50, -50), VARIANCES, 0.0, 0.5, 10)
    assert result[2].tolist() == [0, 1]


def test_nothing_found():
    boxes, scores, class_ids = decode_outputs(*one_anchor(9, 0, 0), VARIANCES, 0.5, 0.5, 10)
    assert boxes.shape == (0, 4) and boxes.dtype == np.float32
    assert scores.shape == (0,) and class_ids.shape == (0,) and class_ids.dtype == np.int64


def test_boxes_outside_the_picture_are_dropped_and_others_clipped():
    logits = np.asarray([[0, 9]] * 3, np.float32)
    anchors = np.asarray([[1.5, 0.5, 0.5, 0.5], [1, 0.5, 0.5, 0.5], [0, 0, 0.5, 0.5]], np.float32)
    boxes, _, _ = decode_outputs(logits, np.zeros((3, 4)), anchors, VARIANCES, 0.5, 0.5, 10)
    np.testing.assert_array_equal(boxes, [[0.75, 0.25, 1, 0.75], [0, 0, 0.25, 0.25]])


def test_nan_is_no_detection():
    logits, offsets, anchor = one_anchor(0, np.nan, 9)
    assert len(decode_outputs(logits, offsets, anchor, VARIANCES, 0.5, 0.5, 10)[1]) == 0
    logits, offsets, anchor = one_anchor(0, 9, 0)
    assert len(decode_outputs(logits, offsets * np.nan, anchor, VARIANCES, 0.5, 0.5, 10)[1]) == 0


def test_only_the_best_candidates_enter_the_suppression():
    count = MIN_CANDIDATES + 5
    logits = np.zeros((count, 2), np.float32)
    logits[:, 1] = np.linspace(1, 2, count)  # best last
    anchors = np.tile(np.asarray([[0.5, 0.5, 0.2, 0.2]], np.float32), (count, 1))
    offsets = np.zeros((count, 4), np.float32)
    offsets[0] = 20  # apart from the rest, but the worst
    assert len(decode_outputs(logits, offsets, anchors, VARIANCES, 0.5, 0.5, 10)[1]) == 1
    assert len(decode_outputs(logits, offsets, anchors, VARIANCES, 0.5, 0.5, 200)[1]) == 2


def test_shapes_that_do_not_fit_are_refused():
    logits, offsets, anchor = one_anchor(0, 1)
    for wrong in ((logits[None], offsets), (logits, offsets[:, :3]), (logits[:0], offsets)):
        with pytest.raises(ValueError, match=r"for 1 anchors, got .*without the batch dimension"):
            decode_outputs(*wrong, anchor, VARIANCES, 0.5, 0.5, 10)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.float32])
@pytest.mark.parametrize("classes", [1, 2, 3, 10, 90, WIDE_ROW - 1, WIDE_ROW, WIDE_ROW + 1])
def test_the_best_class_is_the_largest_of_its_row(classes, dtype):
    """No row passes or fails by its neighbours, whose logits the doubling windows also see."""
    random = np.random.default_rng(classes)
    logits = random.integers(0, 120, (50, classes + 1)).astype(dtype)
    logits[::2, 0] = 121  # a background above every class: these rows can reach no half
    offsets, anchors = (
        np.zeros((50, 4), np.float32),
        np.tile(np.float32([0.5, 0.5, 0.2, 0.2]), (50, 1)),
    )
    anchors[:, 0] = np.linspace(0.1, 0.9, 50)
    logits[1::2] = np.sort(logits[1::2], axis=1)  # here the last class is above the background
    logits[1::2, -1] += 5
    scores = decode_outputs(logits, offsets, anchors, VARIANCES, 0.5, 1.0, 100)[1]
    expected = [reference.softmax(row.astype(float).tolist())[1:] for row in logits]
    assert sorted(scores.tolist()) == pytest.approx(
        sorted(score for row in expected for score in row if score >= 0.5), rel=1e-5
    )
