"""Training loop, one for every backend: `model.fit` on NumPy batches."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path

import keras

from edge_runtime.detector.spec import DetectorSpec
from edge_runtime.media.images import read_image
from train.anchors.coverage import unreachable_classes
from train.config import TrainConfig
from train.data.augment import Augmentation
from train.data.batches import TrainingBatches
from train.data.dataset import VocDataset, load_voc
from train.model.batch_norm import with_fused_batch_norm
from train.model.loss import box_loss, class_loss, class_loss_of_all_negatives
from train.model.ssd import multiply_adds
from train.setup import build_views, describe_recipe, make_spec
from train.training.callbacks import BestCheckpoint, Speed, Validation
from train.training.checkpoint import Progress, TrainingFiles, begin, restore_state
from train.training.distributed import (
    SINGLE,
    Cluster,
    data_parallel,
    replicated,
    share_file,
    share_progress,
)
from train.training.initial_weights import Initial
from train.training.logs import EventLog, Row, check_installed, open_writer
from train.training.model_views import ModelViews
from train.training.optimizer import build_optimizer
from train.training.provenance import describe_training


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
) -> list[Row]:
    """Train a detector on one split of a VOC folder, keep the best by AP on another.

    Beside `out` (a .keras file) stand a CSV log, pictures of the curves and of what the best model
    finds, and, until the training has ended, the state from which `resume` goes on.

    Args:
        initial: where the first weights come from. A pretrained backbone moves more slowly, and
            its batch norm and first blocks not at all.
        tensorboard: write the curves for TensorBoard, too.
        command: what the user typed, for the model's provenance.
        cluster: the processes that train together. All read the data; the first one alone reads
            weights, validates and writes.

    Returns: the log, a row an epoch.
    Raises: ValueError for data, a recipe or files that do not fit, before anything is written;
        OSError where a file cannot be written, with what is left.
    """
    files = TrainingFiles(out)
    with cluster.barrier():
        training, validating = _load_splits(config, data)
        spec = make_spec(config, training.class_names, initial)
        recipe = describe_recipe(config, spec, initial, training)
        distribution = _distribution(config)
        if tensorboard:
            check_installed()
    start = share_progress(cluster, recipe, lambda: begin(recipe, files, resume, overwrite))
    keras.utils.set_random_seed(config.seed)
    views = build_views(config, spec, initial, training, cluster, fresh=not start.epochs)
    batches = _make_batches(config, spec, training, start, cluster)
    validation = Validation(views, validating, spec, config.validate_every, config.epochs_trained)
    provenance = describe_training(config, training, command, _software(), initial.start_from)
    checkpoint = BestCheckpoint(views, validation, files, start, provenance)
    callbacks = [Speed(batches), validation, checkpoint]
    if tensorboard and cluster.first:
        callbacks.append(EventLog(open_writer(files.events), start.history))
    if cluster.first:
        _describe(views.export, spec, training, validating)
    with cluster.report_lost_host(), distribution.scope() if distribution else nullcontext():
        model = _model_to_train(views, config, replicate=distribution is not None)
        _compile(model, config, initial, batches.steps_per_epoch)
        if start.epochs:
            restore_state(share_file(cluster, files.state), model)
        if batches.epochs:
            _fit(model, batches, config, start, callbacks, cluster)
        elif cluster.first:  # only the tidying up was interrupted
            checkpoint.write_history()
    return _finish(checkpoint, files, cluster)


def _distribution(config: TrainConfig) -> keras.distribution.DataParallel | None:
    distribution = data_parallel(config.batch_size)
    if config.qat and distribution:
        raise ValueError("--qat trains on one device, got several; hide all but one")
    return distribution


def _make_batches(
    config: TrainConfig,
    spec: DetectorSpec,
    training: VocDataset,
    start: Progress,
    cluster: Cluster,
) -> TrainingBatches:
    return TrainingBatches(
        training,
        spec,
        Augmentation.of(config),
        config.batch_size,
        config.seed,
        range(start.epochs, config.epochs_trained),
        (cluster.index, cluster.count),
    )


def _software() -> dict[str, str]:
    """Keras's and its backend's versions, for the model's provenance."""
    backend = keras.backend.backend()
    # Not by the package's name: TensorFlow comes under several.
    version = getattr(sys.modules.get(backend), "__version__", "")
    return {"keras": keras.__version__, "backend": f"{backend} {version}".strip()}


