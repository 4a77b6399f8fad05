"""The log of a training: a CSV table and a picture of its curves."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np

from edge_runtime.media.atomic import atomic_path


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
