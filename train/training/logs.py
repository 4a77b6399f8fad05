"""Training log: a CSV table, its curves as a PNG, and events for TensorBoard."""

from __future__ import annotations

import csv
import math
import time
from pathlib import Path
from typing import Protocol, TypeAlias

import keras
import numpy as np
from matplotlib.figure import Figure  # the object interface needs no display
from matplotlib.ticker import MaxNLocator

from edge_runtime.media.atomic import atomic_path
from train.captured_output import captured_output

# A figure of each column after an epoch; nan where it was not measured.
Row: TypeAlias = dict[str, float]


def write_log(history: list[Row], path: Path) -> None:
    """One CSV line an epoch; a cell that was not measured stays blank."""
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, history[0])
        writer.writeheader()
        for row in history:
            writer.writerow({k: "" if math.isnan(v) else v for k, v in row.items()})


def draw_curves(history: list[Row], path: Path) -> None:
    """Loss (logarithmic), learning rate and, where measured, validation AP by epoch, as a PNG."""
    columns = {name: np.array([row[name] for row in history]) for name in history[0]}
    epochs = columns["epoch"]
    measured = np.isfinite(columns["val_ap"])
    panels = 2 + measured.any()
    figure = Figure(figsize=(4 * panels, 4))
    # By hand, since Matplotlib's own layout draws everything twice.
    margins = {"left": 0.2 / panels, "right": 1 - 0.05 / panels, "wspace": 0.28}
    losses, rate, *accuracy = figure.subplots(1, panels, gridspec_kw=margins)
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
        axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


INSTALL = "pip install tensorboard"


class ScalarWriter(Protocol):
    """TensorBoard's writer of curves."""

    def add_scalar(self, tag: str, data: float, step: int) -> None: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


def check_installed() -> None:
    """Raises: ValueError where TensorBoard is not installed."""
    with captured_output():  # it loads TensorFlow where that is installed
        try:
            from tensorboard.summary import Writer  # noqa: F401
        except ImportError as error:
            raise ValueError(f"--tensorboard needs TensorBoard ({error}); {INSTALL}") from error


def open_writer(folder: Path) -> ScalarWriter:
    """A writer into a new run below `folder`; every run starts with the whole history."""
    from tensorboard.summary import Writer

    writer: ScalarWriter = Writer(str(folder / time.strftime("%Y%m%d-%H%M%S")))
    return writer


class EventLog(keras.callbacks.Callback):
    """Hand every column of the log to TensorBoard; stands behind those that fill the logs.

    Args:
        writer: from `open_writer`.
        history: rows of the epochs before this run.
    """

    def __init__(self, writer: ScalarWriter, history: list[Row]) -> None:
        super().__init__()
        self.writer = writer
        for row in history:
            self._write(int(row["epoch"]), row)

    def on_epoch_end(self, epoch: int, logs: Row) -> None:
        try:
            self._write(epoch + 1, logs)
            self.writer.flush()
        except OSError as error:
            raise OSError(
                error.errno,
                f"{error.strerror} while writing for TensorBoard; epoch {epoch + 1} is kept: make "
                "room and go on with --resume",
            ) from error

    def on_train_end(self, logs: Row | None = None) -> None:
        self.writer.close()

    def _write(self, epoch: int, row: Row) -> None:
        for name, value in row.items():
            if name != "epoch" and math.isfinite(value):
                group = "validation" if name.startswith("val_") else "training"
                self.writer.add_scalar(f"{group}/{name.removeprefix('val_')}", value, epoch)
