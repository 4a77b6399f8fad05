"""Verdict on a training: its level, how rough the figure is, at most three causes."""

import pytest

from tests.train.evaluation.test_causes import ENOUGH, evidence, rows, split
from train.evaluation import verdict
from train.evaluation.causes import Cause
from train.evaluation.contact_sheet import Tally
from train.evaluation.verdict import assess, judge, rough_interval


def ended_with(ap50, **more):
    return evidence(rows([8, 4, 2, 2], [ap50] * 4), accuracy={"cat": ap50, "dog": ap50}, **more)


@pytest.mark.parametrize(
    ("ap50", "level"),
    [
        (0.0, "is poor: "),
        (0.494, "is poor: "),
        (0.496, "is usable with care: "),
        (0.5, "is usable with care: "),
        (0.75, "is good: "),
        (0.9, "is very good: "),
        (1.0, "is very good: "),
    ],
)
def test_levels(ap50, level):
    sentence = judge(ended_with(ap50)).sentence
    assert sentence.startswith(f"AP50 {ap50:.2f} on 40 validation pictures {level}")
    assert "rough" not in sentence


def test_few_validation_pictures_make_a_rough_figure():
    """Wilson's interval of 8 right of 25 is 0.17 to 0.52."""
    assert rough_interval(8 / 25, 25) == pytest.approx((0.172, 0.516), abs=1e-3)
    assert rough_interval(1.0, 4)[1] == 1 and rough_interval(0.0, 4)[0] == 0
    sentence = judge(ended_with(0.32, validating=split(25, "val"))).sentence
    assert sentence == (
        "AP50 0.32 on 25 validation pictures is poor: much is missed or made up; with so few it "
        "is a rough figure, 0.17 to 0.52 would be no surprise"
    )


def test_pictures_without_objects_measure_little():
    validating = split(29, "val")
    validating.examples.extend(split(5, "empty", class_ids=()).examples)
    validating.examples.extend(split(5, "hard", difficult=True).examples)
    sentence = judge(ended_with(0.8, validating=validating)).sentence
    assert "on 29 validation pictures with objects is good" in sentence and "rough" in sentence


def test_at_most_three_causes_and_none_for_a_very_good_result(monkeypatch):
    found = [Cause(1 - n / 10, f"cause {n}") for n in range(1, 6)]
    monkeypatch.setattr(verdict, "find_causes", lambda evidence: found)
    said = judge(ended_with(0.6))
    assert said.causes == ("cause 1", "cause 2", "cause 3")
    assert str(said).splitlines()[1:] == [
        "likeliest causes:", "  1. cause 1", "  2. cause 2", "  3. cause 3"
    ]  # fmt: skip
    best = judge(ended_with(0.95))
    assert best.causes == () and str(best) == best.sentence


def test_the_kept_model_is_judged_not_the_last():
    history = rows([8, 4, 2, 2], [0.2, 0.8, 0.6, 0.6])
    assert judge(evidence(history)).sentence.startswith("AP50 0.80 ")


def test_what_a_mean_hides():
    """A class that no picture shows, one that is hardly found, scores too low to be seen."""
    accuracy = {"cat": 0.99, "dog": 0.3, "hen": None, "owl": None}
    said = assess(0.645, ENOUGH.examples, "test", accuracy, Tally(20, 20, 3))
    assert said.split("; ")[1:] == [
        "but it is poor for dog (0.30)",
        "nothing is known of hen, owl, which no test picture has",
        "at score 0.5 it finds 20 of 40 objects and makes up 3",
    ]
    few_seen = assess(0.95, ENOUGH.examples, "test", {"cat": 0.95}, Tally(29, 11, 0))
    assert few_seen.endswith("makes up 0; a lower --score-threshold shows more")
    all_poor = assess(0.2, ENOUGH.examples, "test", {"cat": 0.1, "dog": 0.3}, None)
    assert "poor for" not in all_poor  # that is said already
    shown = assess(0.745, ENOUGH.examples, "test", {"cat": 1.0, "dog": 0.496}, None)
    assert "poor for" not in shown  # "poor for dog (0.50)" would not be true
    many = assess(0.6, ENOUGH.examples, "test", {f"c{n}": n / 10 for n in range(10)}, None)
    assert "but it is poor for c0 (0.00), c1 (0.10), c2 (0.20) and 2 more" in many


def test_a_weak_class_has_causes_however_good_the_mean(monkeypatch):
    monkeypatch.setattr(verdict, "find_causes", lambda evidence: [Cause(1, "a cause")])
    history = rows([8, 4, 2, 2], [0.92] * 4)
    assert judge(evidence(history, accuracy={"cat": 1.0, "dog": 0.4})).causes == ("a cause",)
    assert judge(evidence(history, accuracy={"cat": 1.0, "dog": 0.84})).causes == ()


def test_pictures_without_an_object_judge_nothing():
    empty = split(4, "test", class_ids=())
    said = assess(0.0, empty.examples, "test", {"cat": None}, Tally(0, 0, 2))
    assert said.startswith("no object to measure by in the 4 test pictures: nothing can be said of")
