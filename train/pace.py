"""Pace of a training on this machine, measured before it, and the epochs that a budget allows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import keras
import numpy as np

from edge_runtime.detector.spec import DetectorSpec
from train.config import TrainConfig
from train.data.batches import TrainingBatches
from train.data.readiness import Splits
from train.data.ssd_augment import augmentation_of
from train.from_data import VALIDATIONS, Settled, settle
from train.setup import build_views, compile_model, model_to_train
from train.training.callbacks import detect_all
from train.training.distributed import SINGLE, Cluster
from train.training.initial_weights import Initial

TIMED = 5  # steps, and of them the median
FEWEST_EPOCHS = 3  # with fewer the learning rate rises and is gone
SAVING = 1.0  # seconds an epoch for state, log and, now and then, curves
MARGIN = 0.9  # of the budget is planned: a machine is not always as fast as at the start


@dataclass(frozen=True)
class Pace:
    """Seconds that the parts of a training take.

    start: until the first step is done, compiling included. step: of one batch. validation: of all
    validation pictures, 0 without.
    """

    start: float
    step: float
    validation: float

    def seconds(self, epochs: int, steps_per_epoch: int, validate_every: int) -> float:
        """Of a whole training. validate_every: epochs; 0 for some 25 validations in all."""
        every = validate_every or max(1, epochs // VALIDATIONS)
        validations = math.ceil(epochs / every) * self.validation
        return self.start + epochs * (steps_per_epoch * self.step + SAVING) + validations


def probe(config: TrainConfig, spec: DetectorSpec, initial: Initial, splits: Splits) -> Pace:
    """Pace of a training, measured on a net that is thrown away. Raises: as `build_views`."""
    training, validating = splits
    initial = replace(initial, fine_tuning=initial.is_fine_tuning(spec.class_names))
    views = build_views(config, spec, initial, training, SINGLE, fresh=True)
    model = model_to_train(views, config, replicate=False)
    batches = TrainingBatches(
        training, spec, augmentation_of(config), config.batch_size, config.seed, range(TIMED + 1)
    )
    compile_model(model, config, initial, batches.steps_per_epoch)

    def validate(count: int) -> None:
        if validating:
            some = replace(validating, examples=validating.examples[:count])
            detect_all(views.evaluation, some, spec)

    try:
        return measure_pace(model, batches, validate, len(validating) if validating else 0)
    finally:
        batches.close()
        keras.utils.clear_session()  # the names of layers are counted from the start again


def measure_pace(
    model: keras.Model, batches: TrainingBatches, validate: Callable[[int], None], pictures: int
) -> Pace:
    """Time some steps of a compiled model, which changes it, and some validation pictures.

    Args:
        validate: evaluates so many validation pictures.
        pictures: in a validation, 0 for none.
    """
    start = time.perf_counter()
    model.train_on_batch(*batches[0])
    first = time.perf_counter() - start
    steps = []
    for number in range(1, min(TIMED + 1, len(batches))):
        start = time.perf_counter()
        model.train_on_batch(*batches[number])
        steps.append(time.perf_counter() - start)
    validation = 0.0
    if pictures:
        some = min(pictures, TIMED)
        validate(some)  # compiles
        start = time.perf_counter()
        validate(some)
        validation = (time.perf_counter() - start) * pictures / some
    # The first step is paid for again.
    return Pace(2 * first, float(np.median(steps or [first])), validation)


def epochs_within(
    minutes: float, wanted: int, pace: Pace, steps_per_epoch: int, validate_every: int
) -> int:
    """Epochs of a training that is to end within so many minutes, at most the wanted ones.

    Raises: ValueError where too few fit, with the minutes that are needed.
    """
    fewest = min(FEWEST_EPOCHS, wanted)
    for epochs in range(wanted, fewest - 1, -1):
        if pace.seconds(epochs, steps_per_epoch, validate_every) <= MARGIN * 60 * minutes:
            return epochs
    least = pace.seconds(fewest, steps_per_epoch, validate_every) / MARGIN / 60
    raise ValueError(
        f"--budget {minutes:g} is too little for a training: {steps_per_epoch} steps an epoch "
        f"of {pace.step:.2f} s each; {math.ceil(least)} minutes are the least here, half an hour "
        "a good try; a smaller --input-size is faster"
    )


def check_budget(budget: float | None, config: TrainConfig, cluster: Cluster) -> None:
    """Raises: ValueError for a budget of minutes that is none, of several hosts, or of a stage."""
    if budget is None:
        return
    if not 0 < budget < math.inf:
        raise ValueError(
            f"--budget is minutes, more than 0, got {budget:g}; half an hour is a good try, and "
            "without it the number of pictures decides"
        )
    if cluster.count > 1:
        raise ValueError("--budget is for one host, got several; give --epochs instead")
    if config.stop_after:
        raise ValueError(
            "--budget chooses the epochs in which the learning rate falls to the end, got "
            "--stop-after as well; leave one of them out"
        )


def settle_within(
    budget: float,
    config: TrainConfig,
    settled: Settled,
    spec: DetectorSpec,
    initial: Initial,
    splits: Splits,
) -> Settled:
    """The settings, with fewer epochs where a budget of minutes does not allow theirs.

    Raises: as `epochs_within`.
    """
    print("measuring the pace of a training here, for --budget", flush=True)
    pace = probe(settled.config, spec, initial, splits)
    steps = len(splits.training) // settled.config.batch_size
    wanted = settled.config.epochs
    epochs = epochs_within(budget, wanted, pace, steps, config.validate_every)
    if epochs == wanted:
        return settled
    said = (
        f"--epochs {epochs}: what --budget {budget:g} allows of {wanted}, {pace.step:.2f} s a step"
    )
    shorter = settle(replace(config, epochs=epochs), splits.training)
    return replace(shorter, reasons=(said, *shorter.reasons))
