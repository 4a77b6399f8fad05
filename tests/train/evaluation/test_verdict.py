"""Verdict on a training: its level, how rough the figure is, at most three causes."""

import pytest

from tests.train.evaluation.test_causes import evidence, rows, split
from train.evaluation import verdict
from train.evaluation.causes import Cause
from train.evaluation.verdict import judge, rough_interval


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
