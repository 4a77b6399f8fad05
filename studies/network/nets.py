"""MobileNetV2 with another beginning or end, layer names as keras.applications has them.

Layers of equal name and shape take ImageNet's weights; `tests/studies/test_network.py` holds the
unchanged net to the original, and the one that the shipped detector has to its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import keras
from keras import KerasTensor

from train.model.backbones import mobilenet_v2
from train.model.backbones.base import Backbone
from train.model.backbones.mobilenet_v2_short import (
    BLOCKS,
    EXPANSION,
    READ_INSIDE,
    STEM_CHANNELS,
    bottleneck,
    convolution,
    rounded,
    stem,
)
from train.model.blocks import conv

LAST_CHANNELS = 1280


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
        inside = {}
        for number, (channels, stride) in enumerate(BLOCKS[first:], first):
            expand = number > 0 and (number, self.stem) != (1, "plain block 1")
            width = rounded(channels * alpha, self.multiple)
            x, inside[number] = bottleneck(x, number, width, stride, expand)
        if self.last:
            x = convolution(x, self.last, "Conv_1", "Conv_1_bn", "out_relu")
        return image, {**{stride: inside[at] for stride, at in READ_INSIDE.items()}, 32: x}

    def _begin(self, image: KerasTensor, alpha: float) -> tuple[KerasTensor, int]:
        """Everything before the first whole block, and that block's number."""
        if self.stem == "patch":
            zeroth, first = (rounded(channels * alpha, self.multiple) for channels, _ in BLOCKS[:2])
            x = conv(image, zeroth * EXPANSION, "patch", size=4, stride=4)
            return convolution(x, first, "block_1_project", "block_1_project_BN"), 2
        x = stem(image, rounded(STEM_CHANNELS * alpha, self.multiple))
        return x, 0 if self.stem == "conv" else 1


def backbone(body: Body) -> Backbone:
    return replace(mobilenet_v2.BACKBONE, build=body.build)
