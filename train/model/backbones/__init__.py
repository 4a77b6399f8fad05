"""Backbones that `train.model.ssd.build_ssd` puts its heads on, by name."""

from __future__ import annotations

import keras

from train.model.backbones import mobilenet_v1, mobilenet_v2, mobilenet_v2_short, vgg16
from train.model.backbones.base import Backbone

BACKBONES: dict[str, Backbone] = {
    backbone.name: backbone
    for backbone in (
        mobilenet_v2.BACKBONE,
        mobilenet_v2_short.BACKBONE,
        mobilenet_v1.BACKBONE,
        vgg16.BACKBONE,
    )
}
# The detector's own layers begin so; every other layer with weights is the backbone's.
OWN_LAYERS = ("extra_", "l2_", "lateral_", "smooth_", "logits_", "offsets_")
_SUFFIX = "_ssd"


def name_of_net(backbone: str) -> str:
    """Name of a detector's model, from which `backbone_of` reads its backbone."""
    return f"{backbone}{_SUFFIX}"


def backbone_of(model: keras.Model) -> Backbone | None:
    """The backbone of a detector by `build_ssd`, also of a loaded one; None for another net."""
    return BACKBONES.get(str(model.name).removesuffix(_SUFFIX))


def backbone_names(model: keras.Model) -> list[str]:
    """Names of the backbone's layers with weights, in order: all but the detector's own."""
    if backbone_of(model) is None:
        return []
    return [
        layer.name
        for layer in model.layers
        if layer.weights and not layer.name.startswith(OWN_LAYERS)
    ]
