"""Training recipe: the spec, the net and its first weights that a configuration stands for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import keras

from edge_runtime.detector.spec import DetectorSpec
from train.anchors.levels import load_levels
from train.config import TrainConfig
from train.data.dataset import DetectionDataset
from train.data.readiness import Splits
from train.from_data import fit_anchors
from train.model.batch_norm import with_fused_batch_norm
from train.model.loss import box_loss, class_loss
from train.model.presets import PRESETS
from train.model.pretrained import freeze
from train.model.ssd import build_ssd
from train.quantization.qat import make_int8_views, read_float_spec
from train.training.distributed import Cluster, replicated, share_weights
from train.training.initial_weights import Initial
from train.training.model_views import ModelViews
from train.training.optimizer import build_optimizer

OWN_ANCHORS = "preset"  # --anchors: the preset's, whatever the boxes


def make_spec(
    config: TrainConfig,
    training: DetectionDataset,
    initial: Initial,
    begun: Mapping[str, Any] | None = None,
) -> tuple[DetectorSpec, tuple[str, ...]]:
    """The spec that a recipe asks for, or that it finds in the detector that goes on learning.

    Args:
        begun: the spec of an interrupted training, as JSON, whose fitted anchors stay.

    Returns: the spec, and a line on anchors that were fitted to the boxes.
    Raises: ValueError, FileNotFoundError for anchors or a detector that do not fit.
    """
    if config.qat:
        return read_float_spec(initial.detector, training.class_names), ()
    side = config.input_size
    preset = PRESETS[config.preset]
    spec = preset.spec(training.class_names, (side, side) if side else None)
    if config.anchors not in ("", OWN_ANCHORS):
        return replace(spec, levels=load_levels(config.anchors)), ()
    if config.anchors or initial.start_from:  # a detector's heads are those of its own anchors
        return spec, ()
    if begun:
        return replace(spec, levels=DetectorSpec.from_json(json.dumps(begun)).levels), ()
    return fit_anchors(spec, training, config.seed)


def build_views(
    config: TrainConfig,
    spec: DetectorSpec,
    initial: Initial,
    training: DetectionDataset,
    cluster: Cluster,
    fresh: bool,
) -> ModelViews:
    """The detector's views before the first step. Raises: as `build_net`."""
    if config.qat:
        return make_int8_views(initial.detector, spec, training, config.seed)
    model = build_net(config, spec, initial, cluster, fresh)
    return ModelViews(model, model)


def build_net(
    config: TrainConfig, spec: DetectorSpec, initial: Initial, cluster: Cluster, fresh: bool
) -> keras.Model:
    """The net, of standard layers, with its first weights where it starts `fresh`.

    A resumed training brings its own. A pretrained backbone is frozen in part, see `freeze`.
    Raises: ValueError, FileNotFoundError, on all hosts, for weights that do not fit.
    """
    preset = PRESETS[config.preset]
    alpha = config.alpha or preset.alpha
    model = build_ssd(spec, alpha, preset.top_down_channels, preset.backbone)
    if fresh:
        share_weights(cluster, model, lambda: initial.apply(model, spec, alpha))
    if initial.pretrained_backbone:
        from_imagenet = initial.start_from is None
        freeze(model, config.frozen_blocks, config.freeze_batch_norm, from_imagenet)
    return model


def model_to_train(views: ModelViews, config: TrainConfig, replicate: bool) -> keras.Model:
    """The view of a net that learns, on several devices or with a faster batch norm."""
    if views.shared:
        return views.evaluation
    if replicate:
        return replicated(views.export, config.seed)
    return with_fused_batch_norm(views.export)


def compile_model(
    model: keras.Model, config: TrainConfig, initial: Initial, steps_per_epoch: int
) -> None:
    """Give a net the recipe's optimizer and losses."""
    model.compile(
        build_optimizer(model, config, initial.pretrained_backbone, steps_per_epoch),
        loss={"logits": class_loss, "offsets": box_loss},
        # XLA on a CPU made TensorFlow's training several times slower; JAX needs it.
        jit_compile=keras.backend.backend() == "jax",
    )
    _make_variables(model)


class _Losses(keras.Operation):
    """A compiled model's loss of (targets, predicted): of symbols only its shape is found."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self._model = model

    def call(self, targets: Any, predicted: Any) -> Any:
        return self._model.compute_loss(y=targets, y_pred=predicted)


def _make_variables(model: keras.Model) -> None:
    """Make those of optimizer and losses now: if the first step makes any, it is traced twice.

    Nothing is computed for it, since JAX would compile a program of each operation.
    """
    model.optimizer.build(model.trainable_variables)
    predicted = {n: keras.KerasTensor((1, *out.shape[1:])) for n, out in model.output.items()}
    rows = predicted["offsets"].shape[1]
    targets = {
        "logits": keras.KerasTensor((1, rows), "int32"),
        "offsets": keras.KerasTensor((1, rows, 5)),
    }
    _Losses(model)(targets, predicted)


def describe_recipe(
    config: TrainConfig, spec: DetectorSpec, initial: Initial, splits: Splits
) -> dict[str, Any]:
    """The recipe of a training, ready for JSON.

    It must stay the same for an interrupted training to go on, but for what
    `train.training.checkpoint` counts as its data.
    """
    parts = {**asdict(config), "initial": initial.describe(), **_describe_data(splits)}
    return {**parts, "spec": json.loads(spec.to_json())}


def _describe_data(splits: Splits) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "data": splits.training.fingerprint(),
        "pictures": len(splits.training),
    }
    if splits.validating:
        parts["val_data"] = splits.validating.fingerprint()
        parts["val_pictures"] = len(splits.validating)
    return parts
