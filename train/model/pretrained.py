"""Pretrained backbone: ImageNet weights, which make a few hundred images enough, and freezing."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from train.model.backbones import BACKBONES, backbone_names, backbone_of
from train.model.backbones.base import Backbone


def load_backbone(model: keras.Model, alpha: float, weights: Path | None = None) -> int:
    """Put ImageNet weights into the backbone of a detector built by `build_ssd`.

    The detector's backbone layers keep the names that keras.applications gives them. The weights
    want the pixels that the default pixel_mean and pixel_scale give.

    Args:
        alpha: width multiplier that the detector was built with.
        weights: a .weights.h5 file of the backbone's class in keras.applications without its top,
            of VGG16 also with it, which gives fc6 and fc7 theirs; None for those that Keras
            downloads, or finds in its cache.

    Returns: the number of layers that took over weights.
    Raises: ValueError where the weights cannot be had, do not fit or look untrained.
    """
    net = backbone_of(model)
    assert net is not None, f"a detector by build_ssd expected, got {model.name}"
    if not net.has_alpha and alpha != 1:
        raise ValueError(
            f"ImageNet weights of {net.application} are of --alpha 1, got {alpha:g}; leave it out, "
            "or train from random weights with --from-scratch"
        )
    source = _reference(net, alpha, weights)
    loaded = net.take_over(model, source)
    missing = [name for name in backbone_names(model) if name not in loaded]
    if [name for name in missing if name not in net.may_begin_anew]:
        raise ValueError(
            f"ImageNet weights for every layer of the backbone expected, got none for {missing[0]} "
            f"and {len(missing) - 1} more; {_cure(net)}"
        )
    if missing:
        where = " without a top" if net.reads_top else ""
        print(f"{', '.join(missing)} begin anew: ImageNet weights{where} have none for them")
    return len(loaded)


def _cure(net: Backbone) -> str:
    alpha = "alpha=…, " if net.has_alpha else ""
    return (
        "give a file with --backbone-weights (on a machine with a network: keras.applications"
        f".{net.application}({alpha}include_top=False).save_weights), or train from random "
        "weights with --from-scratch"
    )


def _build(net: Backbone, alpha: float, weights: str | None, top: bool) -> keras.Model:
    kind = getattr(keras.applications, net.application)
    width = {"alpha": alpha} if net.has_alpha else {}
    # At the size that ImageNet was trained at; the weights are the same at any.
    return kind(input_shape=(224, 224, 3), include_top=top, weights=weights, **width)


def _reference(net: Backbone, alpha: float, weights: Path | None) -> keras.Model:
    if weights is None:
        try:
            source = _build(net, alpha, "imagenet", top=net.reads_top)
        except Exception as error:  # Keras raises a bare Exception where the download fails
            raise ValueError(
                f"ImageNet weights for alpha {alpha} expected, got: {error}; {_cure(net)}"
            ) from error
    else:
        if not weights.is_file():
            raise ValueError(f"no backbone weights at {weights}; {_cure(net)}")
        source = _load(net, alpha, weights)
    _check_trained(net, source, weights)
    return source


def _load(net: Backbone, alpha: float, weights: Path) -> keras.Model:
    tops = (False, True) if net.reads_top else (False,)
    said = ""
    for top in tops:
        try:
            source = _build(net, alpha, None, top)
            source.load_weights(weights)
            return source
        except Exception as error:  # h5py and Keras raise what they happen to find
            said = said or str(error).strip().splitlines()[0]
    width = f" with alpha {alpha}" if net.has_alpha else ""
    others = ", ".join(
        dict.fromkeys(
            other.application
            for other in BACKBONES.values()
            if other.application != net.application
        )
    )
    raise ValueError(
        f"{weights}: weights of {net.application}{width} and no top expected, got: {said}; those "
        f"of {others} are for other presets; {_cure(net)}"
    )


def _check_trained(net: Backbone, source: keras.Model, weights: Path | None) -> None:
    """Whether anything was learnt: statistics of batch norm start at 0 and 1, biases at 0."""
    for layer in source.layers:
        for array in layer.get_weights():
            if not np.isfinite(array).all():
                raise ValueError(
                    f"{weights or 'ImageNet weights'}: {layer.name} is not finite; {_cure(net)}"
                )
    untrained = [layer.name for layer in source.layers if _as_initialised(layer)]
    if untrained:
        raise ValueError(
            f"{weights or 'ImageNet weights'}: trained weights expected, but {untrained[0]} and "
            f"{len(untrained) - 1} more layers are as initialised; {_cure(net)}"
        )


def _as_initialised(layer: keras.Layer) -> bool:
    if isinstance(layer, keras.layers.BatchNormalization):
        mean, variance = np.asarray(layer.moving_mean), np.asarray(layer.moving_variance)
        return not mean.any() and bool((variance == 1).all())
    if isinstance(layer, keras.layers.Conv2D) and layer.use_bias:
        return not np.asarray(layer.bias).any()
    return False


def freeze(
    model: keras.Model, blocks: int, batch_norm: bool = True, from_imagenet: bool = True
) -> None:
    """Keep a pretrained backbone's first blocks and, if wanted, all its batch norm as they are.

    The statistics of a million pictures beat those of a few hundred; and a frozen batch norm
    trains twice as fast.

    Args:
        blocks: blocks of the backbone that stay, with everything before them; 0 for none. What a
            block is: see `last_of` in the backbone's module.
        batch_norm: whether that of the later blocks stays, too.
        from_imagenet: whether ImageNet's weights are in it, which may lack some layers: these
            learn. A trained detector's backbone has learnt all of them.
    """
    net = backbone_of(model)
    names = [layer.name for layer in model.layers]
    last = net.last_of(blocks) if net and blocks else ""
    # A net that reads fine maps only may end before that block: then all of it stays.
    end = names.index(last) + 1 if last in names else len(names)
    early = names[:end] if blocks else []
    anew = net.may_begin_anew if net and from_imagenet else ()
    for name in backbone_names(model):
        if name in anew:  # it has learnt nothing that could be kept
            continue
        layer = model.get_layer(name)
        if name in early or (batch_norm and isinstance(layer, keras.layers.BatchNormalization)):
            layer.trainable = False
