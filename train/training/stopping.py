"""Early stopping: where validation AP no longer rises, or the time that was given is used up."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import keras
import numpy as np

from train.training.callbacks import BestCheckpoint, Validation
from train.training.logs import Row


class Stopping(keras.callbacks.Callback):
    """End a training early; stands before validation and checkpoint, for which that epoch is last.

    One best value says little, since AP on few pictures is noisy: a mean of `patience` validations
    is compared with that of as many before. The learning rate is low by then, so that little is
    lost (Prechelt 1998 has the trade-off).

    Args:
        validation: is told that its last epoch has come.
        patience: validations in each mean; 0 to go on whatever AP does.
        budget: seconds for all of the training from its start, those before an interruption
            included; infinite for any time.

    Attributes:
        reason: why it stopped early, a line for the screen; empty if it did not.
        out_of_time: whether that was the budget.
    """

    def __init__(
        self,
        validation: Validation,
        checkpoint: BestCheckpoint,
        patience: int,
        budget: float = math.inf,
    ) -> None:
        super().__init__()
        self.validation, self.checkpoint, self.patience = validation, checkpoint, patience
        self.budget = budget - sum(row["seconds"] for row in checkpoint.progress.history)
        self.begun = self.epoch_begun = time.perf_counter()
        self.reason, self.out_of_time = "", False

    def on_epoch_begin(self, epoch: int, logs: Row | None = None) -> None:
        self.epoch_begun = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Row | None = None) -> None:
        history = self.checkpoint.progress.history
        why = no_longer_rising(history, self.patience)
        used_up = not why and self._is_used_up(history)
        why = "the budget is used up" if used_up else why
        if why and epoch + 1 < self.validation.epochs:
            epochs = self.validation.epochs
            self.reason = f"stopped after epoch {epoch + 1} of {epochs}: {why}"
            self.out_of_time = used_up
            self.validation.epochs = epoch + 1
            self.model.stop_training = True

    def _is_used_up(self, history: Sequence[Row]) -> bool:
        """True if another epoch does not fit, after the validation that may come now."""
        now = time.perf_counter()
        took = now - self.epoch_begun
        whole = max([took, *(row["seconds"] for row in history[-1:])])
        return self.budget - (now - self.begun) < whole + (whole - took)


def no_longer_rising(history: Sequence[Row], patience: int) -> str:
    """Why a training may end, in words; empty as long as AP rises, or after too few validations.

    Args:
        history: a row an epoch with `val_ap`, not a number where it was not measured.
        patience: validations in each of the two means that are compared; 0: never.
    """
    measured = [row["val_ap"] for row in history if math.isfinite(row["val_ap"])]
    if not patience or len(measured) < 2 * patience:
        return ""
    before, now = (
        float(np.mean(part)) for part in (measured[-2 * patience : -patience], measured[-patience:])
    )
    # An AP of zero says that nothing is found yet, not that it has stopped.
    if now > before or not now:
        return ""
    return (
        f"validation AP no longer rises (mean of {patience} validations {now:.3f}, of those "
        f"before {before:.3f})"
    )
