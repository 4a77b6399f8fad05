"""MobileNetV2 and SSDLite (Sandler et al. 2018, section 6.2)."""

from __future__ import annotations

import keras
from keras import KerasTensor, layers

from train.model.backbones.base import Backbone, copy_by_name
from train.model.blocks import conv, depthwise

# The paper reads stride 16 from the expansion inside block 13, stride 32 from the last convolution.
FEATURES = {8: "block_6_expand_relu", 16: "block_13_expand_relu", 32: "out_relu"}
EXTRA_CHANNELS = {64: 512, 128: 256, 256: 256, 512: 128}


def _build(input_hw: tuple[int, int], alpha: float) -> tuple[KerasTensor, dict[int, KerasTensor]]:
    net = keras.applications.MobileNetV2(
        input_shape=(*input_hw, 3), alpha=alpha, include_top=False, weights=None
    )
    return net.input, {stride: net.get_layer(name).output for stride, name in FEATURES.items()}


def _extra(x: KerasTensor, stride: int, channels: int) -> KerasTensor:
    """An inverted bottleneck at stride 2."""
    channels = channels or EXTRA_CHANNELS[stride]
    x = conv(x, channels // 2, f"extra_{stride}_expand")
    x = depthwise(x, f"extra_{stride}_depthwise", stride=2)
    return conv(x, channels, f"extra_{stride}_project", activate=False)


def _head(x: KerasTensor, channels: int, name: str) -> KerasTensor:
    """SSDLite: a 3x3 convolution made separable."""
    x = depthwise(x, f"{name}_depthwise")
    return layers.Conv2D(channels, 1, name=f"{name}_conv")(x)


def _last_of(blocks: int) -> str:
    """Blocks are inverted bottlenecks."""
    return f"block_{blocks - 1}_project_BN" if blocks > 1 else "expanded_conv_project_BN"


BACKBONE = Backbone(
    name="mobilenet_v2",
    build=_build,
    strides=(8, 16, 32),
    extra=_extra,
    extra_strides=(64, 128, 256, 512),
    head=_head,
    application="MobileNetV2",
    has_alpha=True,
    last_of=_last_of,
    take_over=copy_by_name,
)
