import numpy as np
import pytest

from edge_runtime.detector import boxes as box_ops
from tests import reference

VARIANCES = (0.1, 0.2)


def random_boxes(random, count, steps=16):
    """(N, 4) xyxy with corners on a grid: many touch, repeat or tie, and areas are exact."""
    corners = np.sort(random.integers(0, steps + 1, (count, 2, 2)), axis=1)
    corners[:, 1] += corners[:, 1] == corners[:, 0]  # no empty ones here
    return corners.reshape(count, 4) / steps


def test_conversions_by_hand():
    corners = np.asarray([[0.1, 0.2, 0.5, 0.4]])
    centers = np.asarray([[0.3, 0.3, 0.4, 0.2]])
    np.testing.assert_allclose(box_ops.xyxy_to_cxcywh(corners), centers)
    np.testing.assert_allclose(box_ops.cxcywh_to_xyxy(centers), corners)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ((0, 0, 1, 1), 1.0),
        ((0, 0, 0.5, 1), 0.5),
        ((0.5, 0, 1.5, 1), 1 / 3),
        ((1, 0, 2, 1), 0.0),  # touching is not overlapping: no "+ 1"
        ((2, 2, 3, 3), 0.0),
        ((0.5, 0.5, 0.5, 0.9), 0.0),  # a line
        ((0.9, 0.9, 0.1, 0.1), 0.0),  # inverted
    ],
)
def test_iou_by_hand(other, expected):
    unit, other = np.asarray([[0.0, 0, 1, 1]]), np.asarray([other], float)
    assert box_ops.iou(unit, other) == pytest.approx(expected)
    assert box_ops.iou(other, unit) == pytest.approx(expected)


def test_iou_of_two_empty_boxes_is_zero():
    point = np.asarray([[0.5, 0.5, 0.5, 0.5]])
    assert box_ops.iou(point, point) == 0


def test_iou_against_loops():
    random = np.random.default_rng(1)
    one, other = random_boxes(random, 30), random_boxes(random, 20)
    expected = [[reference.iou(a, b) for b in other] for a in one]
    np.testing.assert_allclose(box_ops.iou(one, other), expected, rtol=1e-12)


def test_encode_and_decode_are_inverse():
    random = np.random.default_rng(2)
    boxes = random_boxes(random, 200)
    anchors = box_ops.xyxy_to_cxcywh(random_boxes(random, 200))
    offsets = box_ops.encode(boxes, anchors, VARIANCES)
    np.testing.assert_allclose(box_ops.decode(offsets, anchors, VARIANCES), boxes, atol=1e-5)


def test_decode_against_loops():
    random = np.random.default_rng(3)
    anchors = random.uniform(0.1, 1, (50, 4))
    offsets = random.normal(0, 3, (50, 4))
    expected = [
        reference.decode(row, anchor, VARIANCES)
        for row, anchor in zip(offsets, anchors, strict=True)
    ]
    np.testing.assert_allclose(box_ops.decode(offsets, anchors, VARIANCES), expected)


def test_offsets_are_ordered_ty_tx_th_tw():
    anchor = np.asarray([[0.5, 0.5, 0.2, 0.4]])
    moved_down_and_wider = np.asarray([[0.3, 0.34, 0.7, 0.74]])  # cy + 0.04, width doubled
    offsets = box_ops.encode(moved_down_and_wider, anchor, VARIANCES)
    np.testing.assert_allclose(offsets, [[1, 0, 0, np.log(2) / 0.2]], atol=1e-5)


def test_decode_of_absurd_offsets_is_finite():
    anchors = np.asarray([[0.5, 0.5, 0.2, 0.4]], np.float32)
    offsets = np.full((1, 4), 1e6, np.float32)
    assert np.isfinite(box_ops.decode(offsets, anchors, VARIANCES)).all()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("iou_threshold", [0.0, 0.25, 0.5, 1.0])
