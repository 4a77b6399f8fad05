"""Training loop, one for every backend: `model.fit` on NumPy batches."""

from __future__ import annotations

import gc
import json
import math
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import keras

from edge_runtime.detector.spec import DetectorSpec
from edge_runtime.media.atomic import atomic_path
from train.anchors.coverage import unreachable_classes
from train.config import TrainConfig
from train.data.batches import TrainingBatches
from train.data.dataset import DetectionDataset, open_data
from train.data.readiness import Splits, load_splits
from train.data.splits.making import pictures
from train.data.ssd_augment import augmentation_of
from train.evaluation.causes import Evidence, anchors_cure, listed
from train.evaluation.verdict import judge
from train.from_data import as_begun, check_sizes, settle
from train.model.ssd import multiply_adds
from train.pace import check_budget, settle_within
from train.setup import (
    build_views,
    compile_model,
    describe_recipe,
    make_spec,
    model_to_train,
)
from train.training.callbacks import BestCheckpoint, Speed, Validation
from train.training.checkpoint import (
    Progress,
    TrainingFiles,
    advise,
    begin,
    check_free,
    read_progress,
    restore_state,
)
from train.training.distributed import (
    SINGLE,
    Cluster,
    data_parallel,
    share_file,
    share_progress,
)
from train.training.initial_weights import Initial
from train.training.logs import EventLog, Row, check_installed, open_writer
from train.training.model_views import ModelViews
from train.training.provenance import describe_training
from train.training.screen import Screen
from train.training.stopping import Stopping


@dataclass(frozen=True)
class _Job:
    """A training that is checked and may begin: all but the weights."""

    config: TrainConfig
    initial: Initial
    splits: Splits
    spec: DetectorSpec
    files: TrainingFiles
    start: Progress
    cluster: Cluster
    distribution: keras.distribution.DataParallel | None


def train(
    config: TrainConfig,
    data: Path,
    out: Path,
    initial: Initial,
    resume: bool = False,
    overwrite: bool = False,
    tensorboard: bool = False,
    command: str = "",
    cluster: Cluster = SINGLE,
    budget: float | None = None,
) -> list[Row]:
    """Train a detector on one split of a labelled folder, keep the best by AP on another.

    Beside `out` (a .keras file) stand a CSV log, pictures of the curves and of what the best model
    finds, and, until the training has ended, the state from which `resume` goes on.

    Args:
        initial: first weights. A pretrained backbone moves more slowly, its first blocks not; so
            does that of a detector of other classes.
        tensorboard: write the curves for TensorBoard, too.
        command: what the user typed, for the model's provenance.
        cluster: the processes that train together; the first alone reads weights and writes.
        budget: minutes that the training may take at most, on one host; None for any time.

    Returns: the log, a row an epoch. Raises: ValueError for what does not fit, before anything is
    written; OSError where a file cannot be written or a picture not be read, with what is left.
    """
    begin_time, files = time.perf_counter(), TrainingFiles(out)
    with cluster.barrier():
        splits = _open_splits(config, data, cluster)
        begun = read_progress(files.state).recipe if resume and files.state.is_file() else {}
        check_budget(budget, config, cluster)
        if begun:
            config = _gone_on(config, begun, budget)
        else:
            check_free(files, overwrite or resume)
        pace = None if resume else budget
        config, spec = _settle(config, splits, initial, begun.get("spec"), pace, cluster)
        recipe = describe_recipe(config, spec, initial, splits)
        distribution = _distribution(config)
        if tensorboard:
            check_installed()

    def first_progress() -> Progress:
        # Only the first host has the file to start from, and a resumed training does without.
        found = {} if resume else {"fine_tuning": initial.is_fine_tuning(spec.class_names)}
        return begin({**recipe, **found}, files, resume, overwrite)

    start = share_progress(cluster, recipe, first_progress)
    # A state that does not say was written when the classes had to be the same.
    initial = replace(initial, fine_tuning=start.recipe.get("fine_tuning", False))
    job = _Job(config, initial, splits, spec, files, start, cluster, distribution)
    left = math.inf if budget is None else 60 * budget - (time.perf_counter() - begin_time)
    stopping = _run(job, command, tensorboard, left)
    history = _finish(stopping.checkpoint, files, cluster)
    if cluster.first and splits.validating:
        _say_verdict(job, splits.validating, history, stopping)
    return history


