"""Blocks of layers that backbones, top-down path and heads are made of."""

from __future__ import annotations

from keras import KerasTensor, layers


def conv(
    x: KerasTensor, channels: int, name: str, activate: bool = True, size: int = 1, stride: int = 1
) -> KerasTensor:
    """A convolution, batch norm and, if wanted, ReLU6."""
    x = layers.Conv2D(channels, size, stride, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if activate else x


def depthwise(x: KerasTensor, name: str, stride: int = 1) -> KerasTensor:
    """A depthwise 3x3 convolution, batch norm and ReLU6."""
    x = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)
