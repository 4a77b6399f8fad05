"""Keras callbacks: validation AP, the best checkpoint with its state and log, and speed."""

from __future__ import annotations

import errno
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from edge_runtime.detector.anchors import make_anchors
from edge_runtime.detector.postprocess import decode_outputs
from edge_runtime.detector.preprocess import preprocess
from edge_runtime.detector.spec import DetectorSpec
from edge_runtime.media.images import read_image
from train.data.batches import TrainingBatches
from train.data.dataset import DetectionDataset
from train.evaluation.coco import (
    IOU_THRESHOLD,
    MAX_DETECTIONS,
    SCORE_THRESHOLD,
    PictureDetections,
    evaluate,
)
from train.evaluation.contact_sheet import Tally, count_outcomes, draw_contact_sheet
from train.training.checkpoint import Progress, TrainingFiles, advise, save_detector, save_state
from train.training.logs import Row, draw_curves, write_log
from train.training.model_views import ModelViews
from train.training.provenance import TRAINING_MEMBER, provenance_to_json

CURVES_SECONDS = 15.0  # between two drawings of the curves, where epochs are shorter


def detect_all(
    model: keras.Model, dataset: DetectionDataset, spec: DetectorSpec, batch_size: int = 25
) -> list[PictureDetections]:
    """Detections of a float model in each image, with the thresholds of `train.evaluation.coco`."""
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
    return detections


class Validation(keras.callbacks.Callback):
    """Add `val_ap` and `val_ap50` to the logs every few epochs, and after the last one.

    Args:
        views: the detector's; the one for evaluation is evaluated.
        dataset: None to evaluate nothing.

    Attributes:
        detections: of the last evaluation, for each image.
        ap50_per_class: of the same.
    """

    def __init__(
        self,
        views: ModelViews,
        dataset: DetectionDataset | None,
        spec: DetectorSpec,
        every: int,
        epochs: int,
    ) -> None:
        super().__init__()
        self.views, self.dataset, self.spec = views, dataset, spec
        self.every, self.epochs = every, epochs
        self.detections: list[PictureDetections] = []
        self.ap50_per_class: dict[str, float | None] = {}

    def due(self, epoch: int) -> bool:
        """Whether AP is measured after an epoch, counted from 0."""
        measures = (epoch + 1) % self.every == 0 or epoch + 1 == self.epochs
        return self.dataset is not None and measures

    def on_epoch_end(self, epoch: int, logs: Row) -> None:
        if self.dataset and self.due(epoch):
            self.views.sync(self.model)
            self.detections = detect_all(self.views.evaluation, self.dataset, self.spec)
            accuracy = evaluate(self.dataset.examples, self.detections, self.spec.class_names)
            self.ap50_per_class = accuracy.ap50_per_class
            logs |= {"val_ap": accuracy.ap or 0.0, "val_ap50": accuracy.ap50 or 0.0}


