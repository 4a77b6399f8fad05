"""The recipe: one field a number, a reason beside each; fields become flags."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, field, fields
from pathlib import Path

from train.model.presets import PRESETS


def setting(default, reason: str, **metadata):
    return field(default=default, metadata={"help": reason, **metadata})


# With --qat: a trained detector only has to settle on int8's steps; much more would undo what it
# knows.
QAT_DEFAULTS = {
    "epochs": 10,
    "learning_rate": 1e-4,
    "warmup_epochs": 0.5,
    "weight_decay": 0.0,
    "validate_every": 1,
}

# The fields that say what net it is; --qat takes that from the net that it starts from.
SHAPE = ("preset", "anchors", "input_size", "alpha")

# What a field may be, both ends included.
RANGES = (
    ("epochs", 1, math.inf),
    ("stop_after", 0, math.inf),
    ("batch_size", 1, math.inf),
    ("learning_rate", 1e-9, 1),
    ("warmup_epochs", 0, math.inf),
    ("weight_decay", 0, 0.99),
    ("backbone_rate", 1e-6, 1),  # --frozen-blocks keeps layers as they are
    ("frozen_blocks", 0, 16),
    ("horizontal_flip", 0, 1),
    ("vertical_flip", 0, 1),
    ("crop", 0, 1),
    ("min_crop", 0.05, 1),
    ("zoom_out", 0, 1),
    ("max_zoom", 1, 100),
    ("validate_every", 1, math.inf),
    ("seed", 0, 2**32 - 1),
)


@dataclass(frozen=True)
class TrainConfig:
    """What a training run is made of; the defaults suit a few hundred pictures or thousands.

    A moving average of the weights is not among it: on blood cells' validation pictures one over
    100 steps had an AP of .453 at the end of a short training, the weights themselves .474.
    """

    train_split: str = setting("train", "split to learn from; trainval for the last training")
    val_split: str = setting(
        "val", "split that picks the best epoch; none: the last epoch, as after tuning"
    )
    preset: str = setting(
        "fpnlite", "levels, anchors and width of the net", choices=sorted(PRESETS)
    )
    anchors: str = setting("", "file of `python -m train.anchors --out`; empty: the preset's")
    input_size: int = setting(0, "height and width of the input in pixels; 0: the preset's")
    alpha: float = setting(0.0, "width multiplier of the backbone; 0: the preset's")
    epochs: int = setting(60, "passes over the training split; more still helps from scratch")
    stop_after: int = setting(
        0, "epochs after which to stop, the learning rate still high, for a next stage; 0: all"
    )
    batch_size: int = setting(
        8, "pictures a step; few pictures need many steps, thousands from scratch rather 16 to 32"
    )
    learning_rate: float = setting(
        2e-3, "Adam's peak; lower trains too slowly from scratch, higher shakes the statistics"
    )
    warmup_epochs: float = setting(
        1.0, "rise from zero to the peak, before batch norm's statistics can be trusted"
    )
    hard_negatives: bool = setting(
        True,
        "learn from each picture's hardest negatives, as SSD does; without, from all of them: for "
        "a first stage from scratch, as a net that finds nothing yet learns little from them",
    )
    weight_decay: float = setting(
        0.05, "share of a weight lost a step at learning rate 1 (AdamW); spares biases, batch norm"
    )
    backbone_rate: float = setting(
        0.15, "learning rate of a pretrained backbone relative to the heads': it knows much already"
    )
    frozen_blocks: int = setting(
        3, "first blocks of a pretrained backbone that stay as they are: edges and colours; faster"
    )
    freeze_batch_norm: bool = setting(
        True, "keep a pretrained backbone's statistics: better than those of a few hundred pictures"
    )
    horizontal_flip: float = setting(0.5, "probability; 0 where left and right matter, as in text")
    vertical_flip: float = setting(0.0, "probability; 0.5 where there is no up, as in microscopy")
    crop: float = setting(0.5, "probability of a random crop, which makes objects larger")
    min_crop: float = setting(0.3, "smallest side of a crop, as a fraction of the picture's")
    zoom_out: float = setting(0.3, "probability of a larger canvas, which makes objects smaller")
    max_zoom: float = setting(2.5, "largest canvas side; small objects vanish above it")
    validate_every: int = setting(2, "epochs between measurements of validation AP")
    qat: bool = setting(
        False,
        "quantisation-aware: the float detector of --start-from learns to live with int8; sets "
        "other defaults, shown by --qat --help",
    )
    seed: int = setting(0, "of weights, order and augmentation")

    def __post_init__(self) -> None:
        for name, lowest, highest in RANGES:
            value = getattr(self, name)
            if not lowest <= value <= highest:  # also false for what is not a number
                raise ValueError(
                    f"--{_flag(name)} is {lowest:g} to {highest:g}, got {value}"
                    if math.isfinite(highest)
                    else f"--{_flag(name)} is {lowest:g} or more, got {value}"
                )
        if self.stop_after > self.epochs:
            raise ValueError(
                f"--stop-after is 0 to {self.epochs} (--epochs), got {self.stop_after}"
            )
        if self.warmup_epochs > self.epochs:
            raise ValueError(
                f"--warmup-epochs is --epochs ({self.epochs}) at most, got {self.warmup_epochs}; "
                "the learning rate would never reach its peak"
            )
        if self.crop + self.zoom_out > 1:
            raise ValueError(
                f"--crop and --zoom-out are 1 together at most, since a picture gets one of them, "
                f"got {self.crop} + {self.zoom_out}"
            )
        if self.preset not in PRESETS:
            raise ValueError(f"--preset is one of {sorted(PRESETS)}, got {self.preset!r}")
        for name, lowest, highest in (("input_size", 64, 2048), ("alpha", 0.1, 2)):
            value = getattr(self, name)
            if value and not lowest <= value <= highest:
                raise ValueError(
                    f"--{_flag(name)} is {lowest:g} to {highest:g}, or 0 for the preset's, "
                    f"got {value}"
                )

        self._check_qat()

    def _check_qat(self) -> None:
        """A net that goes on learning has its shape already."""
        shape = {name: getattr(self, name) for name in SHAPE}
        given = [name for name, value in shape.items() if value != getattr(TrainConfig, name)]
        if self.qat and given:
            raise ValueError(
                f"--qat takes the net from --start-from, got --{_flag(given[0])} as well; leave "
                "it out"
            )

    @property
    def epochs_trained(self) -> int:
        """All epochs, or those up to `stop_after`."""
        return self.stop_after or self.epochs


def _flag(name: str) -> str:
    return name.replace("_", "-")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """One flag for each field of TrainConfig."""
    for item in fields(TrainConfig):
        common = {"default": item.default, "help": item.metadata["help"]}
        kind = {"type": type(item.default), "choices": item.metadata.get("choices")}
        if isinstance(item.default, bool):
            kind = {"action": argparse.BooleanOptionalAction}
        parser.add_argument(f"--{_flag(item.name)}", **common, **kind)


def from_flags(arguments: argparse.Namespace) -> TrainConfig:
    return TrainConfig(**{item.name: getattr(arguments, item.name) for item in fields(TrainConfig)})


def add_initial_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `train.training.initial_weights.Initial`, here since that module loads Keras."""
    add = parser.add_mutually_exclusive_group().add_argument
    add(
        "--backbone-weights",
        type=Path,
        help="ImageNet weights (.weights.h5) of MobileNetV2 without its top; "
        "None: those that Keras downloads",
    )
    add("--from-scratch", action="store_true", help="random weights, for thousands of pictures")
    add("--start-from", type=Path, help="weights of this .keras file, at any input size")
