"""MobileNetV2 with another beginning or end, layer names as keras.applications has them.

Layers of equal name and shape take ImageNet's weights; `tests/studies/test_network.py` holds the
unchanged net to the original.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import keras
from keras import KerasTensor, layers

from train.model.backbones import mobilenet_v2
from train.model.backbones.base import Backbone
from train.model.blocks import conv

# Channels and stride of blocks 0 to 16 (Sandler et al. 2018, table 2).
BLOCKS = (
    *((16, 1), (24, 2), (24, 1)),
    *((32, 2), (32, 1), (32, 1)),
    *((64, 2), (64, 1), (64, 1), (64, 1), (96, 1), (96, 1), (96, 1)),
    *((160, 2), (160, 1), (160, 1), (320, 1)),
)
STEM_CHANNELS, LAST_CHANNELS, EXPANSION = 32, 1280, 6


@dataclass(frozen=True)
class Body:
    """What of MobileNetV2 is changed.

    Attributes:
        stem: "conv", the paper's 3x3 at stride 2 with blocks 0 and 1 behind it; "plain block 1",
            without block 0 and without the expansion of block 1; "patch", 4x4 at stride 4 in place
            of the stem, block 0, and all of block 1 but its projection.
        multiple: of channels, which are rounded to it.
        last: channels of the last convolution before the heads; 0 for none.
    """

    stem: str = "conv"
    multiple: int = 8
    last: int = LAST_CHANNELS

    def build(
        self, input_hw: tuple[int, int], alpha: float
    ) -> tuple[KerasTensor, dict[int, KerasTensor]]:
        """The image tensor and maps by stride, as `Backbone.build`."""
        image = keras.Input((*input_hw, 3))
        x, first = self._begin(image, alpha)
        features = {}
        for number in range(first, len(BLOCKS)):
            x, expanded = self._block(x, number, alpha)
            if number in (6, 13):
                features[8 if number == 6 else 16] = expanded
        if self.last:
            x = _conv(x, self.last, "Conv_1", norm="Conv_1_bn", activation="out_relu")
        return image, features | {32: x}

    def _begin(self, image: KerasTensor, alpha: float) -> tuple[KerasTensor, int]:
        """Everything before the first whole block, and that block's number."""
        if self.stem == "patch":
            expanded = self._channels(BLOCKS[0][0], alpha) * EXPANSION
            x = conv(image, expanded, "patch", size=4, stride=4)
            width = self._channels(BLOCKS[1][0], alpha)
            return _conv(x, width, "block_1_project", norm="block_1_project_BN"), 2
        stem = self._channels(STEM_CHANNELS, alpha)
        x = _conv(image, stem, "Conv1", norm="bn_Conv1", activation="Conv1_relu", size=3, stride=2)
        return x, 0 if self.stem == "conv" else 1

    def _channels(self, channels: int, alpha: float) -> int:
        """The nearest multiple, but none that is more than a tenth less, as keras.applications."""
        half = self.multiple / 2
        rounded = max(self.multiple, int(channels * alpha + half) // self.multiple * self.multiple)
        return rounded if rounded >= 0.9 * channels * alpha else rounded + self.multiple

    def _block(self, x: KerasTensor, number: int, alpha: float) -> tuple[KerasTensor, KerasTensor]:
        """An inverted bottleneck (section 3.3): its output, and the map behind its expansion."""
        channels, stride = BLOCKS[number]
        width, before = self._channels(channels, alpha), x
        prefix = f"block_{number}_" if number else "expanded_conv_"
        if number and (number, self.stem) != (1, "plain block 1"):
            expansion = EXPANSION * x.shape[-1]
            names = f"{prefix}expand_BN", f"{prefix}expand_relu"
            x = _conv(x, expansion, f"{prefix}expand", *names)
        expanded = x
        name = f"{prefix}depthwise"
        x = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False, name=name)(x)
        x = layers.BatchNormalization(name=f"{name}_BN")(x)
        x = layers.ReLU(6.0, name=f"{name}_relu")(x)
        x = _conv(x, width, f"{prefix}project", norm=f"{prefix}project_BN")
        if stride == 1 and before.shape[-1] == width:
            x = layers.Add(name=f"{prefix}add")([before, x])
        return x, expanded


def _conv(
    x: KerasTensor,
    channels: int,
    name: str,
    norm: str,
    activation: str = "",
    size: int = 1,
    stride: int = 1,
) -> KerasTensor:
    x = layers.Conv2D(channels, size, stride, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(name=norm)(x)
    return layers.ReLU(6.0, name=activation)(x) if activation else x


def backbone(body: Body) -> Backbone:
    return replace(mobilenet_v2.BACKBONE, build=body.build)
