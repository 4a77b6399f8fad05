"""Early stopping: AP that no longer rises, and a budget that is used up."""

import math
from types import SimpleNamespace

import pytest

from train.training.stopping import Stopping, no_longer_rising


def rows(values, seconds=1.0):
    return [{"val_ap": value, "seconds": seconds} for value in values]


@pytest.mark.parametrize(
    ("values", "patience", "stops"),
    [
        ([0.1, 0.2, 0.3, 0.4], 2, False),
        ([0.3, 0.4, 0.3, 0.4], 2, True),
        ([0.5, 0.1, 0.3, 0.4], 2, False),  # means: one good value does not count
        ([0.5, 0.1, 0.2, 0.3], 2, True),
        ([0.9, math.nan, 0.9], 2, False),  # two validations only
        ([0.4, math.nan, 0.4], 1, True),
        ([0.0, 0.0, 0.0, 0.0], 2, False),  # nothing is found yet
        ([0.4, 0.4, 0.4, 0.4], 0, False),
    ],
)
def test_means_of_validations_are_compared(values, patience, stops):
    assert bool(no_longer_rising(rows(values), patience)) == stops


def test_the_reason_has_both_means():
    assert "(mean of 2 validations 0.250, of those before 0.300)" in no_longer_rising(
        rows([0.5, 0.1, 0.2, 0.3]), 2
    )


def stopping(history, patience=0, epochs=10, budget=math.inf):
    checkpoint = SimpleNamespace(progress=SimpleNamespace(history=history))
    callback = Stopping(SimpleNamespace(epochs=epochs), checkpoint, patience, budget)
    callback.set_model(SimpleNamespace(stop_training=False))
    return callback


def test_a_training_ends_where_ap_no_longer_rises():
    """The epoch in which that is seen is the last one, for validation and checkpoint as well."""
    callback = stopping(rows([0.4, 0.4]), patience=1)
    callback.on_epoch_end(2)
    assert callback.model.stop_training and callback.validation.epochs == 3
    assert callback.reason.startswith("stopped after epoch 3 of 10: validation AP no longer rises")


def test_after_the_last_epoch_there_is_nothing_to_say():
    callback = stopping(rows([0.4, 0.4]), patience=1, epochs=3)
    callback.on_epoch_end(2)
    assert not callback.reason and not callback.model.stop_training


@pytest.mark.parametrize(("budget", "stops"), [(390.0, True), (1000.0, False)])
def test_a_budget_counts_what_was_before_an_interruption(budget, stops):
    callback = stopping(rows([0.1, 0.2], seconds=100.0), budget=budget)
    callback.on_epoch_end(2)  # 200 s are gone; a validation may come, and an epoch takes 100
    assert callback.model.stop_training == stops
    assert ("the budget is used up" in callback.reason) == stops
    assert callback.out_of_time == stops
