"""Curves for TensorBoard, written by its own package, which needs no TensorFlow."""

from __future__ import annotations

import math
import time
from pathlib import Path

import keras

from train.captured_output import captured_output

INSTALL = "pip install tensorboard"


def check_installed() -> None:
    """Raises: ValueError where TensorBoard is not installed."""
    with captured_output():  # it loads TensorFlow where that is installed
        try:
            from tensorboard.summary import Writer  # noqa: F401
        except ImportError as error:
            raise ValueError(f"--tensorboard needs TensorBoard ({error}); {INSTALL}") from error


def open_writer(folder: Path):
    """A writer into a new run below `folder`; every run starts with the whole history."""
    from tensorboard.summary import Writer

    return Writer(str(folder / time.strftime("%Y%m%d-%H%M%S")))


class EventLog(keras.callbacks.Callback):
    """Hands every column of the log to TensorBoard; stands behind those that fill the logs.

    Args:
        writer: from `open_writer`.
        history: rows of the epochs before this run.
    """

    def __init__(self, writer, history: list[dict]) -> None:
        super().__init__()
        self.writer = writer
        for row in history:
            self._write(row["epoch"], row)

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        try:
            self._write(epoch + 1, logs)
            self.writer.flush()
        except OSError as error:
            raise OSError(
                error.errno,
                f"{error.strerror} while writing for TensorBoard; epoch {epoch + 1} is kept: make "
                "room and go on with --resume",
            ) from error

    def on_train_end(self, logs: dict | None = None) -> None:
        self.writer.close()

    def _write(self, epoch: int, row: dict) -> None:
        for name, value in row.items():
            if name != "epoch" and math.isfinite(value):
                group = "validation" if name.startswith("val_") else "training"
                self.writer.add_scalar(f"{group}/{name.removeprefix('val_')}", value, epoch)