class BestCheckpoint(keras.callbacks.Callback):
    """Keep the best model and, after every epoch, the state to resume from, log and curves.

    Without a validation split the last epoch's model is the one to keep. The log is written from
    the state's own history: an epoch that a power cut took away is in neither, and none is there
    twice.

    Args:
        views: the detector's; the one for export is saved.
        validation: has run before, at every epoch's end.
        start: where the training begins.
        provenance: what the model's file says of its training, see train/training/provenance.py.

    Attributes:
        ap50_per_class: of the best model; {} where that is an earlier run's.
        tally: of the same; None where that is an earlier run's.
    """

    def __init__(
        self,
        views: ModelViews,
        validation: Validation,
        files: TrainingFiles,
        start: Progress,
        provenance: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.views, self.validation, self.files = views, validation, files
        self.progress, self.provenance = start, provenance
        self.drawn = time.perf_counter()  # the curves, last; of one short epoch there are none
        self.ap50_per_class: dict[str, float | None] = {}
        self.tally: Tally | None = None

    def on_train_begin(self, logs: Row | None = None) -> None:
        self.last = time.perf_counter()
        if self.progress.epochs:
            return
        try:  # so that until the end there is something to resume from
            save_state(self.files.state, self.model, self.progress)
        except OSError as error:
            raise _explained(error, self.files.state, 0) from error

    def on_epoch_end(self, epoch: int, logs: Row) -> None:
        if not math.isfinite(logs["loss"]):
            raise ValueError(
                f"a loss that is a number expected, got {logs['loss']} in epoch {epoch + 1}; start "
                "again with --overwrite and a lower --learning-rate or more --warmup-epochs"
            )
        try:
            self._keep(epoch, logs)
        except OSError as error:
            raise _explained(error, self.files.state, self.progress.epochs) from error

    def _keep(self, epoch: int, logs: Row) -> None:
        best, now = self.progress.best_ap, time.perf_counter()
        row = {"epoch": epoch + 1, **{name: float(value) for name, value in logs.items()}}
        for name in ("val_ap", "val_ap50"):  # measured or not: the log is a table
            row.setdefault(name, float("nan"))
        row["seconds"], self.last = now - self.last, now  # all of it, validation included
        history = [*self.progress.history, row]
        last = epoch + 1 == self.validation.epochs
        if row["val_ap"] > best or (last and not self.validation.dataset):
            best = row["val_ap"] if self.validation.dataset else best
            self.ap50_per_class = self.validation.ap50_per_class
            self._save(history)
        progress = Progress(epoch + 1, best, self.progress.recipe, history)
        save_state(self.files.state, self.model, progress)
        self.progress = progress
        self.write_history(draw=last or now - self.drawn > CURVES_SECONDS)

    def _save(self, history: list[Row]) -> None:
        self.views.sync(self.model)
        spec, dataset = self.validation.spec, self.validation.dataset
        members = {
            TRAINING_MEMBER: provenance_to_json(self.provenance, history),
            **self.views.members(),
        }
        save_detector(self.views.export, spec, self.files.model, members)
        if dataset:
            found = self.validation.detections
            draw_contact_sheet(dataset.examples, found, spec.class_names, self.files.sheet)
            self.tally = count_outcomes(dataset.examples, found)

    def write_history(self, draw: bool = True) -> None:
        """The log as it is now, and the curves, which take half a second, unless told not to."""
        write_log(self.progress.history, self.files.log)
        if draw:
            draw_curves(self.progress.history, self.files.curves)
            self.drawn = time.perf_counter()


def _explained(error: OSError, state: Path, epochs: int) -> OSError:
    """The same error with what is left, since it comes hours after the command was typed."""
    cures = {errno.ENOSPC: "free some space", errno.EDQUOT: "free some of your quota"}
    cure = advise(state, cures.get(error.errno or 0, "make room or rights"))
    kept = f"{state} still holds epoch {epochs}" if state.is_file() else "nothing is kept yet"
    what = error.strerror or str(error)
    return OSError(error.errno, f"{what} while writing beside {state}; {kept}: {cure}")


class Speed(keras.callbacks.Callback):
    """Add `images_per_second`, `waiting`, `pipeline` and `learning_rate` to the logs.

    `waiting` is a share of the epoch's time in [0, 1]: of each step, how long after the end of the
    last one its batch was still being made. `pipeline` is how many cores were busy with pictures.
    All three leave out an epoch's first step, in which a net is compiled and the first batch cannot
    have been made ahead.
    """

    def __init__(self, batches: TrainingBatches) -> None:
        super().__init__()
        self.batches = batches
        self.steps = 0  # of this run of the training, all epochs
        self.counted, self.waited = -1, 0.0  # steps of this epoch without its first; seconds
        self.start = self.last = self.busy = 0.0  # of this epoch, from the end of its first step

    def on_epoch_begin(self, epoch: int, logs: Row | None = None) -> None:
        self.counted, self.waited = -1, 0.0

    def on_train_batch_end(self, batch: int, logs: Row) -> None:
        now = time.perf_counter()
        self.counted += 1
        if not self.counted:
            self.start, self.busy = now, self.batches.cpu_seconds
        else:
            self.waited += max(0.0, self.batches.made_at(self.steps) - self.last)
            logs["images_per_second"] = self._rate(now)
        self.steps += 1
        self.last = now

    def on_epoch_end(self, epoch: int, logs: Row) -> None:
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
