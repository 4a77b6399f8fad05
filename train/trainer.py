"""One training loop for every backend: `model.fit` on NumPy batches."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path

import keras

from edge_runtime.detector.spec import DetectorSpec
from train.anchors.coverage import unreachable_classes
from train.config import TrainConfig
from train.data.batches import TrainingBatches
from train.data.dataset import VocDataset, load_voc, read_image
from train.model.batch_norm import with_fused_batch_norm
from train.model.loss import box_loss, class_loss, class_loss_of_all_negatives
from train.model.ssd import multiply_adds
from train.setup import augmentation_of, build_nets, describe_recipe, make_spec
from train.training.callbacks import Keeper, Speed, Validation
from train.training.checkpoint import Progress, TrainingFiles, begin, restore_state
from train.training.distributed import ALONE, Hosts, replicated, share_file, share_progress, spread
from train.training.initial_weights import Initial
from train.training.logs import EventLog, check_installed, open_writer
from train.training.model_views import Nets
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
    hosts: Hosts = ALONE,
) -> list[dict]:
    """Train a detector on one split of a VOC folder, keep the best by AP on another.

    Beside `out` (a .keras file) stand a CSV log, pictures of the curves and of what the best model
    finds, and, until the training has ended, the state from which `resume` goes on.

    Args:
        initial: where the first weights come from. A pretrained backbone moves more slowly, and
            its batch norm and first blocks not at all.
        tensorboard: write the curves for TensorBoard, too.
        command: what the user typed, for the model's record.
        hosts: the processes that train together. All read the data; the first one alone reads
            weights, validates and writes.

    Returns: the log, a row an epoch.
    Raises: ValueError for data, a recipe or files that do not fit, before anything is written;
        OSError where a file cannot be written, with what is left.
    """
    files = TrainingFiles(out)
    with hosts.all_or_none():
        training, validation = _load_splits(config, data)
        spec = make_spec(config, training.class_names, initial)
        recipe = describe_recipe(config, spec, initial, training)
        distribution = spread(config.batch_size)
        if config.qat and distribution:
            raise ValueError("--qat trains on one device, got several; hide all but one")
        if tensorboard:
            check_installed()
    start = share_progress(hosts, recipe, lambda: begin(recipe, files, resume, overwrite))
    keras.utils.set_random_seed(config.seed)
    nets = build_nets(config, spec, initial, training, hosts, fresh=not start.epochs)
    epochs = range(start.epochs, config.epochs_trained)
    batches = TrainingBatches(
        training,
        spec,
        augmentation_of(config),
        config.batch_size,
        config.seed,
        epochs,
        (hosts.index, hosts.count),
    )
    measure = Validation(nets, validation, spec, config.validate_every, config.epochs_trained)
    record = describe_training(config, training, command, initial.start_from)
    keeper = Keeper(nets, measure, files, start, record)
    callbacks = [Speed(batches), measure, keeper]
    if tensorboard and hosts.first:
        callbacks.append(EventLog(open_writer(files.events), start.history))
    if hosts.first:
        _describe(nets.plain, spec, training, validation)
    with hosts.in_step(), distribution.scope() if distribution else nullcontext():
        model = _to_train(nets, config, spread_out=distribution is not None)
        _compile(model, config, initial, batches.steps_per_epoch)
        if start.epochs:
            restore_state(share_file(hosts, files.state), model)
        if epochs:
            _fit(model, batches, config, start, callbacks, hosts)
        elif hosts.first:  # only the tidying up was interrupted
            keeper.write_history()
    return _finish(keeper, files, hosts)


def _to_train(nets: Nets, config: TrainConfig, spread_out: bool) -> keras.Model:
    if nets.shared:
        return nets.measured
    return replicated(nets.plain, config.seed) if spread_out else with_fused_batch_norm(nets.plain)


def _fit(
    model: keras.Model,
    batches: TrainingBatches,
    config: TrainConfig,
    start: Progress,
    callbacks: list[keras.callbacks.Callback],
    hosts: Hosts,
) -> None:
    bar = 1 if sys.stdout.isatty() else 2
    try:
        model.fit(
            batches,
            epochs=config.epochs_trained,
            initial_epoch=start.epochs,
            steps_per_epoch=batches.steps_per_epoch,
            shuffle=False,  # the batches come shuffled
            callbacks=callbacks if hosts.first else [],
            verbose=bar if hosts.first else 0,
        )
    except Exception as error:
        if batches.failure is None:
            raise
        # An OSError: of a ValueError several hosts would say that one of them was lost.
        raise OSError(f"{batches.failure}; mend the data and go on with --resume") from error


def _finish(keeper: Keeper, files: TrainingFiles, hosts: Hosts) -> list[dict]:
    """The log, on all hosts: the others wait here for the first one's last validation."""

    def tidied_up() -> bytes:
        files.state.unlink()
        return json.dumps(keeper.progress.history).encode()

    return json.loads(hosts.from_first(tidied_up))


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
    if not any((~example.difficult).any() for example in validation):
        raise ValueError(
            f"a validation split with objects that are not difficult expected, got none in "
            f"{config.val_split!r}: no epoch could be told from another; give another --val-split, "
            "or none"
        )
    for example in validation:  # in seconds, what would else end the training after hours
        read_image(example.image_path)
    return training, validation


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
