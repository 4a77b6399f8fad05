"""SSD in Keras, of standard layers only, so that its file loads without this code.

Backbones and their heads: `train/model/backbones/`. The top-down path follows Feature Pyramid
Networks (Lin et al. 2017, section 3) with separable convolutions.
"""

from __future__ import annotations

import math

import keras
from keras import KerasTensor, layers

from edge_runtime.detector.spec import AnchorLevel, DetectorSpec
from train.model.backbones import BACKBONES, name_of_net
from train.model.backbones.base import Backbone
from train.model.blocks import conv, depthwise

# Keras's 0.999 needs more steps than a few thousand to forget where the statistics started.
BATCH_NORM_MOMENTUM = 0.97


def build_ssd(
    spec: DetectorSpec,
    alpha: float = 1.0,
    top_down_channels: int = 0,
    backbone: str | Backbone = "mobilenet_v2",
) -> keras.Model:
    """An untrained detector for a spec.

    Args:
        spec: its levels say which feature maps the heads read: the backbone's own and those of
            extra layers behind it.
        alpha: width multiplier of the backbone.
        top_down_channels: width of the top-down path; 0 for none.
        backbone: one of BACKBONES, by name, or another.

    Returns: a model from (B, H, W, 3) float32 images as `preprocess` makes them to
        {"logits": (B, N, classes + 1), "offsets": (B, N, 4)}, rows in the order of `make_anchors`,
        logits with background first and before softmax, offsets (ty, tx, th, tw).
    Raises: ValueError for a stride that the net does not have, or an input at which its maps have
        other cells than the spec's anchors.
    """
    net = BACKBONES[backbone] if isinstance(backbone, str) else backbone
    strides = [level.stride for level in spec.levels]
    known = {*net.strides, *net.extra_strides}
    if not set(strides) <= known:
        raise ValueError(f"levels of {backbone} have strides {sorted(known)}, got {strides}")
    _check_cells(spec, net)
    image, features = net.build(spec.input_hw, alpha)
    last = net.strides[-1]
    features = {s: x for s, x in features.items() if s in strides or s == last}
    if top_down_channels:
        features = _top_down(features, top_down_channels)
    x = features[last]
    for stride in net.extra_strides:
        if stride > max(strides):
            break
        x = features[stride] = net.extra(x, stride, top_down_channels)
    for level in spec.levels:
        assert features[level.stride].shape[1:3] == spec.feature_hw(level), level.stride
    outputs = _heads(features, spec, net)
    return _with_momentum(keras.Model(image, outputs, name=name_of_net(net.name)))


def _check_cells(spec: DetectorSpec, net: Backbone) -> None:
    """Raises: ValueError where a level's map and its anchors would have different cells."""
    for level in spec.levels:
        for side in spec.input_hw:
            anchors, cells = -(-side // level.stride), net.cells(side, level.stride)
            if cells == anchors:
                continue
            fitting = [
                s for s in range(1, 4096) if net.cells(s, level.stride) == -(-s // level.stride)
            ]
            height, width = spec.input_hw
            raise ValueError(
                f"an input of {fitting[0]} to {fitting[-1]} pixels a side expected, got "
                f"{width}x{height}: of {side} pixels the map of stride {level.stride} of "
                f"{net.name} has {max(cells, 0)} cells a side, its anchors {anchors}; give "
                "--input-size, or --anchors without that stride"
            )


def multiply_adds(model: keras.Model) -> int:
    """Multiply-adds of one picture in the convolutions, as the MobileNet papers count them."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, layers.DepthwiseConv2D | layers.Conv2D):
            _, rows, columns, _ = layer.output.shape
            total += rows * columns * math.prod(layer.kernel.shape)
    return total


def _top_down(features: dict[int, KerasTensor], channels: int) -> dict[int, KerasTensor]:
    """Coarse maps upsampled and added to finer ones, each then smoothed."""
    pyramid, above = {}, None
    for stride in sorted(features, reverse=True):
        x = conv(features[stride], channels, f"lateral_{stride}", activate=False)
        if above is not None:
            # By size, not by factor: 19 rows stand above 10. One operator in the .tflite file, for
            # which UpSampling2D takes four.
            rows, columns = x.shape[1:3]
            up = layers.Resizing(rows, columns, "nearest", name=f"up_{stride}")(above)
            x = layers.Add(name=f"top_down_{stride}")([x, up])
        above = x
        smooth = depthwise(x, f"smooth_{stride}_depthwise")
        pyramid[stride] = conv(smooth, channels, f"smooth_{stride}_project")
    return pyramid


def _heads(
    features: dict[int, KerasTensor], spec: DetectorSpec, net: Backbone
) -> dict[str, KerasTensor]:
    """Heads on every level, rows of all levels behind one another.

    Classes and boxes stay separate tensors: their ranges differ, and one int8 scale for both
    costs accuracy.
    """
    outputs = {}
    for kind, width in (("logits", spec.num_classes + 1), ("offsets", 4)):
        rows = [_head(features[level.stride], level, kind, width, net) for level in spec.levels]
        outputs[kind] = layers.Concatenate(axis=1, name=kind)(rows) if rows[1:] else rows[0]
    return outputs


def _head(x: KerasTensor, level: AnchorLevel, kind: str, width: int, net: Backbone) -> KerasTensor:
    name = f"{kind}_{level.stride}"
    x = net.head(x, len(level) * width, name)
    return layers.Reshape((-1, width), name=f"{name}_rows")(x)


def _with_momentum(model: keras.Model) -> keras.Model:
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM
    return model
