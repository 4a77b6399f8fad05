"""Other forms of the top-down path's nearest resize, which XNNPACK computes itself.

XNNPACK has nothing for RESIZE_NEAREST_NEIGHBOR: it runs outside and cuts the graph in parts.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import KerasTensor, layers

FORMS = ("bilinear", "repeat")


def with_resize(model: keras.Model, form: str) -> keras.Model:
    """A copy, with random weights, whose resizing layers are of another form.

    form: "bilinear", or "repeat", which gives the same numbers as nearest by whole factors.
    """
    assert form in FORMS, form

    def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(layer, layers.Resizing):
            return layer(*args, **kwargs)
        if form == "repeat":
            return repeat(args[0], layer.height // args[0].shape[1], layer.name)
        return layers.Resizing(layer.height, layer.width, form, name=layer.name)(*args)

    return keras.models.clone_model(model, call_function=call)


def repeat(x: KerasTensor, times: int, name: str) -> KerasTensor:
    """Each cell of a map (B, H, W, C) times x times.

    In memory a cell's channels lie together: repeated, they are the channels behind themselves,
    and a row repeated is the row behind itself.
    """
    _, rows, columns, channels = x.shape
    x = layers.Concatenate(axis=3, name=f"{name}_columns")([x] * times)
    x = layers.Reshape((rows, times * columns * channels), name=f"{name}_row")(x)
    x = layers.Concatenate(axis=2, name=f"{name}_rows")([x] * times)
    return layers.Reshape((times * rows, times * columns, channels), name=name)(x)