def _gone_on(config: TrainConfig, begun: Mapping[str, Any], budget: float | None) -> TrainConfig:
    """The configuration of a training that goes on.

    Args:
        begun: the recipe that its state tells. budget: in minutes; None for any time.
    """
    # A budget may have allowed fewer epochs than the same flags ask for.
    within = {} if budget is None else {"epochs": begun["epochs"]}
    return as_begun(replace(config, **within), begun)


def _open_splits(config: TrainConfig, data: Path, cluster: Cluster) -> Splits:
    opened = open_data(data)
    if cluster.first:
        print(*opened.notes, sep="\n")
    return load_splits(opened, config.train_split, config.val_split)


def _settle(
    config: TrainConfig,
    splits: Splits,
    initial: Initial,
    begun: Mapping[str, Any] | None,
    budget: float | None,
    cluster: Cluster,
) -> tuple[TrainConfig, DetectorSpec]:
    """Recipe and spec with all that follows from the pictures; the first host says what and why.

    Args:
        begun: the spec of a training that goes on, as JSON's objects; None for a new one.
        budget: minutes that a new training may take; None for any time.
    """
    settled = settle(config, splits.training)
    spec, fitted = make_spec(settled.config, splits.training, initial, begun)
    check_sizes(spec, splits.training)
    if budget is not None:
        settled = settle_within(budget, config, settled, spec, initial, splits)
    if cluster.first and (settled.reasons or fitted):
        print(*settled.reasons, *fitted, sep="\n")
    return settled.config, spec


def _run(job: _Job, command: str, tensorboard: bool, budget: float) -> Stopping:
    """The training itself. Returns: what knows why it ended, and in it what kept its best model."""
    config, start, cluster = job.config, job.start, job.cluster
    training, validating = job.splits
    keras.utils.set_random_seed(config.seed)
    views = build_views(config, job.spec, job.initial, training, cluster, fresh=not start.epochs)
    batches = _make_batches(job)
    validation = Validation(
        views, validating, job.spec, config.validate_every, config.epochs_trained
    )
    provenance = describe_training(
        config, training, command, _software(), job.initial.start_from, job.initial.describe()
    )
    checkpoint = BestCheckpoint(views, validation, job.files, start, provenance)
    stopping = Stopping(validation, checkpoint, config.patience, budget)
    screen = Screen(start, batches.steps_per_epoch, validation)
    callbacks = [Speed(batches), validation, checkpoint]
    if cluster.count == 1:  # the others would wait for the first one's next step
        callbacks.insert(1, stopping)
    if tensorboard and cluster.first:
        callbacks.append(EventLog(open_writer(job.files.events), start.history))
    callbacks.append(screen)
    if cluster.first:
        _describe(config, views.export, job.spec, training, validating)
    scope = job.distribution.scope() if job.distribution else nullcontext()
    with cluster.report_lost_host(job.files.state), scope:
        model = _compiled(job, views, batches.steps_per_epoch)
        if batches.epochs:
            with closing(screen):
                _fit(job, model, batches, callbacks)
    if stopping.reason:
        print(stopping.reason)
    if cluster.first and (stopping.reason or not batches.epochs):
        checkpoint.write_history()  # also where only the tidying up was interrupted
    return stopping


def _compiled(job: _Job, views: ModelViews, steps_per_epoch: int) -> keras.Model:
    """The model to train, as it is at the start or was at the interruption."""
    model = model_to_train(views, job.config, replicate=job.distribution is not None)
    compile_model(model, job.config, job.initial, steps_per_epoch)
    if job.start.epochs:
        restore_state(share_file(job.cluster, job.files.state), model)
        # With pictures added or taken out an epoch has other steps; the learning rate goes by them.
        model.optimizer.iterations.assign(job.start.epochs * steps_per_epoch)
    return model


def _distribution(config: TrainConfig) -> keras.distribution.DataParallel | None:
    distribution = data_parallel(config.batch_size)
    if config.qat and distribution:
        raise ValueError("--qat trains on one device, got several; hide all but one")
    return distribution


