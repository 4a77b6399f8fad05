"""MobileNetV2 without the layers that take most of the time for least: the shipped detector's.

Block 0 and the expansion of block 1 compute on the largest maps; the last convolution widens the
smallest map for a classifier. What is left out of the paper's net (Sandler et al. 2018, table 2)
and what that costs: docs/results.md, "The network". Layers are named as in keras.applications,
whose ImageNet weights fit all but block 1.
"""

from __future__ import annotations

import keras
from keras import KerasTensor, layers

from train.model.backbones import mobilenet_v2
from train.model.backbones.base import Backbone, copy_by_name

# Channels and stride of blocks 0 to 16 (Sandler et al. 2018, table 2).
BLOCKS = (
    *((16, 1), (24, 2), (24, 1)),
    *((32, 2), (32, 1), (32, 1)),
    *((64, 2), (64, 1), (64, 1), (64, 1), (96, 1), (96, 1), (96, 1)),
    *((160, 2), (160, 1), (160, 1), (320, 1)),
)
STEM_CHANNELS, EXPANSION = 32, 6
# Stride → the block inside which the paper's detector reads that map, behind the expansion.
READ_INSIDE = {8: 6, 16: 13}
# Without its expansion, block 1 has other shapes than ImageNet's.
NEW_LAYERS = tuple(
    f"block_1_{part}{norm}" for part in ("depthwise", "project") for norm in ("", "_BN")
)


def rounded(channels: float, multiple: int = 8) -> int:
    """The nearest multiple, but none that is more than a tenth less, as keras.applications."""
    nearest = max(multiple, int(channels + multiple / 2) // multiple * multiple)
    return nearest if nearest >= 0.9 * channels else nearest + multiple


def convolution(
    x: KerasTensor,
    channels: int,
    name: str,
    norm: str,
    activation: str = "",
    size: int = 1,
    stride: int = 1,
) -> KerasTensor:
    """A convolution and its batch norm `norm`, and a ReLU6 `activation` where one is named."""
    x = layers.Conv2D(channels, size, stride, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(name=norm)(x)
    return layers.ReLU(6.0, name=activation)(x) if activation else x


def stem(image: KerasTensor, channels: int) -> KerasTensor:
    """The paper's first convolution, 3x3 at stride 2."""
    return convolution(image, channels, "Conv1", "bn_Conv1", "Conv1_relu", size=3, stride=2)


def bottleneck(
    x: KerasTensor, number: int, channels: int, stride: int, expand: bool
) -> tuple[KerasTensor, KerasTensor]:
    """Block `number`, an inverted bottleneck (section 3.3): its output, and the expanded map."""
    prefix, before = f"block_{number}_" if number else "expanded_conv_", x
    if expand:
        names = f"{prefix}expand_BN", f"{prefix}expand_relu"
        x = convolution(x, EXPANSION * x.shape[-1], f"{prefix}expand", *names)
    expanded, name = x, f"{prefix}depthwise"
    x = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(name=f"{name}_BN")(x)
    x = layers.ReLU(6.0, name=f"{name}_relu")(x)
    x = convolution(x, channels, f"{prefix}project", f"{prefix}project_BN")
    if stride == 1 and before.shape[-1] == channels:
        x = layers.Add(name=f"{prefix}add")([before, x])
    return x, expanded


def _build(input_hw: tuple[int, int], alpha: float) -> tuple[KerasTensor, dict[int, KerasTensor]]:
    image = keras.Input((*input_hw, 3))
    x, inside = stem(image, rounded(STEM_CHANNELS * alpha)), {}
    for number, (channels, stride) in enumerate(BLOCKS[1:], 1):
        x, inside[number] = bottleneck(x, number, rounded(channels * alpha), stride, number > 1)
    return image, {**{stride: inside[number] for stride, number in READ_INSIDE.items()}, 32: x}


def _last_of(blocks: int) -> str:
    """Blocks are counted as in MobileNetV2, whose first is not there: 1 is the stem alone."""
    return f"block_{blocks - 1}_project_BN" if blocks > 1 else "bn_Conv1"


def _take_over(model: keras.Model, source: keras.Model) -> set[str]:
    return copy_by_name(model, source, but=NEW_LAYERS)


BACKBONE = Backbone(
    name="mobilenet_v2_short",
    build=_build,
    strides=mobilenet_v2.BACKBONE.strides,
    extra=mobilenet_v2.BACKBONE.extra,
    extra_strides=mobilenet_v2.BACKBONE.extra_strides,
    head=mobilenet_v2.BACKBONE.head,
    application="MobileNetV2",
    has_alpha=True,
    last_of=_last_of,
    take_over=_take_over,
    may_begin_anew=NEW_LAYERS,
)
