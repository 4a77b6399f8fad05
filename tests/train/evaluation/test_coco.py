from pathlib import Path

import numpy as np
import pytest

from train.data.dataset import Example
from train.evaluation.coco import MAX_DETECTIONS, evaluate

NAMES = ("cat", "dog")
NOTHING = (np.empty((0, 4)), np.empty(0), np.empty(0, np.int64))


def picture(boxes, class_ids=None, difficult=None, width=200, height=100):
    count = len(boxes)
    return Example(
        Path("a.png"),
        width,
        height,
        np.array(boxes, np.float32).reshape(-1, 4),
        np.zeros(count, np.int64) if class_ids is None else np.array(class_ids),
        np.zeros(count, bool) if difficult is None else np.array(difficult),
        "a",
    )


def found(boxes, scores=None, class_ids=None):
    count = len(boxes)
    return (
        np.array(boxes, np.float32).reshape(-1, 4),
        np.linspace(0.9, 0.5, count, dtype=np.float32) if scores is None else np.array(scores),
        np.zeros(count, np.int64) if class_ids is None else np.array(class_ids),
    )


def test_perfect_detector_and_blank_class():
    boxes = [(0.1, 0.1, 0.3, 0.5), (0.5, 0.2, 0.9, 0.9)]
    got = evaluate([picture(boxes)], [found(boxes)], NAMES)
    assert (got.ap, got.ap50, got.ap75) == pytest.approx((1, 1, 1))
    assert got.ap_per_class == {"cat": pytest.approx(1), "dog": None}
    assert got.ap50_per_class == {"cat": pytest.approx(1), "dog": None}


def test_nothing_found_is_zero_and_nothing_to_find_is_blank():
    got = evaluate([picture([(0, 0, 0.5, 0.5)])], [NOTHING], NAMES)
    assert got.ap == got.ap50 == got.ap_per_class["cat"] == 0
    got = evaluate([picture([])], [found([(0, 0, 0.5, 0.5)])], NAMES)
    assert got.ap is got.ap50 is got.ap_small is got.ap_per_class["cat"] is None


@pytest.mark.parametrize(
    ("overlap", "thresholds_met"),
    [(0.49, 0), (0.51, 1), (0.62, 3), (0.94, 9), (0.96, 10)],
)
def test_shifted_boxes_meet_as_many_thresholds_as_their_iou(overlap, thresholds_met):
    shift = 0.5 * (1 - overlap) / (1 + overlap)  # of boxes half the picture wide
    got = evaluate([picture([(0, 0, 0.5, 1)])], [found([(shift, 0, 0.5 + shift, 1)])], NAMES)
    assert got.ap == pytest.approx(thresholds_met / 10)
    assert got.ap50 == pytest.approx(float(thresholds_met > 0))


def test_false_alarm_above_the_hit_halves_precision():
    truth = [picture([(0, 0, 0.2, 0.2)])]
    hit, miss = (0, 0, 0.2, 0.2), (0.6, 0.6, 0.8, 0.8)
    assert evaluate(truth, [found([hit, miss])], NAMES).ap50 == pytest.approx(1)
    assert evaluate(truth, [found([miss, hit])], NAMES).ap50 == pytest.approx(0.5)


def test_half_of_the_objects_found():
    boxes = [(0, 0, 0.2, 0.2), (0.5, 0.5, 0.9, 0.9)]
    got = evaluate([picture(boxes)], [found(boxes[:1])], NAMES)
    assert got.ap50 == pytest.approx(51 / 101)  # recall 0, 0.01, … 0.50 of 101 points


def test_size_buckets_are_in_pixels_of_the_picture():
    # 20x20, 60x60 and 150x150 pixels of 400x200; only the middle one is found.
    boxes = [(0, 0, 0.05, 0.1), (0.1, 0.1, 0.25, 0.4), (0.5, 0.1, 0.875, 0.85)]
    got = evaluate([picture(boxes, width=400, height=200)], [found(boxes[1:2])], NAMES)
    assert (got.ap_small, got.ap_medium, got.ap_large) == pytest.approx((0, 1, 0))


@pytest.mark.parametrize("also_found", [False, True])
def test_difficult_boxes_count_neither_way(also_found):
    easy, hard = (0, 0, 0.2, 0.2), (0.5, 0.5, 0.9, 0.9)
    truth = [picture([easy, hard], difficult=[False, True])]
    # The difficult one scores highest, so as a false alarm it would halve the precision.
    detections = found([hard, easy]) if also_found else found([easy])
    assert evaluate(truth, [detections], NAMES).ap50 == pytest.approx(1)


def test_difficult_box_does_not_excuse_a_small_guess_inside_it():
    easy, hard, inside = (0, 0, 0.2, 0.2), (0.5, 0.5, 0.9, 0.9), (0.6, 0.6, 0.7, 0.7)
    truth = [picture([easy, hard], difficult=[False, True])]
    assert evaluate(truth, [found([inside, easy])], NAMES).ap50 == pytest.approx(0.5)


def test_classes_are_kept_apart_and_pictures_too():
    box = [(0, 0, 0.5, 0.5)]
    got = evaluate(
        [picture(box, [0]), picture(box, [1])],
        [found(box, class_ids=[1]), found(box, class_ids=[1])],
        NAMES,
    )
    assert got.ap50_per_class["cat"] == 0
    assert got.ap50_per_class["dog"] == pytest.approx(0.5)  # two guesses, equal scores, one right


def test_the_best_of_too_many_count():
    box = (0, 0, 0.5, 0.5)
    others = [(0.6, 0.6, 0.7, 0.7)] * MAX_DETECTIONS
    scores = np.linspace(0.9, 0.5, MAX_DETECTIONS)
    last = found([*others, box], [*scores, 0.1])
    assert evaluate([picture([box])], [last], NAMES).ap50 == 0
    got = evaluate([picture([box])], [found([*others[1:], box], scores)], NAMES)
    assert got.ap50 == pytest.approx(1 / MAX_DETECTIONS)


def test_prints_nothing(capfd):
    evaluate([picture([(0, 0, 0.5, 0.5)])], [NOTHING], NAMES)
    assert capfd.readouterr() == ("", "")


def test_bad_input_is_named():
    truth = [picture([(0, 0, 0.5, 0.5)])]
    with pytest.raises(ValueError, match="got 0 for 1"):
        evaluate(truth, [], NAMES)
    with pytest.raises(ValueError, match="at least one"):
        evaluate([], [], NAMES)
    with pytest.raises(ValueError, match=r"0\.\.1 expected, got 2\.\.2"):
        evaluate(truth, [found([(0, 0, 1, 1)], class_ids=[2])], NAMES)