def _make_batches(job: _Job) -> TrainingBatches:
    return TrainingBatches(
        job.splits.training,
        job.spec,
        augmentation_of(job.config),
        job.config.batch_size,
        job.config.seed,
        range(job.start.epochs, job.config.epochs_trained),
        round(job.config.mining_from * job.config.epochs),
        (job.cluster.index, job.cluster.count),
    )


def _software() -> dict[str, str]:
    """Keras's and its backend's versions, for the model's provenance."""
    backend = keras.backend.backend()
    # Not by the package's name: TensorFlow comes under several.
    version = getattr(sys.modules.get(backend), "__version__", "")
    return {"keras": keras.__version__, "backend": f"{backend} {version}".strip()}


def _fit(
    job: _Job,
    model: keras.Model,
    batches: TrainingBatches,
    callbacks: list[keras.callbacks.Callback],
) -> None:
    first = job.cluster.first
    try:
        model.fit(
            batches,
            epochs=job.config.epochs_trained,
            initial_epoch=job.start.epochs,
            steps_per_epoch=batches.steps_per_epoch,
            shuffle=False,  # the batches come shuffled
            callbacks=callbacks if first else [],
            verbose=0,  # what there is to see comes from Screen
        )
    except BaseException as error:
        batches.close()
        _release(error)
        if batches.failure is None or not isinstance(error, Exception):
            raise
        # An OSError: of a ValueError several hosts would say that one of them was lost.
        cure = advise(job.files.state, "mend the data", first)
        raise OSError(f"{batches.failure}; {cure}") from error
    batches.close()


def _release(error: BaseException) -> None:
    """Give up what the ended calls of an error hold: TensorFlow's iterator over the batches.

    The iterator's end waits for its thread and calls back into Python. Where it comes only with
    that of the interpreter, no call is answered, and the process hangs after its last word.
    """
    link: BaseException | None = error
    while link is not None:
        for frame, _ in traceback.walk_tb(link.__traceback__):
            _clear(frame)
        link = link.__cause__ or link.__context__
    gc.collect()  # errors and frames hold each other


def _clear(frame: FrameType | None) -> None:
    """Drop the variables of a frame and its callers, up to those that still run.

    By way of the callers, since Keras takes its own frames out of a traceback.
    """
    while frame is not None:
        try:
            frame.clear()
        except RuntimeError:
            return
        frame = frame.f_back


def _finish(checkpoint: BestCheckpoint, files: TrainingFiles, cluster: Cluster) -> list[Row]:
    """The log, on all hosts: the others wait here for the first one's last validation."""

    def tidied_up() -> bytes:
        files.state.unlink()
        return json.dumps(checkpoint.progress.history).encode()

    history: list[Row] = json.loads(cluster.broadcast(tidied_up))
    return history


def _say_verdict(
    job: _Job, validating: DetectionDataset, history: list[Row], stopping: Stopping
) -> None:
    """How good the detector is and why, on the screen and in a file beside it."""
    checkpoint = stopping.checkpoint
    verdict = judge(
        Evidence(
            history,
            job.splits.training,
            validating,
            job.spec,
            job.config,
            job.initial.pretrained_backbone,
            checkpoint.ap50_per_class,
            checkpoint.tally,
            stopping.out_of_time,
        )
    )
    print(verdict)
    with atomic_path(job.files.verdict) as temporary:
        temporary.write_text(f"{verdict}\n", encoding="utf-8")


def _describe(
    config: TrainConfig,
    model: keras.Model,
    spec: DetectorSpec,
    training: DetectionDataset,
    validating: DetectionDataset | None,
) -> None:
    height, width = spec.input_hw
    print(
        f"{model.count_params() / 1e6:.2f} M parameters, "
        f"{multiply_adds(model) / 1e9:.2f} G multiply-adds at {width}x{height}, "
        f"{model.output['logits'].shape[1]} anchors"
    )
    for dataset in filter(None, (training, validating)):
        print(f"{dataset.split}: {pictures(len(dataset))}, {dataset.box_count} boxes")
    missed = [f"{name} {share:.0%}" for name, share in unreachable_classes(training, spec)]
    if missed:
        print(
            f"warning: few boxes of these classes have an anchor with IoU 0.5: {listed(missed)}; "
            f"{anchors_cure(spec, config)}"
        )
    sys.stdout.flush()
