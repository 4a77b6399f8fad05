"""Screen of a training: one line that moves on a terminal, one plain line an epoch in a file."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence

import keras
from tqdm import tqdm

from train.training.callbacks import Validation
from train.training.checkpoint import Progress
from train.training.logs import Row


class Screen(keras.callbacks.Callback):
    """Print epoch, time left, AP, losses and speed; stands behind the callbacks that measure them.

    The time left is that of all epochs to come. It goes by the steps of this run but for the first,
    in which the net is compiled, and by the validations between them.

    Args:
        start: where this run begins; its history knows the best AP so far.
        validation: knows how many epochs there are and which are measured.
    """

    def __init__(self, start: Progress, steps_per_epoch: int, validation: Validation) -> None:
        super().__init__()
        self.validation, self.epochs = validation, validation.epochs
        self.steps_per_epoch, self.steps = steps_per_epoch, start.epochs * steps_per_epoch
        self.measured = [row for row in start.history if math.isfinite(row["val_ap"])]
        self.epoch = start.epochs
        self.begun: tuple[int, float] | None = None  # after the first step of this run

    def on_train_begin(self, logs: Row | None = None) -> None:
        self.bar = tqdm(
            desc=f"{self._place()}, compiling the net",
            total=self.epochs * self.steps_per_epoch,
            initial=self.steps,
            file=sys.stdout,
            disable=None,
            dynamic_ncols=True,
            bar_format="{percentage:3.0f}% {desc} {bar}",
        )

    def on_epoch_begin(self, epoch: int, logs: Row | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Row) -> None:
        self.steps += 1
        if self.begun is None:
            self.begun = (self.steps, time.perf_counter())
        if self.bar.disable:
            return
        step = self.steps - self.epoch * self.steps_per_epoch
        place = f"{self._place()}, step {step}/{self.steps_per_epoch}"
        measures = step == self.steps_per_epoch and self.validation.due(self.epoch)
        parts = [self._time_left(), self._best(), _speed(logs), _losses(logs, 2)]
        place = f"{place}, measuring AP" if measures else place
        self.bar.set_description_str(_joined([place, *parts]), refresh=False)
        self.bar.update()
        if measures:
            self.bar.refresh()  # it stays for a while

    def on_epoch_end(self, epoch: int, logs: Row) -> None:
        accuracy = self._accuracy(logs)
        if self.bar.disable:
            parts = [_losses(logs), _speed(logs), self._time_left(), accuracy]
            print(f"{self._place()}: {_joined(parts)}", flush=True)
        else:
            parts = [self._time_left(), self._best(), _speed(logs), _losses(logs, 2)]
            self.bar.set_description_str(_joined([self._place(), *parts]))

    def on_train_end(self, logs: Row | None = None) -> None:
        self.close()

    def close(self) -> None:
        """End the moving line, so that what is said next begins a line of its own."""
        if hasattr(self, "bar"):
            self.bar.close()

    def _place(self) -> str:
        return f"epoch {self.epoch + 1}/{self.epochs}"

    def _time_left(self) -> str:
        left = self.epochs * self.steps_per_epoch - self.steps
        if not left or self.begun is None or self.begun[0] == self.steps:
            return ""
        steps, start = self.begun
        seconds = (time.perf_counter() - start) / (self.steps - steps) * left
        return f"{format_duration(seconds)} left"

    def _accuracy(self, logs: Row) -> str:
        """AP of this epoch, which is kept in mind; empty where none was measured."""
        if not math.isfinite(logs.get("val_ap", math.nan)):
            return ""
        best = max((row["val_ap"] for row in self.measured), default=-1.0)
        row = {"epoch": self.epoch + 1, "val_ap": logs["val_ap"], "val_ap50": logs["val_ap50"]}
        self.measured.append(row)
        text = f"AP {row['val_ap']:.3f}, AP50 {row['val_ap50']:.3f}"
        return f"{text}, best so far" if row["val_ap"] > best else text

    def _best(self) -> str:
        if not self.measured:
            return ""
        best = max(self.measured, key=lambda row: row["val_ap"])  # the first of equals, as kept
        return f"best AP {best['val_ap']:.3f} (epoch {best['epoch']:.0f})"


def format_duration(seconds: float) -> str:
    """Duration in the units that matter: "40 s", "12 min", "3 h 20 min"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _losses(logs: Row, decimals: int = 3) -> str:
    both, classes, boxes = (
        f"{logs[name]:.{decimals}f}" for name in ("loss", "logits_loss", "offsets_loss")
    )
    return f"loss {both} (classes {classes}, boxes {boxes})"


def _speed(logs: Row) -> str:
    """Empty where an epoch has one step only, which is not timed."""
    speed = logs.get("images_per_second", math.nan)
    if not math.isfinite(speed):
        return ""
    return f"{speed:.{0 if speed >= 10 else 1}f} images/s"


def _joined(parts: Sequence[str]) -> str:
    return ", ".join(filter(None, parts))
