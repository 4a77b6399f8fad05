"""VGG-16 as SSD300 reads it (Liu et al. 2016, section 3).

fc6 and fc7 are convolutions of 1024 channels, fc6 with holes of 6 cells in place of the stride that
pool5 gave up (Chen et al. 2015, "DeepLab"). conv4_3 has another scale than the later maps, so each
of its cells is brought to length 20, a length for each channel that is learnt (Liu et al. 2015,
"ParseNet", section 3.3).

A map of stride 512 is the paper's conv11_2: of 3x3 cells a 3x3 convolution without a rim leaves
one. Inputs of 257 to 320 pixels have it.
"""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import KerasTensor, layers

from train.model.backbones.base import Backbone, copy_by_name

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels, convolutions
FC_CHANNELS = 1024
# Of conv8, conv9, conv10, conv11: 1x1, then 3x3.
EXTRA_CHANNELS = {32: (256, 512), 64: (128, 256), 128: (128, 256), 512: (128, 256)}
INITIAL_LENGTH = 20.0


def _build(input_hw: tuple[int, int], alpha: float) -> tuple[KerasTensor, dict[int, KerasTensor]]:
    image = x = keras.Input((*input_hw, 3))
    features = {}
    for number, (channels, depth) in enumerate(BLOCKS, 1):
        for index in range(depth):
            x = _conv(x, _width(channels, alpha), f"block{number}_conv{index + 1}")
        if number == 4:
            features[8] = _unit_length(x)
        size, stride = (2, 2) if number < 5 else (3, 1)
        # "same": 75 cells become 38.
        x = layers.MaxPooling2D(size, stride, padding="same", name=f"block{number}_pool")(x)
    x = _conv(x, _width(FC_CHANNELS, alpha), "fc6", dilation=6)
    features[16] = _conv(x, _width(FC_CHANNELS, alpha), "fc7", size=1)
    return image, features


def _width(channels: int, alpha: float) -> int:
    return max(8, round(channels * alpha / 8) * 8)


def _conv(
    x: KerasTensor,
    channels: int,
    name: str,
    size: int = 3,
    stride: int = 1,
    padding: str = "same",
    dilation: int = 1,
) -> KerasTensor:
    # Without batch norm a signal would be gone after 15 layers of Keras's own initial weights.
    return layers.Conv2D(
        channels,
        size,
        stride,
        padding=padding,
        dilation_rate=dilation,
        activation="relu",
        kernel_initializer="he_normal",
        name=name,
    )(x)


def _unit_length(x: KerasTensor) -> KerasTensor:
    """Each cell's vector at length 1, then each channel times a factor that is learnt.

    Root mean square times 1/√channels is the length. UnitNormalization has no epsilon under its
    root: at a cell of zeros, as ReLU leaves them, its gradient is 1e12.
    """
    norm = layers.RMSNormalization(name="l2_8_norm")
    x = norm(x)
    norm.scale.assign(np.full(norm.scale.shape, 1 / math.sqrt(x.shape[-1]), np.float32))
    norm.trainable = False
    factor = keras.initializers.Constant(INITIAL_LENGTH)
    return layers.DepthwiseConv2D(
        1, use_bias=False, depthwise_initializer=factor, name="l2_8_scale"
    )(x)


def _extra(x: KerasTensor, stride: int, channels: int) -> KerasTensor:
    """conv8 and conv9 halve the map, conv10 and conv11 lose its rim."""
    reduced, width = EXTRA_CHANNELS[stride]
    width = channels or width
    x = _conv(x, reduced, f"extra_{stride}_reduce", size=1)
    shape = {"stride": 2, "padding": "same"} if stride <= 64 else {"padding": "valid"}
    return _conv(x, width, f"extra_{stride}_conv", **shape)


def _head(x: KerasTensor, channels: int, name: str) -> KerasTensor:
    return layers.Conv2D(channels, 3, padding="same", name=f"{name}_conv")(x)


def _last_of(blocks: int) -> str:
    """Blocks are the convolutions up to a pooling; of the sixth and on all that there is."""
    return f"block{blocks}_conv{BLOCKS[blocks - 1][1]}" if blocks <= len(BLOCKS) else "fc7"


def _take_over(model: keras.Model, source: keras.Model) -> set[str]:
    """The convolutions by name; fc6 and fc7 thinned out from a source that has its top.

    keras.applications' VGG16 wants pixels of 0 to 255 in the order B, G, R less a mean; the
    detector's are R, G, B in [-1, 1]. The first convolution takes the difference into its weights,
    which is exact but for the rim, where zeros now stand for mid gray and not for the mean.
    """
    taken = copy_by_name(model, source)
    first = model.get_layer("block1_conv1")
    kernel, bias = first.get_weights()
    offset = 128 - BGR_MEAN
    bias = bias + (kernel * offset[None, None, :, None]).sum(axis=(0, 1, 2))
    first.set_weights([kernel[:, :, ::-1] * 128, bias])
    if any(layer.name == "fc1" for layer in source.layers):
        for name, its, size in (("fc6", "fc1", 7), ("fc7", "fc2", 1)):
            layer = model.get_layer(name)
            kernel, bias = source.get_layer(its).get_weights()
            layer.set_weights(thin_out(kernel, bias, size, layer.kernel))
            taken.add(name)
    return taken


def _cells(side: int, stride: int) -> int:
    """conv10 and conv11 take a cell at each end."""
    lost = {128: 2, 512: 4}.get(stride, 0)
    return -(-side // min(stride, 64)) - lost


BGR_MEAN = np.array([103.939, 116.779, 123.68], np.float32)  # of ImageNet, as VGG-16 was trained


def thin_out(
    kernel: np.ndarray, bias: np.ndarray, size: int, wanted: keras.Variable
) -> list[np.ndarray]:
    """A dense layer over (size, size, C) cells as a smaller convolution (section 3, "à trous").

    Every so many rows, columns, and channels are taken, evenly from the first to the last.

    Args:
        kernel: (size * size * C, K). bias: (K,).
        wanted: the convolution's kernel, (rows, columns, C', K').

    Returns: its kernel and bias.
    """
    rows, columns, channels, outputs = wanted.shape
    dense = kernel.reshape(size, size, -1, kernel.shape[-1])
    pick = [
        np.linspace(0, have - 1, want).round().astype(int)
        for have, want in zip(dense.shape, (rows, columns, channels, outputs), strict=True)
    ]
    return [dense[np.ix_(*pick)], bias[pick[3]]]


BACKBONE = Backbone(
    name="vgg16",
    build=_build,
    strides=(8, 16),
    extra=_extra,
    extra_strides=(32, 64, 128, 512),
    head=_head,
    application="VGG16",
    has_alpha=False,
    last_of=_last_of,
    take_over=_take_over,
    cells=_cells,
    may_begin_anew=("fc6", "fc7"),
    reads_top=True,
)
