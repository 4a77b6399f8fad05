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
from train.backbone import SlowerBackboneAdam, backbone_names, freeze
from train.batch_norm import with_fused_batch_norm
from train.callbacks import Keeper, Validation
from train.checkpoint import Progress, TrainingFiles, read_progress, restore_state
from train.config import TrainConfig
from train.data import VocDataset, load_voc
from train.initial import Initial
from train.loader import TrainingBatches
from train.loss import box_loss, class_loss
from train.model import build_ssd, multiply_adds
from train.presets import PRESETS


def train(
    config: TrainConfig,
    data: Path,
    out: Path,
    initial: Initial,
    resume: bool = False,
    overwrite: bool = False,
) -> float:
    """Train a detector on a VOC folder's train split, keep the best by AP on its val split.

    Beside `out` (a .keras file) stand a CSV log, a PNG of the curves and, until the training has
    ended, the state from which `resume` goes on.

    Args:
        initial: where the first weights come from. A pretrained backbone moves more slowly, and
            its batch norm and first blocks not at all.

    Returns: the best validation AP.
    Raises: ValueError for data, a recipe or files that do not fit, before anything is written.
    """
    files = TrainingFiles(out)
    training, validation = load_voc(data, "train"), load_voc(data, "val")
    spec = make_spec(config, training.class_names)
    recipe = _recipe(config, spec, initial, len(training))
    start = _start(recipe, files, resume, overwrite)
    keras.utils.set_random_seed(config.seed)
    plain = _build(config, spec, initial, fresh=not start.epochs)
    batches = TrainingBatches(
        training,
        spec,
        _augmentation(config),
        config.batch_size,
        config.seed,
        range(start.epochs, config.epochs_trained),
    )
    model = with_fused_batch_norm(plain)
    _compile(model, config, initial, batches.steps_per_epoch)
    if start.epochs:
        restore_state(files.state, model)
    _describe(plain, spec, training, validation)
    keeper = Keeper(plain, spec, files, start)
    if len(batches):
        model.fit(
            batches,
            epochs=config.epochs_trained,
            initial_epoch=start.epochs,
            steps_per_epoch=batches.steps_per_epoch,
            shuffle=False,  # the batches come shuffled
            callbacks=[
                Validation(validation, spec, config.validate_every, config.epochs_trained),
                keeper,
            ],
            verbose=1 if sys.stdout.isatty() else 2,
        )
    else:  # only the tidying up was interrupted
        keeper.write_history()
    files.state.unlink()
    return keeper.progress.best_ap


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
        crop=config.crop,
        min_side=config.min_crop,
        zoom_out=config.zoom_out,
        max_zoom=config.max_zoom,
    )


def _recipe(config: TrainConfig, spec: DetectorSpec, initial: Initial, pictures: int) -> dict:
    """What must be the same for an interrupted training to go on, as JSON gives it back."""
    parts = {**asdict(config), "initial": initial.describe(), "pictures": pictures}
    return {**parts, "spec": json.loads(spec.to_json())}


def _start(recipe: dict, files: TrainingFiles, resume: bool, overwrite: bool) -> Progress:
    """Where to begin; refuses to lose an earlier result or to mix two trainings."""
    state = files.state
    if resume:
        if not state.is_file():
            raise ValueError(f"--resume expects {state}, which is not there; start without it")
        progress = read_progress(state)
        changed = {k for k in recipe if recipe[k] != progress.recipe.get(k)}
        if changed:
            raise ValueError(
                f"{state} belongs to another recipe (different: {sorted(changed)}); give the "
                "flags and data of the interrupted training, or start again with --overwrite"
            )
        return progress
    for path in (state, files.model):
        if path.exists() and not overwrite:
            what = "an interrupted training" if path == state else "an earlier model"
            cure = "go on with --resume, or " if path == state else ""
            raise ValueError(
                f"{path} holds {what}; {cure}choose another --out, or replace it with --overwrite"
            )
    return Progress(0, -1.0, recipe, [])


def _compile(
    model: keras.Model, config: TrainConfig, initial: Initial, steps_per_epoch: int
) -> None:
    warmup = max(1, round(config.warmup_epochs * steps_per_epoch))
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=config.learning_rate / 100,
        warmup_target=config.learning_rate,
        warmup_steps=warmup,
        decay_steps=max(1, config.epochs * steps_per_epoch - warmup),
    )
    optimizer = keras.optimizers.Adam(schedule)
    if initial.pretrained_backbone:
        optimizer = SlowerBackboneAdam(schedule, backbone_names(model), config.backbone_rate)
    model.compile(
        optimizer,
        loss={"logits": class_loss, "offsets": box_loss},
        # XLA on a CPU made TensorFlow's training several times slower; JAX needs it.
        jit_compile=keras.backend.backend() != "tensorflow",
    )


def _describe(
    model: keras.Model, spec: DetectorSpec, training: VocDataset, validation: VocDataset
) -> None:
    height, width = spec.input_hw
    print(
        f"{model.count_params() / 1e6:.2f} M parameters, "
        f"{multiply_adds(model) / 1e9:.2f} G multiply-adds at {width}x{height}, "
        f"{model.output['logits'].shape[1]} anchors"
    )
    for dataset in (training, validation):
        print(f"{dataset.split}: {len(dataset)} pictures, {dataset.box_count} boxes")
    missed = [f"{name} {share:.0%}" for name, share in unreachable_classes(training, spec)]
    if missed:
        print(
            f"warning: few boxes of these classes have an anchor with IoU 0.5: "
            f"{', '.join(missed)}; `python -m train.anchors` fits anchors to the data"
        )
    sys.stdout.flush()
