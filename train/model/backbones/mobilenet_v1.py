"""MobileNetV1 and its SSD (Howard et al. 2017, section 4.6), heads of 1x1 convolutions.

The paper leaves the maps behind the network open. They are those of the detector that its authors
published the weights of: 1x1 and 3x3 convolutions, four times halved.
"""

from __future__ import annotations

import keras
from keras import KerasTensor, layers

from train.model.backbones.base import Backbone, copy_by_name
from train.model.blocks import conv, depthwise

# Channels and stride of each depthwise separable convolution (table 1).
BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *[(512, 1)] * 5,
    *((1024, 2), (1024, 1)),
)
FEATURES = {5: 8, 11: 16, 13: 32}  # stride of the map behind the block
EXTRA_CHANNELS = {64: 512, 128: 256, 256: 256, 512: 128}


def _build(input_hw: tuple[int, int], alpha: float) -> tuple[KerasTensor, dict[int, KerasTensor]]:
    # Not keras.applications' own: of 75 cells it makes 37, and the anchors stand in 38.
    image = keras.Input((*input_hw, 3))
    x = conv(image, int(32 * alpha), "conv1", size=3, stride=2)
    features = {}
    for number, (channels, stride) in enumerate(BLOCKS, 1):
        x = depthwise(x, f"conv_dw_{number}", stride)
        x = conv(x, int(channels * alpha), f"conv_pw_{number}")
        if number in FEATURES:
            features[FEATURES[number]] = x
    return image, features


def _extra(x: KerasTensor, stride: int, channels: int) -> KerasTensor:
    channels = channels or EXTRA_CHANNELS[stride]
    x = conv(x, channels // 2, f"extra_{stride}_reduce")
    return conv(x, channels, f"extra_{stride}_conv", size=3, stride=2)


def _head(x: KerasTensor, channels: int, name: str) -> KerasTensor:
    return layers.Conv2D(channels, 1, name=f"{name}_conv")(x)


def _last_of(blocks: int) -> str:
    """Blocks are depthwise separable convolutions."""
    return f"conv_pw_{blocks}_bn"


BACKBONE = Backbone(
    name="mobilenet_v1",
    build=_build,
    strides=(8, 16, 32),
    extra=_extra,
    extra_strides=(64, 128, 256, 512),
    head=_head,
    application="MobileNet",
    has_alpha=True,
    last_of=_last_of,
    take_over=copy_by_name,
)
