"""Pace: the epochs that a budget of minutes allows."""

import math

import pytest

from train.config import TrainConfig
from train.pace import Pace, check_budget, epochs_within
from train.training.distributed import SINGLE

PACE = Pace(start=40.0, step=0.5, validation=10.0)


@pytest.mark.parametrize(
    ("minutes", "every", "epochs"),
    [
        (20, 100, 102),  # 1080 s: 40 + 102 epochs of 10 s, and 2 validations of 10 s
        (20, 1, 52),  # a validation an epoch: 40 + 52 × 20
        (20, 0, 78),  # by itself every 3rd epoch: 40 + 780 + 260
    ],
)
def test_epochs_that_fit_into_a_budget(minutes, every, epochs):
    """0.9 of 20 minutes, 18 steps an epoch."""
    assert epochs_within(minutes, 200, PACE, 18, every) == epochs
    assert PACE.seconds(epochs, 18, every) <= 1080


def test_no_more_epochs_than_without_a_budget():
    assert epochs_within(20, 30, PACE, 18, 0) == 30


def test_too_little_time_says_how_much_is_needed():
    """(40 + 3 × (18 × 0.5 + 1 + 10)) / 0.9 = 111 s."""
    with pytest.raises(ValueError, match=r"--budget 1 is too little.* 2 minutes are the least"):
        epochs_within(1, 200, PACE, 18, 0)
    assert epochs_within(2, 200, PACE, 18, 0) == 3


@pytest.mark.parametrize("minutes", [0.0, -1.0, math.nan, math.inf])
def test_a_budget_is_a_number_of_minutes(minutes):
    with pytest.raises(ValueError, match="--budget is minutes, more than 0"):
        check_budget(minutes, TrainConfig(), SINGLE)


def test_without_a_budget_nothing_is_checked():
    check_budget(None, TrainConfig(), SINGLE)


def test_a_stage_has_no_budget():
    with pytest.raises(ValueError, match="got --stop-after as well"):
        check_budget(20.0, TrainConfig(epochs=9, stop_after=3), SINGLE)
