"""The log of a training: a CSV table and a picture of its curves."""

from __future__ import annotations

import csv
import math
import time
from pathlib import Path

import keras
import numpy as np

from edge_runtime.media.atomic import atomic_path
from train.captured_output import captured_output


def write_log(history: list[dict], path: Path) -> None:
    """One CSV line an epoch; a cell that was not measured stays blank."""
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, history[0])
        writer.writeheader()
        for row in history:
            writer.writerow({k: "" if math.isnan(v) else v for k, v in row.items()})


def draw_curves(history: list[dict], path: Path) -> None:
    """Loss (logarithmic), learning rate and, where measured, validation AP by epoch, as a PNG."""
    from matplotlib.figure import Figure  # the object interface needs no display

    columns = {name: np.array([row[name] for row in history]) for name in history[0]}
    epochs = columns["epoch"]
    measured = np.isfinite(columns["val_ap"])
    panels = 2 + measured.any()
    figure = Figure(figsize=(4 * panels, 4), layout="constrained")
    losses, rate, *accuracy = figure.subplots(1, panels)
    for name, label in {"loss": "both", "logits_loss": "classes", "offsets_loss": "boxes"}.items():
        losses.plot(epochs, columns[name], label=label)
    losses.set(yscale="log", xlabel="epoch", title="training loss")
    rate.plot(epochs, columns["learning_rate"], label="of the heads")
    rate.set(xlabel="epoch", title="learning rate")
    for axes in accuracy:
        for name, label in (("val_ap", "AP"), ("val_ap50", "AP50")):
            axes.plot(epochs[measured], columns[name][measured], marker=".", label=label)
        axes.set(ylim=(0, 1), xlabel="epoch", title="validation accuracy")
    for axes in (losses, rate, *accuracy):
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


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
