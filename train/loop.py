"""One training loop for every backend: `model.fit` on NumPy batches."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import keras

from edge_runtime.spec import DetectorSpec
from train.anchors import load_levels, unreachable_classes
from train.augment import Augmentation
from train.backbone import freeze
from train.batch_norm import with_fused_batch_norm
from train.callbacks import Keeper, Validation
from train.checkpoint import TrainingFiles, begin, restore_state
from train.config import TrainConfig
from train.data import VocDataset, load_voc
from train.event_log import EventLog, open_writer
from train.initial import Initial
from train.loader import TrainingBatches
from train.loss import box_loss, class_loss
from train.model import build_ssd, multiply_adds
from train.optimizer import build_optimizer
from train.presets import PRESETS
from train.record import describe_training
from train.speed import Speed


def train(
    config: TrainConfig,
    data: Path,
    out: Path,
    initial: Initial,
    resume: bool = False,
    overwrite: bool = False,
    tensorboard: bool = False,
    command: str = "",
) -> list[dict]:
    """Train a detector on one split of a VOC folder, keep the best by AP on another.

    Beside `out` (a .keras file) stand a CSV log, pictures of the curves and of what the best model
    finds, and, until the training has ended, the state from which `resume` goes on.

    Args:
        initial: where the first weights come from. A pretrained backbone moves more slowly, and
            its batch norm and first blocks not at all.
        tensorboard: write the curves for TensorBoard, too.
        command: what the user typed, for the model's record.

    Returns: the log, a row an epoch.
    Raises: ValueError for data, a recipe or files that do not fit, before anything is written;
        OSError where a file cannot be written, with what is left.
    """
    files = TrainingFiles(out)
    training, validation = _load_splits(config, data)
    spec = make_spec(config, training.class_names)
    recipe = _recipe(config, spec, initial, len(training))
    start = begin(recipe, files, resume, overwrite)
    files.remove_leftovers()
    writer = open_writer(files.events) if tensorboard else None
    keras.utils.set_random_seed(config.seed)
    plain = _build(config, spec, initial, fresh=not start.epochs)
    epochs = range(start.epochs, config.epochs_trained)
    augmentation = _augmentation(config)
    batches = TrainingBatches(training, spec, augmentation, config.batch_size, config.seed, epochs)
    model = with_fused_batch_norm(plain)
    _compile(model, config, initial, batches.steps_per_epoch)
    if start.epochs:
        restore_state(files.state, model)
    _describe(plain, spec, training, validation)
    measure = Validation(validation, spec, config.validate_every, config.epochs_trained)

    def describe(history: list[dict]) -> dict:
        return describe_training(config, training, history, command)

    keeper = Keeper(plain, measure, files, start, describe)
    callbacks = [Speed(batches), measure, keeper]
    if writer:
        callbacks.append(EventLog(writer, start.history))
    if epochs:
        model.fit(
            batches,
            epochs=config.epochs_trained,
            initial_epoch=start.epochs,
            steps_per_epoch=batches.steps_per_epoch,
            shuffle=False,  # the batches come shuffled
            callbacks=callbacks,
            verbose=1 if sys.stdout.isatty() else 2,
        )
    else:  # only the tidying up was interrupted
        keeper.write_history()
    files.state.unlink()
    return keeper.progress.history


def _load_splits(config: TrainConfig, data: Path) -> tuple[VocDataset, VocDataset | None]:
    training = load_voc(data, config.train_split)
    if config.val_split == "none":
        return training, None
    validation = load_voc(data, config.val_split)
    shared = {e.image_id for e in training} & {e.image_id for e in validation}
    if shared:
        raise ValueError(
            f"splits without a common picture expected, got {len(shared)} of "
            f"{config.val_split!r} in {config.train_split!r} as well: an accuracy on pictures "
            "that were learnt means nothing; give another --val-split, or none"
        )
    return training, validation


def make_spec(config: TrainConfig, class_names: tuple[str, ...]) -> DetectorSpec:
    """The spec that a recipe asks for. Raises: ValueError, FileNotFoundError for its anchors."""
    side = config.input_size
    spec = PRESETS[config.preset].spec(class_names, (side, side) if side else None)
    return replace(spec, levels=load_levels(config.anchors)) if config.anchors else spec


def _build(config: TrainConfig, spec: DetectorSpec, initial: Initial, fresh: bool) -> keras.Model:
    preset = PRESETS[config.preset]
    alpha = config.alpha or preset.alpha
    model = build_ssd(spec, alpha, preset.top_down_channels)
    if fresh:  # a resumed training brings its own weights
        initial.apply(model, spec, alpha)
    if initial.pretrained_backbone:
        freeze(model, config.frozen_blocks)
    return model


def _augmentation(config: TrainConfig) -> Augmentation:
    return Augmentation(
        horizontal_flip=config.horizontal_flip,
        vertical_flip=config.vertical_flip,
        crop=config.crop,
        min_side=config.min_crop,
        zoom_out=config.zoom_out,
        max_zoom=config.max_zoom,
    )


def _recipe(config: TrainConfig, spec: DetectorSpec, initial: Initial, pictures: int) -> dict:
    """What must be the same for an interrupted training to go on, as JSON gives it back."""
    parts = {**asdict(config), "initial": initial.describe(), "pictures": pictures}
    return {**parts, "spec": json.loads(spec.to_json())}


def _compile(
    model: keras.Model, config: TrainConfig, initial: Initial, steps_per_epoch: int
) -> None:
    model.compile(
        build_optimizer(model, config, initial.pretrained_backbone, steps_per_epoch),
        loss={"logits": class_loss, "offsets": box_loss},
        # XLA on a CPU made TensorFlow's training several times slower; JAX needs it.
        jit_compile=keras.backend.backend() != "tensorflow",
    )


def _describe(
    model: keras.Model, spec: DetectorSpec, training: VocDataset, validation: VocDataset | None
) -> None:
    height, width = spec.input_hw
    print(
        f"{model.count_params() / 1e6:.2f} M parameters, "
        f"{multiply_adds(model) / 1e9:.2f} G multiply-adds at {width}x{height}, "
        f"{model.output['logits'].shape[1]} anchors"
    )
    for dataset in filter(None, (training, validation)):
        print(f"{dataset.split}: {len(dataset)} pictures, {dataset.box_count} boxes")
    missed = [f"{name} {share:.0%}" for name, share in unreachable_classes(training, spec)]
    if missed:
        print(
            f"warning: few boxes of these classes have an anchor with IoU 0.5: "
            f"{', '.join(missed)}; `python -m train.anchors` fits anchors to the data"
        )
    sys.stdout.flush()
