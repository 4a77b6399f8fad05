"""Optimizer: Adam, or SSD's SGD, with warm-up, decay and a slower pretrained backbone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from train.config import TrainConfig
from train.model.backbones import backbone_names

SPARED = ("bias", "gamma", "beta", "factors")  # variables that do not decay


def build_optimizer(
    model: keras.Model, config: TrainConfig, pretrained_backbone: bool, steps_per_epoch: int
) -> keras.optimizers.Optimizer:
    """The optimizer of a recipe: the learning rate rises linearly, then falls by its schedule.

    Weight decay spares biases, batch norm and int8 ranges, which it would only push towards a net
    that does nothing. Adam's is decoupled from the gradient (AdamW, Loshchilov and Hutter 2019).
    """
    warmup = max(1, round(config.warmup_epochs * steps_per_epoch))
    schedules = {"cosine": _cosine, "steps": _steps}
    schedule = schedules[config.schedule](config, warmup, steps_per_epoch)
    slow = backbone_names(model) if pretrained_backbone else []
    if config.optimizer == "sgd":
        return SlowerBackboneSGD(schedule, slow, config.backbone_rate, config.weight_decay)
    optimizer = SlowerBackboneAdam(schedule, slow, config.backbone_rate, config.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=list(SPARED))
    return optimizer


def _cosine(config: TrainConfig, warmup: int, steps_per_epoch: int) -> LearningRateSchedule:
    """Half a cosine."""
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=config.learning_rate / 100,
        warmup_target=config.learning_rate,
        warmup_steps=warmup,
        decay_steps=max(1, config.epochs * steps_per_epoch - warmup),
    )


def _steps(config: TrainConfig, warmup: int, steps_per_epoch: int) -> LearningRateSchedule:
    """To a tenth after 40 of 60 thousand steps, to a hundredth after 50 (SSD, section 3.1)."""
    total = config.epochs * steps_per_epoch
    return WarmSteps(config.learning_rate, warmup, [total * 2 // 3, total * 5 // 6])


class WarmSteps(LearningRateSchedule):
    """A rise from a hundredth, then a tenth of the rate before, at each of some steps."""

    def __init__(self, peak: float, warmup: int, falls: Sequence[int]) -> None:
        super().__init__()
        self.peak, self.warmup, self.falls = peak, warmup, list(falls)

    def __call__(self, step: int | keras.KerasTensor) -> keras.KerasTensor:
        step = keras.ops.cast(step, "float32")
        rate = self.peak * keras.ops.minimum(1.0, 0.01 + 0.99 * step / self.warmup)
        for fall in self.falls:
            rate = keras.ops.where(step < fall, rate, rate / 10)
        return rate

    def get_config(self) -> dict[str, Any]:
        return {"peak": self.peak, "warmup": self.warmup, "falls": self.falls}


def _path(variable: keras.Variable) -> str:
    # TensorFlow hands over its own variable, whose name is Keras's path.
    return str(getattr(variable, "path", variable.name))


class SlowerBackboneSGD(keras.optimizers.SGD):
    """SGD with momentum 0.9 as the SSD paper trains (section 3), the backbone as in the other.

    Weight decay is part of the gradient, and so of the momentum, as in Caffe; times the learning
    rate alone, as Keras has it, the same number would do a tenth.

    Args:
        backbone, rate: as of SlowerBackboneAdam.
    """

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule,
        backbone: list[str],
        rate: float,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(learning_rate, momentum=0.9)
        self.backbone, self.rate, self.decay = frozenset(backbone), rate, weight_decay

    def update_step(
        self,
        gradient: keras.KerasTensor,
        variable: keras.Variable,
        learning_rate: keras.KerasTensor,
    ) -> None:
        layer, name = _path(variable).split("/")[-2:]
        if self.decay and not name.startswith(SPARED):
            gradient = gradient + self.decay * keras.ops.convert_to_tensor(variable)
        rate = self.rate if layer in self.backbone else 1.0
        super().update_step(gradient, variable, learning_rate * rate)


class SlowerBackboneAdam(keras.optimizers.Adam):
    """Adam with a smaller learning rate for the backbone's variables.

    Weight decay is not slowed: it goes by the whole learning rate in every layer.

    Args:
        backbone: names of the layers whose gradients move them at `rate` times the learning rate.
    """

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule,
        backbone: list[str],
        rate: float,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay or None)
        self.backbone, self.rate = frozenset(backbone), rate

    def update_step(
        self,
        gradient: keras.KerasTensor,
        variable: keras.Variable,
        learning_rate: keras.KerasTensor,
    ) -> None:
        slow = _path(variable).split("/")[-2] in self.backbone
        super().update_step(gradient, variable, learning_rate * (self.rate if slow else 1.0))
