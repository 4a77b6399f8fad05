"""Suppression of duplicates: against plain loops, at the thresholds, in blocks, and by hand."""

import numpy as np
import pytest

from edge_runtime.detector.postprocess import decode_outputs
from edge_runtime.detector.suppression import AT_ONCE, BLOCK, nms, nms_and_vote
from tests import reference
from tests.edge_runtime.detector.test_boxes import random_boxes


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("iou_threshold", [0.0, 0.25, 0.5, 1.0])
def test_nms_against_loops(seed, iou_threshold):
    random = np.random.default_rng(seed)
    boxes = random_boxes(random, 80, steps=6)
    scores = random.integers(0, 10, 80) / 10  # ties
    class_ids = random.integers(0, 3, 80)
    for most in (1, 7, 80):
        expected = reference.nms(boxes, scores, class_ids, iou_threshold, most)
        assert nms(boxes, scores, class_ids, iou_threshold, most).tolist() == expected


@pytest.mark.parametrize("count", [AT_ONCE, AT_ONCE + 1, 3 * BLOCK, 9 * BLOCK + 5])
@pytest.mark.parametrize("iou_threshold", [0.25, 0.5])
def test_nms_and_vote_in_blocks(count, iou_threshold):
    random = np.random.default_rng(count)
    boxes = random_boxes(random, count, steps=8).astype(np.float32)
    scores = np.sort(random.uniform(0, 1, count).astype(np.float32))[::-1]
    class_ids = random.integers(0, 4, count)
    for most in (3, count):
        kept, voted = nms_and_vote(boxes, scores, class_ids, iou_threshold, most)
        expected = reference.nms(boxes, scores, class_ids, iou_threshold, most)
        assert kept.tolist() == expected
        means = reference.vote(
            boxes.tolist(), scores.tolist(), class_ids.tolist(), expected, iou_threshold
        )
        np.testing.assert_allclose(voted, means, atol=1e-6)


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
    assert nms(boxes, scores, np.zeros(2, int), 0.5, 10).tolist() == kept


def test_nms_keeps_the_same_box_of_another_class():
    boxes = np.asarray([[0, 0, 1, 1]] * 3, np.float32)
    scores = np.asarray([0.8, 0.9, 0.7], np.float32)
    assert nms(boxes, scores, np.asarray([0, 1, 0]), 0.5, 10).tolist() == [1, 0]


def test_nms_takes_the_earlier_of_equals():
    boxes = np.asarray([[0, 0, 1, 1], [0, 0, 1, 1]], np.float32)
    assert nms(boxes, np.asarray([0.5, 0.5]), np.zeros(2, int), 0.5, 10).tolist() == [0]


def test_nms_of_nothing():
    kept = nms(np.empty((0, 4)), np.empty(0), np.empty(0, int), 0.5, 10)
    assert kept.shape == (0,) and kept.dtype == np.int64


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("iou_threshold", [0.0, 0.5, 0.8, 1.0])
def test_vote_against_loops(seed, iou_threshold):
    random = np.random.default_rng(seed)
    boxes = random_boxes(random, 80, steps=6)  # a coarse grid: many boxes agree
    scores = np.sort(random.uniform(0, 1, 80).astype(np.float32))[::-1]
    class_ids = random.integers(0, 2, 80)
    kept, voted = nms_and_vote(boxes, scores, class_ids, iou_threshold, 80)
    expected = reference.vote(
        boxes.tolist(), scores.tolist(), class_ids.tolist(), kept, iou_threshold
    )
    assert voted.dtype == boxes.dtype
    np.testing.assert_allclose(voted, expected, atol=1e-6)


def test_vote_by_hand():
    boxes = np.asarray([[0, 0, 1, 1], [0, 0, 0.9, 1], [0, 0, 0.6, 1], [0, 0, 0.8, 1]], np.float32)
    scores = np.asarray([0.9, 0.5, 0.4, 0.3], np.float32)
    class_ids = np.asarray([0, 1, 0, 0])  # the second is of another class, the third too far off
    kept, voted = nms_and_vote(boxes, scores, class_ids, 0.45, 10)
    assert kept.tolist() == [0, 1]
    np.testing.assert_allclose(voted, [[0, 0, 0.98, 1], [0, 0, 0.9, 1]], atol=1e-7)
    np.testing.assert_array_equal(voted[1], boxes[1])  # alone: to the last bit


def test_vote_keeps_boxes_of_the_whole_picture_in_it():
    anchors = np.full((300, 4), 0.5, np.float32)
    offsets = np.full((300, 4), 9.0, np.float32)  # all are clipped to the picture
    logits = np.tile(np.asarray([0, 3], np.float32), (300, 1))
    logits[:, 1] += np.linspace(0, 1, 300)
    boxes = decode_outputs(logits, offsets, anchors, (0.1, 0.2), 0.3, 0.45, 10)[0]
    assert len(boxes) and boxes.min() >= 0 and boxes.max() <= 1


def test_nms_and_vote_of_nothing():
    empty = np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, int)
    kept, voted = nms_and_vote(*empty, 0.5, 10)
    assert kept.shape == (0,) and voted.shape == (0, 4)
