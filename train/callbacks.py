"""What happens between epochs: validation AP, the best model, the state, log and curves."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import keras
import numpy as np

from edge_runtime.anchors import make_anchors
from edge_runtime.decode import decode_outputs
from edge_runtime.files import atomic_path
from edge_runtime.preprocess import preprocess
from edge_runtime.spec import DetectorSpec
from train.checkpoint import Progress, TrainingFiles, save_detector, save_state
from train.data import VocDataset, read_image
from train.evaluate import (
    IOU_THRESHOLD,
    MAX_DETECTIONS,
    SCORE_THRESHOLD,
    Accuracy,
    evaluate,
)


def validate(
    model: keras.Model, dataset: VocDataset, spec: DetectorSpec, batch_size: int = 25
) -> Accuracy:
    """COCO accuracy of a float model on a data set."""
    anchors = make_anchors(spec)
    detections = []
    for start in range(0, len(dataset), batch_size):
        batch = dataset.examples[start : start + batch_size]
        images = [preprocess(read_image(example.image_path), spec) for example in batch]
        outputs = model.predict_on_batch(np.concatenate(images))
        for logits, offsets in zip(outputs["logits"], outputs["offsets"], strict=True):
            detections.append(
                decode_outputs(
                    logits,
                    offsets,
                    anchors,
                    spec.variances,
                    score_threshold=SCORE_THRESHOLD,
                    iou_threshold=IOU_THRESHOLD,
                    max_detections=MAX_DETECTIONS,
                )
            )
    return evaluate(dataset.examples, detections, spec.class_names)


class Validation(keras.callbacks.Callback):
    """Adds `val_ap` and `val_ap50` to the logs every few epochs, and after the last one."""

    def __init__(self, dataset: VocDataset, spec: DetectorSpec, every: int, epochs: int) -> None:
        super().__init__()
        self.dataset, self.spec, self.every, self.epochs = dataset, spec, every, epochs

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        # Every epoch has both, measured or not: the log is a table.
        logs |= {"val_ap": float("nan"), "val_ap50": float("nan")}
        if (epoch + 1) % self.every == 0 or epoch + 1 == self.epochs:
            accuracy = validate(self.model, self.dataset, self.spec)
            logs |= {"val_ap": accuracy.ap or 0.0, "val_ap50": accuracy.ap50 or 0.0}


class Keeper(keras.callbacks.Callback):
    """Keeps the best model and, after every epoch, the state to resume from, log and curves.

    The log is written from the state's own history: an epoch that a power cut took away is in
    neither, and none is there twice.

    Args:
        plain: the model of standard layers that takes over the trained weights for saving.
        start: where the training begins.
    """

    def __init__(
        self, plain: keras.Model, spec: DetectorSpec, files: TrainingFiles, start: Progress
    ) -> None:
        super().__init__()
        self.plain, self.spec, self.files, self.progress = plain, spec, files, start

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        best = self.progress.best_ap
        if logs["val_ap"] > best:
            best = float(logs["val_ap"])
            self.plain.set_weights(self.model.get_weights())
            save_detector(self.plain, self.spec, self.files.model)
        row = {"epoch": epoch + 1, **{name: float(value) for name, value in logs.items()}}
        history = [*self.progress.history, row]
        self.progress = Progress(epoch + 1, best, self.progress.recipe, history)
        save_state(self.files.state, self.model, self.progress)
        self.write_history()

    def write_history(self) -> None:
        write_log(self.progress.history, self.files.log)
        draw_curves(self.progress.history, self.files.curves)


def write_log(history: list[dict], path: Path) -> None:
    """One CSV line an epoch; a cell that was not measured stays blank."""
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, history[0])
        writer.writeheader()
        for row in history:
            writer.writerow({k: "" if math.isnan(v) else v for k, v in row.items()})


def draw_curves(history: list[dict], path: Path) -> None:
    """Loss (logarithmic) and validation AP against the epoch, as a PNG."""
    from matplotlib.figure import Figure  # the object interface needs no display

    columns = {name: np.array([row[name] for row in history]) for name in history[0]}
    epochs = columns["epoch"]
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, label in {"loss": "both", "logits_loss": "classes", "offsets_loss": "boxes"}.items():
        left.plot(epochs, columns[name], label=label)
    left.set(yscale="log", xlabel="epoch", title="training loss")
    measured = np.isfinite(columns["val_ap"])
    for name, label in (("val_ap", "AP"), ("val_ap50", "AP50")):
        right.plot(epochs[measured], columns[name][measured], marker=".", label=label)
    right.set(ylim=(0, 1), xlabel="epoch", title="validation accuracy")
    for axes in (left, right):
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)
