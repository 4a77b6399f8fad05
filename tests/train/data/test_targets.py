import numpy as np
import pytest

from edge_runtime.detector.boxes import cxcywh_to_xyxy, decode, iou
from edge_runtime.detector.spec import AnchorLevel, DetectorSpec
from train.data.targets import TargetEncoder, encode_targets, match_anchors

QUARTERS = np.array(
    [[0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5], [0, 0.5, 0.5, 1], [0.5, 0.5, 1, 1]], np.float32
)


@pytest.fixture(scope="module")
def encoder():
    levels = (AnchorLevel(16, (0.12, 0.2), (1, 1)), AnchorLevel(32, (0.4,) * 3, (1, 2, 0.5)))
    return TargetEncoder(DetectorSpec((96, 160), ("a", "b", "c"), levels))


def reference_match(boxes, anchors_xyxy, iou_threshold=0.5):
    """Section 2.2 word by word, one pair at a time. Ties: lowest rows."""
    overlap = iou(boxes, anchors_xyxy)
    matched = [-1] * len(anchors_xyxy)
    for i in range(len(anchors_xyxy)):
        best = max(range(len(boxes)), key=lambda j: overlap[j, i])
        if overlap[best, i] > iou_threshold:
            matched[i] = best
    pairs = [(-overlap[j, i], j, i) for j in range(len(boxes)) for i in range(len(anchors_xyxy))]
    done, taken = set(), set()
    for _, j, i in sorted(pairs):
        if j not in done and i not in taken:
            matched[i] = j
            done.add(j)
            taken.add(i)
    return matched


def random_boxes(rng, count, low=0.02, high=0.5):
    side = rng.uniform(low, high, (count, 2))
    start = rng.uniform(0, 1 - side)
    return np.concatenate([start, start + side], axis=1).astype(np.float32)


@pytest.mark.parametrize("count", [1, 2, 5, 30])
def test_match_agrees_with_the_obvious_loops(count):
    # Anchors at random places and sizes, so that no two overlap a box equally well.
    for seed in range(8):
        rng = np.random.default_rng(seed)
        anchors, boxes = random_boxes(rng, 80, 0.3, 0.9), random_boxes(rng, count, 0.3, 0.9)
        assert match_anchors(boxes, anchors).tolist() == reference_match(boxes, anchors)


def test_two_boxes_that_want_the_same_anchor_are_both_kept():
    # Both lie in the first quarter; the second fits it better and gets it.
    boxes = np.array([[0.0, 0, 0.4, 0.4], [0, 0, 0.5, 0.45]], np.float32)
    matched = match_anchors(boxes, QUARTERS)
    assert matched[0] == 1
    assert sorted(matched[matched >= 0]) == [0, 1]


def test_identical_boxes_get_an_anchor_each():
    matched = match_anchors(np.repeat(QUARTERS[:1], 4, axis=0), QUARTERS)
    assert matched[0] == 0  # ties: the earlier box
    assert sorted(matched) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("x_max", "expected"),
    [
        (1.0, -1),  # IoU 0.5 exactly is no match
        (0.99, 0),  # just above
    ],
)
def test_the_threshold_itself_is_background(x_max, expected):
    boxes = np.array([[0, 0, x_max, 1]], np.float32)
    anchors = np.array([[0, 0, 1, 1], [0, 0, 0.5, 1]], np.float32)  # the first is the best anchor
    assert match_anchors(boxes, anchors).tolist() == [0, expected]


def test_a_best_anchor_needs_no_threshold():
    assert match_anchors(np.array([[0.1, 0.1, 0.2, 0.2]], np.float32), QUARTERS).tolist() == [
        0,
        -1,
        -1,
        -1,
    ]


def test_a_box_that_overlaps_no_anchor_gets_the_nearest():
    box = np.array([[0.9, 0.4, 1, 0.5]], np.float32)
    anchors = np.array([[0, 0, 0.3, 0.3], [0.5, 0.3, 0.8, 0.6], [0, 0.7, 0.3, 1]], np.float32)
    assert match_anchors(box, anchors).tolist() == [-1, 0, -1]