def _model_to_train(views: ModelViews, config: TrainConfig, replicate: bool) -> keras.Model:
    if views.shared:
        return views.evaluation
    if replicate:
        return replicated(views.export, config.seed)
    return with_fused_batch_norm(views.export)


def _fit(
    model: keras.Model,
    batches: TrainingBatches,
    config: TrainConfig,
    start: Progress,
    callbacks: list[keras.callbacks.Callback],
    cluster: Cluster,
) -> None:
    bar = 1 if sys.stdout.isatty() else 2
    try:
        model.fit(
            batches,
            epochs=config.epochs_trained,
            initial_epoch=start.epochs,
            steps_per_epoch=batches.steps_per_epoch,
            shuffle=False,  # the batches come shuffled
            callbacks=callbacks if cluster.first else [],
            verbose=bar if cluster.first else 0,
        )
    except Exception as error:
        if batches.failure is None:
            raise
        # An OSError: of a ValueError several hosts would say that one of them was lost.
        raise OSError(f"{batches.failure}; mend the data and go on with --resume") from error


def _finish(checkpoint: BestCheckpoint, files: TrainingFiles, cluster: Cluster) -> list[Row]:
    """The log, on all hosts: the others wait here for the first one's last validation."""

    def tidied_up() -> bytes:
        files.state.unlink()
        return json.dumps(checkpoint.progress.history).encode()

    history: list[Row] = json.loads(cluster.broadcast(tidied_up))
    return history


def _load_splits(config: TrainConfig, data: Path) -> tuple[VocDataset, VocDataset | None]:
    training = load_voc(data, config.train_split)
    if config.val_split == "none":
        return training, None
    validating = load_voc(data, config.val_split)
    shared = {e.image_id for e in training} & {e.image_id for e in validating}
    if shared:
        raise ValueError(
            f"splits without a common picture expected, got {len(shared)} of "
            f"{config.val_split!r} in {config.train_split!r} as well: an accuracy on pictures "
            "that were learnt means nothing; give another --val-split, or none"
        )
    if not any((~example.difficult).any() for example in validating):
        raise ValueError(
            f"a validation split with objects that are not difficult expected, got none in "
            f"{config.val_split!r}: no epoch could be told from another; give another --val-split, "
            "or none"
        )
    for example in validating:  # in seconds, what would else end the training after hours
        read_image(example.image_path)
    return training, validating


def _compile(
    model: keras.Model, config: TrainConfig, initial: Initial, steps_per_epoch: int
) -> None:
    logits_loss = class_loss if config.hard_negatives else class_loss_of_all_negatives
    model.compile(
        build_optimizer(model, config, initial.pretrained_backbone, steps_per_epoch),
        loss={"logits": logits_loss, "offsets": box_loss},
        # XLA on a CPU made TensorFlow's training several times slower; JAX needs it.
        jit_compile=keras.backend.backend() == "jax",
    )


def _describe(
    model: keras.Model, spec: DetectorSpec, training: VocDataset, validating: VocDataset | None
) -> None:
    height, width = spec.input_hw
    print(
        f"{model.count_params() / 1e6:.2f} M parameters, "
        f"{multiply_adds(model) / 1e9:.2f} G multiply-adds at {width}x{height}, "
        f"{model.output['logits'].shape[1]} anchors"
    )
    for dataset in filter(None, (training, validating)):
        print(f"{dataset.split}: {len(dataset)} pictures, {dataset.box_count} boxes")
    missed = [f"{name} {share:.0%}" for name, share in unreachable_classes(training, spec)]
    if missed:
        print(
            f"warning: few boxes of these classes have an anchor with IoU 0.5: "
            f"{', '.join(missed)}; `python -m train.anchors` fits anchors to the data"
        )
    sys.stdout.flush()
