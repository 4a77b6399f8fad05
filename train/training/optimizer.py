"""Optimizer: Adam with warm-up, cosine decay and a slower pretrained backbone."""

from __future__ import annotations

import keras

from train.config import TrainConfig
from train.model.backbones import backbone_names


def build_optimizer(
    model: keras.Model, config: TrainConfig, pretrained_backbone: bool, steps_per_epoch: int
) -> keras.optimizers.Optimizer:
    """The optimizer of a recipe: the learning rate rises linearly, then falls as half a cosine.

    Weight decay is decoupled from the gradient (AdamW, Loshchilov and Hutter 2019) and spares
    biases, batch norm and int8 ranges, which it would only push towards a net that does nothing.
    """
    warmup = max(1, round(config.warmup_epochs * steps_per_epoch))
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=config.learning_rate / 100,
        warmup_target=config.learning_rate,
        warmup_steps=warmup,
        decay_steps=max(1, config.epochs * steps_per_epoch - warmup),
    )
    slow = backbone_names(model) if pretrained_backbone else []
    optimizer = SlowerBackboneAdam(schedule, slow, config.backbone_rate, config.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "factors"])
    return optimizer


class SlowerBackboneAdam(keras.optimizers.Adam):
    """Adam with a smaller learning rate for the backbone's variables.

    Weight decay is not slowed: it goes by the whole learning rate in every layer.

    Args:
        backbone: names of the layers whose gradients move them at `rate` times the learning rate.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
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
        # TensorFlow hands over its own variable, whose name is Keras's path.
        path = getattr(variable, "path", variable.name)
        slow = path.split("/")[-2] in self.backbone
        super().update_step(gradient, variable, learning_rate * (self.rate if slow else 1.0))
