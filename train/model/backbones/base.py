"""A backbone: what a detector needs to know of the network that its heads read."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import keras
from keras import KerasTensor


@dataclass(frozen=True)
class Backbone:
    """A network and the maps that lie behind it.

    Attributes:
        name: as presets and messages have it.
        build: (input_hw, alpha) → the image tensor and the network's own maps by stride.
        strides: of the network's own maps, rising.
        extra: (map, stride, channels) → the next coarser map; channels 0 for the paper's.
        extra_strides: of the maps behind the network, rising.
        head: (map, channels, name) → the map of a head's convolution.
        application: the class of keras.applications whose ImageNet weights fit.
        has_alpha: whether `application` comes in several widths.
        last_of: number of blocks → the name of the last layer of the first so many blocks.
        take_over: (detector, application's model) → names of the backbone's layers that got its
            weights.
        cells: (side of the input in pixels, stride) → cells of that map along the side.
        may_begin_anew: layers that ImageNet's weights may have nothing for; with these weights they
            are never frozen.
        reads_top: whether weights with the application's classifier give more than those without.
    """

    name: str
    build: Callable[[tuple[int, int], float], tuple[KerasTensor, dict[int, KerasTensor]]]
    strides: tuple[int, ...]
    extra: Callable[[KerasTensor, int, int], KerasTensor]
    extra_strides: tuple[int, ...]
    head: Callable[[KerasTensor, int, str], KerasTensor]
    application: str
    has_alpha: bool
    last_of: Callable[[int], str]
    take_over: Callable[[keras.Model, keras.Model], set[str]]
    cells: Callable[[int, int], int] = lambda side, stride: -(-side // stride)
    may_begin_anew: tuple[str, ...] = ()
    reads_top: bool = False


def copy_by_name(model: keras.Model, source: keras.Model, but: Collection[str] = ()) -> set[str]:
    """Weights of every layer that both have, by name, `but` those. Returns: the names."""
    names = {layer.name for layer in model.layers}.difference(but)
    taken = set()
    for layer in source.layers:
        # The detector may read a map inside and need nothing behind it.
        if layer.weights and layer.name in names:
            model.get_layer(layer.name).set_weights(layer.get_weights())
            taken.add(layer.name)
    return taken
