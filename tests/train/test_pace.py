"""Pace: the epochs that a budget of minutes allows."""

import math

import pytest

from train.pace import Pace, check_budget, epochs_within
from train.training.distributed import SINGLE

PACE = Pace(start=40.0, step=0.5, validation=10.0)


def test_epochs_that_fit_into_a_budget():
    """0.9 of 20 minutes without the start and 25 validations: 790 s of epochs of 18 steps."""
    assert PACE.epochs(1200, 18, 25) == 79  # of 10 s
    assert epochs_within(20, 200, PACE, 18, 25) == 79
    assert epochs_within(20, 30, PACE, 18, 25) == 30  # no more than without a budget


def test_too_little_time_says_how_much_is_needed():
    """(40 + 3 × (18 × 0.5 + 1 + 10)) / 0.9 = 111 s."""
    with pytest.raises(ValueError, match=r"--budget 1 is too little.* 2 minutes are the least"):
        epochs_within(1, 200, PACE, 18, 0)


@pytest.mark.parametrize("minutes", [0.0, -1.0, math.nan, math.inf])
def test_a_budget_is_a_number_of_minutes(minutes):
    with pytest.raises(ValueError, match="--budget is minutes, more than 0"):
        check_budget(minutes, SINGLE)


def test_without_a_budget_nothing_is_checked():
    check_budget(None, SINGLE)
