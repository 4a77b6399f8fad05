"""MobileNetV2 backbone: ImageNet weights, which make a few hundred images enough, and freezing."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

CURE = (
    "give a file with --backbone-weights (on a machine with a network: keras.applications"
    ".MobileNetV2(alpha=…, include_top=False).save_weights), or train from random weights with "
    "--from-scratch"
)


def load_backbone(model: keras.Model, alpha: float, weights: Path | None = None) -> int:
    """Put ImageNet weights into the backbone of a detector built by `build_ssd`.

    The detector's backbone layers keep the names that keras.applications gives them. The weights
    want pixels in [-1, 1], which the default pixel_mean and pixel_scale give.

    Args:
        alpha: width multiplier that the detector was built with.
        weights: a .weights.h5 file of keras.applications.MobileNetV2 without its top; None for
            those that Keras downloads, or finds in its cache.

    Returns: the number of layers that took over weights.
    Raises: ValueError where the weights cannot be had, do not fit or look untrained.
    """
    source = _reference(alpha, weights)
    loaded = set()
    for layer in source.layers:
        if not layer.weights:
            continue
        try:
            target = model.get_layer(layer.name)
        except ValueError:
            continue  # the detector reads a block's expansion and may need nothing behind it
        target.set_weights(layer.get_weights())
        loaded.add(layer.name)
    missing = [name for name in backbone_names(model) if name not in loaded]
    if missing:
        raise ValueError(
            f"ImageNet weights for every layer of the backbone expected, got none for {missing[0]} "
            f"and {len(missing) - 1} more; {CURE}"
        )
    return len(loaded)


def _reference(alpha: float, weights: Path | None) -> keras.Model:
    def build(initial: str | None) -> keras.Model:
        # At the size that ImageNet was trained at; the weights are the same at any.
        return keras.applications.MobileNetV2(
            input_shape=(224, 224, 3), alpha=alpha, include_top=False, weights=initial
        )

    if weights is None:
        try:
            source = build("imagenet")
        except Exception as error:  # Keras raises a bare Exception where the download fails
            raise ValueError(
                f"ImageNet weights for alpha {alpha} expected, got: {error}; {CURE}"
            ) from error
    else:
        if not weights.is_file():
            raise ValueError(f"no backbone weights at {weights}; {CURE}")
        source = build(None)
        try:
            source.load_weights(weights)
        except Exception as error:  # h5py and Keras raise what they happen to find
            first = str(error).strip().splitlines()[0]
            raise ValueError(
                f"{weights}: weights of MobileNetV2 with alpha {alpha} and no top expected, "
                f"got: {first}; {CURE}"
            ) from error
    _check_trained(source, weights)
    return source


def _check_trained(source: keras.Model, weights: Path | None) -> None:
    """Statistics of batch norm start at 0 and 1: where they still are, nothing was learnt."""
    for layer in source.layers:
        for array in layer.get_weights():
            if not np.isfinite(array).all():
                raise ValueError(
                    f"{weights or 'ImageNet weights'}: {layer.name} is not finite; {CURE}"
                )
    untrained = [
        layer.name
        for layer in source.layers
        if isinstance(layer, keras.layers.BatchNormalization)
        and not np.asarray(layer.moving_mean).any()
        and (np.asarray(layer.moving_variance) == 1).all()
    ]
    if untrained:
        raise ValueError(
            f"{weights or 'ImageNet weights'}: trained weights expected, but {untrained[0]} and "
            f"{len(untrained) - 1} more layers are as initialised; {CURE}"
        )


def freeze(model: keras.Model, blocks: int, batch_norm: bool = True) -> None:
    """Keep a pretrained backbone's first blocks and, if wanted, all its batch norm as they are.

    The statistics of a million pictures beat those of a few hundred; and a frozen batch norm
    trains twice as fast.

    Args:
        blocks: inverted bottlenecks that stay, with everything before them; 0 for none.
        batch_norm: whether that of the later blocks stays, too.
    """
    last = f"block_{blocks - 1}_project_BN" if blocks > 1 else "expanded_conv_project_BN"
    names = [layer.name for layer in model.layers]
    # A net that reads fine maps only may end before that block: then all of it stays.
    end = names.index(last) + 1 if last in names else len(names)
    early = names[:end] if blocks else []
    for name in backbone_names(model):
        layer = model.get_layer(name)
        if name in early or (batch_norm and isinstance(layer, keras.layers.BatchNormalization)):
            layer.trainable = False


def backbone_names(model: keras.Model) -> list[str]:
    """Names of the backbone's layers with weights, in order: all but the detector's own."""
    prefixes = ("Conv1", "bn_Conv1", "expanded_conv_", "block_", "Conv_1")
    return [
        layer.name for layer in model.layers if layer.weights and layer.name.startswith(prefixes)
    ]