def test_nms_against_loops(seed, iou_threshold):
    random = np.random.default_rng(seed)
    boxes = random_boxes(random, 80, steps=6)
    scores = random.integers(0, 10, 80) / 10  # ties
    class_ids = random.integers(0, 3, 80)
    for most in (1, 7, 80):
        expected = reference.nms(boxes, scores, class_ids, iou_threshold, most)
        kept = box_ops.nms(boxes, scores, class_ids, iou_threshold, most)
        assert kept.tolist() == expected


@pytest.mark.parametrize(
    ("width", "kept"),
    [
        (0.5, [0, 1]),  # an IoU of 0.5 exactly: stays
        (0.5 + 2**-10, [0]),  # just over
        (0.5 - 2**-10, [0, 1]),  # just under
    ],
)
def test_nms_at_the_threshold(width, kept):
    boxes = np.asarray([[0, 0, 1, 1], [0, 0, width, 1]], np.float32)
    scores = np.asarray([0.9, 0.8], np.float32)
    assert box_ops.nms(boxes, scores, np.zeros(2, int), 0.5, 10).tolist() == kept


def test_nms_keeps_the_same_box_of_another_class():
    boxes = np.asarray([[0, 0, 1, 1]] * 3, np.float32)
    scores = np.asarray([0.8, 0.9, 0.7], np.float32)
    assert box_ops.nms(boxes, scores, np.asarray([0, 1, 0]), 0.5, 10).tolist() == [1, 0]


def test_nms_takes_the_earlier_of_equals():
    boxes = np.asarray([[0, 0, 1, 1], [0, 0, 1, 1]], np.float32)
    assert box_ops.nms(boxes, np.asarray([0.5, 0.5]), np.zeros(2, int), 0.5, 10).tolist() == [0]


def test_nms_of_nothing():
    kept = box_ops.nms(np.empty((0, 4)), np.empty(0), np.empty(0, int), 0.5, 10)
    assert kept.shape == (0,) and kept.dtype == np.int64


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("iou_threshold", [0.0, 0.5, 0.8, 1.0])
def test_vote_against_loops(seed, iou_threshold):
    random = np.random.default_rng(seed)
    boxes = random_boxes(random, 80, steps=6)  # a coarse grid: many boxes agree
    scores = random.uniform(0, 1, 80).astype(np.float32)
    class_ids = random.integers(0, 2, 80)
    keep = box_ops.nms(boxes, scores, class_ids, iou_threshold, 80)
    expected = reference.vote(
        boxes.tolist(), scores.tolist(), class_ids.tolist(), keep, iou_threshold
    )
    voted = box_ops.vote(boxes, scores, class_ids, keep, iou_threshold)
    assert voted.dtype == boxes.dtype
    np.testing.assert_allclose(voted, expected, atol=1e-6)


def test_vote_by_hand():
    boxes = np.asarray([[0, 0, 1, 1], [0, 0, 0.8, 1], [0, 0, 0.9, 1], [0, 0, 0.6, 1]], np.float32)
    scores = np.asarray([0.9, 0.3, 0.5, 0.4], np.float32)
    class_ids = np.asarray([0, 0, 1, 0])  # the third is of another class, the last too far off
    voted = box_ops.vote(boxes, scores, class_ids, np.asarray([0, 2]), 0.45)
    np.testing.assert_allclose(voted, [[0, 0, 0.98, 1], [0, 0, 0.9, 1]], atol=1e-7)
    np.testing.assert_array_equal(voted[1], boxes[2])  # alone: to the last bit


def test_vote_keeps_boxes_of_the_whole_picture_in_it():
    from edge_runtime.detector.postprocess import decode_outputs

    anchors = np.full((300, 4), 0.5, np.float32)
    offsets = np.full((300, 4), 9.0, np.float32)  # all are clipped to the picture
    logits = np.tile(np.asarray([0, 3], np.float32), (300, 1))
    logits[:, 1] += np.linspace(0, 1, 300)
    boxes = decode_outputs(logits, offsets, anchors, (0.1, 0.2), 0.3, 0.45, 10)[0]
    assert len(boxes) and boxes.min() >= 0 and boxes.max() <= 1


def test_vote_of_nothing():
    empty = np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, int)
    assert box_ops.vote(*empty, np.empty(0, int), 0.5).shape == (0, 4)