@pytest.mark.parametrize("count", [1, 7, 50])
def test_no_box_of_a_crowd_is_lost(encoder, count):
    corners = cxcywh_to_xyxy(encoder.anchors)
    for seed in range(10):
        rng = np.random.default_rng(seed)
        boxes = random_boxes(rng, count, 0.001, 0.02) * 0.1 + 0.6  # all in a cell or two
        matched = match_anchors(boxes, corners)
        assert set(range(count)) <= set(matched)
        assert (match_anchors(boxes, corners) == matched).all()


def test_a_tiny_box_gets_the_anchor_around_it(encoder):
    # Nine anchors of 0.12 and more hold such a box, all with the same IoU but for rounding.
    smallest = np.flatnonzero(encoder.anchors[:, 3] <= encoder.anchors[:, 3].min() + 1e-6)
    for row in smallest:
        center = encoder.anchors[row, :2]
        box = np.concatenate([center - 0.001, center + 0.001])[None]
        class_targets, _ = encoder(box, np.array([0]))
        assert np.flatnonzero(class_targets).tolist() == [row]


def test_decoded_targets_are_the_boxes(encoder):
    boxes = random_boxes(np.random.default_rng(3), 12)
    class_ids = np.arange(12) % 3
    class_targets, offset_targets = encoder(boxes, class_ids)
    matched = match_anchors(boxes, cxcywh_to_xyxy(encoder.anchors))
    rows = matched >= 0
    decoded = decode(offset_targets[rows], encoder.anchors[rows], encoder.spec.variances)
    np.testing.assert_allclose(decoded, boxes[matched[rows]], atol=1e-6)
    assert (class_targets[rows] == class_ids[matched[rows]] + 1).all()
    assert not class_targets[~rows].any()
    assert not offset_targets[~rows].any()


def test_shapes_types_and_no_change_in_place(encoder):
    boxes = random_boxes(np.random.default_rng(0), 3)
    before = boxes.copy()
    class_targets, offset_targets = encoder(boxes, np.arange(3))
    assert (class_targets.shape, class_targets.dtype) == ((len(encoder.anchors),), np.int32)
    assert (offset_targets.shape, offset_targets.dtype) == ((len(encoder.anchors), 4), np.float32)
    assert (boxes == before).all()
    assert match_anchors(boxes, cxcywh_to_xyxy(encoder.anchors)).dtype == np.int64


def test_encoder_and_function_agree(encoder):
    boxes = random_boxes(np.random.default_rng(1), 6)
    arguments = boxes, np.zeros(6, np.int64)
    plain = encode_targets(*arguments, encoder.anchors, encoder.spec.variances)
    for mine, theirs in zip(encoder(*arguments), plain, strict=True):
        assert (mine == theirs).all()


def test_an_empty_scene_is_all_background(encoder):
    class_targets, offset_targets = encoder(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    assert not class_targets.any()
    assert not offset_targets.any()


def test_more_boxes_than_anchors():
    boxes = np.repeat(QUARTERS, 2, axis=0)
    with pytest.raises(ValueError, match="each of the 4 anchors expected, got 8 boxes"):
        match_anchors(boxes, QUARTERS)
    assert sorted(match_anchors(boxes[:4], QUARTERS)) == [
        0,
        1,
        2,
        3,
    ]  # as many as there are anchors


@pytest.mark.parametrize(
    ("boxes", "class_ids", "message"),
    [
        ([[0.2, 0.2, 0.2, 0.4]], [0], "without area"),
        ([[0.1, 0.5, 0.2, 0.4]], [0], "without area"),  # upside down
        ([[0.1, np.nan, 0.2, 0.4]], [0], "without area"),
        ([[0.1, 0.1, 0.2, 0.4]], [3], "from 0 to 2 expected, got 3"),
        ([[0.1, 0.1, 0.2, 0.4]], [-1], "from 0 to 2 expected, got -1"),
        ([[0.1, 0.1, 0.2, 0.4]], [0, 1], r"\(M, 4\) and class_ids \(M,\)"),
        ([0.1, 0.1, 0.2, 0.4], [0], r"\(M, 4\) and class_ids \(M,\)"),
    ],
)
def test_wrong_annotations_are_refused(encoder, boxes, class_ids, message):
    with pytest.raises(ValueError, match=message):
        encoder(np.array(boxes, np.float32), np.array(class_ids))
