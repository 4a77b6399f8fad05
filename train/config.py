"""The training recipe: one row a setting, with its default, range and reason; rows become flags."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train.data.augment import AugmentationSettings
from train.model.presets import PRESETS
from train.settings import flag_of, setting

# With --qat: a trained detector only has to settle on int8's steps; much more would undo what it
# knows.
QAT_DEFAULTS = {
    "epochs": 10,
    "learning_rate": 1e-4,
    "warmup_epochs": 0.5,
    "weight_decay": 0.0,
    "validate_every": 1,
}

# The SSD paper's training (Liu et al. 2016, sections 2.2, 3 and 3.6), of any preset. The rest of it
# is the house's anyway: matching at IoU 0.5, three of the hardest negatives for each
# positive, and validation at NMS 0.45, score 0.01, the best 200.
SSD_DEFAULTS = {
    "optimizer": "sgd",
    "schedule": "steps",
    "learning_rate": 1e-3,
    "weight_decay": 5e-4,
    "batch_size": 32,
    "frozen_blocks": 0,
    "anchors": "preset",
    "patience": 0,
    "augmentation": "ssd",
    "crop": 6 / 7,  # one of seven ways leaves the picture whole
    "min_crop": 0.1,
    "zoom_out": 0.5,
    "max_zoom": 4.0,
    "horizontal_flip": 0.5,
}
RECIPES: dict[str, dict[str, Any]] = {"house": {}, "ssd": SSD_DEFAULTS}

# The fields that say what net it is; --qat takes that from the net that it starts from.
SHAPE = ("preset", "anchors", "input_size", "alpha")


@dataclass(frozen=True)
class LearningSettings:
    """Data, net and optimizer of a training; the defaults suit a few hundred images or thousands.

    A moving average of the weights is not among it: on blood cells' validation images one over
    100 steps had an AP of .453 at the end of a short training, the weights themselves .474.
    """

    train_split: str = setting("train", "split to learn from; trainval for the last training")
    val_split: str = setting(
        "val", "split that picks the best epoch; none: the last epoch, as after tuning"
    )
    preset: str = setting(
        "fpnlite", "levels, anchors and width of the net", choices=sorted(PRESETS)
    )
    anchors: str = setting(
        "",
        "file of `python -m train.anchors --out`, or preset; empty: the preset's where they reach "
        "nearly all boxes, else fitted to them",
    )
    input_size: int = setting(
        0,
        "height and width of the input in pixels; 0: the preset's, fpnlite's by the objects' sizes",
        64,
        2048,
        zero="the preset's",
    )
    alpha: float = setting(
        0.0, "width multiplier of the backbone; 0: the preset's", 0.1, 2, zero="the preset's"
    )
    epochs: int = setting(
        0,
        "passes over the training split; more still helps from scratch; 0: from the number of "
        "pictures",
        1,
        zero="what the number of pictures suggests",
    )
    stop_after: int = setting(
        0, "epochs after which to stop, the learning rate still high, for a next stage; 0: all", 0
    )
    batch_size: int = setting(
        0,
        "pictures a step; thousands from scratch rather 16 to 32; 0: 8, or all if they are fewer",
        1,
        zero="8, or all if they are fewer",
    )
    learning_rate: float = setting(
        1e-3,
        "highest one; Adam's from scratch rather 2e-3, higher shakes the statistics",
        1e-9,
        1,
    )
    optimizer: str = setting(
        "adam", "adam, or sgd with momentum 0.9 as in the SSD paper", choices=("adam", "sgd")
    )
    schedule: str = setting(
        "cosine",
        "how the learning rate falls: cosine, or steps to a tenth after two thirds of the epochs "
        "and to a hundredth after five sixths, as in the SSD paper",
        choices=("cosine", "steps"),
    )
    warmup_epochs: float = setting(
        0.0,
        "rise from zero to the peak, before batch norm's statistics can be trusted; 0: one, more "
        "where it has few steps",
        0,
    )
    mining_from: float = setting(
        0.0,
        "share of the epochs after which a picture's hardest negatives alone count, as in SSD; "
        "before, all of them, for a first stage from scratch: a net that finds nothing yet learns "
        "little from the hardest",
        0,
        1,
    )
    weight_decay: float = setting(
        1e-4,
        "share of a weight lost a step at learning rate 1, decoupled (AdamW) or, with sgd, in the "
        "gradient; spares biases, batch norm",
        0,
        0.99,
    )
    backbone_rate: float = setting(
        1.0,
        "learning rate of a pretrained backbone relative to the heads': objects are not ImageNet's",
        1e-6,
        1,
    )
    frozen_blocks: int = setting(
        3,
        "first blocks of a pretrained backbone that stay as they are: edges and colours; faster",
        0,
        16,
    )
    freeze_batch_norm: bool = setting(
        False, "keep a pretrained backbone's statistics: only where its weights hardly move"
    )


@dataclass(frozen=True)
class TrainConfig(AugmentationSettings, LearningSettings):
    """Everything that a training run is made of.

    The fields of the last base come first, and so do its flags.
    """

    validate_every: int = setting(
        0, "epochs between measurements of validation AP; 0: some 25 in all", 1, zero="some 25"
    )
    patience: int = setting(
        8,
        "on one host: stop where the mean AP of so many validations is not above that of as many "
        "before; 0: after the last epoch only",
        0,
    )
    qat: bool = setting(
        False,
        "quantisation-aware: the float detector of --start-from learns to live with int8; sets "
        "other defaults, shown by --qat --help",
    )
    seed: int = setting(0, "of weights, order and augmentation", 0, 2**32 - 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.epochs and self.stop_after > self.epochs:
            raise ValueError(
                f"--stop-after is 0 to {self.epochs} (--epochs), got {self.stop_after}"
            )
        if self.epochs and self.warmup_epochs > self.epochs:
            raise ValueError(
                f"--warmup-epochs is --epochs ({self.epochs}) at most, got {self.warmup_epochs}; "
                "the learning rate would never reach its peak"
            )
        self._check_qat()

    def _check_qat(self) -> None:
        """A net that goes on learning has its shape already."""
        shape = {name: getattr(self, name) for name in SHAPE}
        given = [name for name, value in shape.items() if value != getattr(TrainConfig, name)]
        if self.qat and given:
            raise ValueError(
                f"--qat takes the net from --start-from, got {flag_of(given[0])} as well; leave "
                "it out"
            )

    @property
    def epochs_trained(self) -> int:
        """All epochs, or those up to `stop_after`."""
        return self.stop_after or self.epochs


def add_initial_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `train.training.initial_weights.Initial`, here since that module loads Keras."""
    add = parser.add_mutually_exclusive_group().add_argument
    add(
        "--backbone-weights",
        type=Path,
        help="ImageNet weights (.weights.h5) of the preset's backbone without its top; "
        "None: those that Keras downloads",
    )
    add("--from-scratch", action="store_true", help="random weights, for thousands of pictures")
    add(
        "--start-from",
        type=Path,
        help="weights of this .keras file, at any input size; classes and anchors that it does not "
        "have begin anew, and with other classes its backbone counts as pretrained",
    )
