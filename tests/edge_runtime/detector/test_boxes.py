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
