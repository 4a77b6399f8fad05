"""How fast a training runs, and how much of the time the net waited for pictures."""

from __future__ import annotations

import time

import keras

from train.data.batches import TrainingBatches


class Speed(keras.callbacks.Callback):
    """Adds `images_per_second`, `waiting`, `pipeline` and `learning_rate` to the logs.

    `waiting` is a share of the epoch's time in [0, 1]: of each step, how long after the end of the
    last one its batch was still being made. `pipeline` is how many cores were busy with pictures.
    All three leave out an epoch's first step, in which a net is compiled and the first batch cannot
    have been made ahead.
    """

    def __init__(self, batches: TrainingBatches) -> None:
        super().__init__()
        self.batches = batches
        self.steps = 0  # of this run of the training, all epochs

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.start = self.last = None
        self.counted, self.waited = 0, 0.0

    def on_train_batch_end(self, batch: int, logs: dict) -> None:
        now = time.perf_counter()
        if self.start is None:
            self.start, self.busy = now, self.batches.cpu_seconds
        else:
            self.counted += 1
            self.waited += max(0.0, self.batches.made_at(self.steps) - self.last)
            logs["images_per_second"] = self._rate(now)
        self.steps += 1
        self.last = now

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        seconds = self.last - self.start
        logs["images_per_second"] = self._rate(self.last)
        busy = self.batches.cpu_seconds - self.busy
        logs["waiting"] = self.waited / seconds if self.counted else float("nan")
        logs["pipeline"] = busy / seconds if self.counted else float("nan")
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)

    def _rate(self, now: float) -> float:
        if not self.counted:
            return float("nan")
        return self.counted * self.batches.batch_size / (now - self.start)
