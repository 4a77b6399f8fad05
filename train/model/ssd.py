"""MobileNetV2-SSD in Keras, of standard layers only, so that its file loads without this code.

Backbone and SSDLite heads follow MobileNetV2 (Sandler et al. 2018, section 6.2); the top-down
path follows Feature Pyramid Networks (Lin et al. 2017, section 3) with separable convolutions.
"""

from __future__ import annotations

import math

import keras
from keras import KerasTensor, layers

from edge_runtime.detector.spec import AnchorLevel, DetectorSpec

# The paper reads stride 16 from the expansion inside block 13, stride 32 from the last convolution.
BACKBONE_FEATURES = {8: "block_6_expand_relu", 16: "block_13_expand_relu", 32: "out_relu"}
EXTRA_CHANNELS = {64: 512, 128: 256, 256: 256, 512: 128}
# Keras's 0.999 needs more steps than a few thousand to forget where the statistics started.
BATCH_NORM_MOMENTUM = 0.97


def build_ssd(spec: DetectorSpec, alpha: float = 1.0, top_down_channels: int = 0) -> keras.Model:
    """An untrained detector for a spec.

    Args:
        spec: its levels say which feature maps the heads read: stride 8, 16 and 32 come from the
            backbone, 64 to 512 from extra inverted bottlenecks behind it.
        alpha: width multiplier of the backbone.
        top_down_channels: width of the top-down path; 0 for none.

    Returns: a model from (B, H, W, 3) float32 images as `preprocess` makes them to
        {"logits": (B, N, classes + 1), "offsets": (B, N, 4)}, rows in the order of `make_anchors`,
        logits with background first and before softmax, offsets (ty, tx, th, tw).
    Raises: ValueError for a stride that the net does not have.
    """
    known = {*BACKBONE_FEATURES, *EXTRA_CHANNELS}
    strides = [level.stride for level in spec.levels]
    if not set(strides) <= known:
        raise ValueError(f"levels have strides {sorted(known)}, got {strides}")
    backbone = keras.applications.MobileNetV2(
        input_shape=(*spec.input_hw, 3), alpha=alpha, include_top=False, weights=None
    )
    features = {s: backbone.get_layer(BACKBONE_FEATURES[s]).output for s in (8, 16, 32)}
    features = {s: x for s, x in features.items() if s in strides or s == 32}
    if top_down_channels:
        features = _top_down(features, top_down_channels)
    x, stride = features[32], 32
    while stride < max(strides):
        stride *= 2
        channels = top_down_channels or EXTRA_CHANNELS[stride]
        x = features[stride] = _extra_level(x, channels, f"extra_{stride}")
    outputs = _heads(features, spec)
    return _with_momentum(keras.Model(backbone.input, outputs, name="mobilenet_v2_ssd"))


def multiply_adds(model: keras.Model) -> int:
    """Multiply-adds of one picture in the convolutions, as the MobileNet papers count them."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, layers.DepthwiseConv2D | layers.Conv2D):
            _, rows, columns, _ = layer.output.shape
            total += rows * columns * math.prod(layer.kernel.shape)
    return total


def _conv(x: KerasTensor, channels: int, name: str, activate: bool = True) -> KerasTensor:
    x = layers.Conv2D(channels, 1, use_bias=False, name=name)(x)
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if activate else x


def _depthwise(x: KerasTensor, name: str, stride: int = 1) -> KerasTensor:
    x = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)


def _extra_level(x: KerasTensor, channels: int, name: str) -> KerasTensor:
    """An inverted bottleneck at stride 2."""
    x = _conv(x, channels // 2, f"{name}_expand")
    x = _depthwise(x, f"{name}_depthwise", stride=2)
    return _conv(x, channels, f"{name}_project", activate=False)


def _top_down(features: dict[int, KerasTensor], channels: int) -> dict[int, KerasTensor]:
    """Coarse maps upsampled and added to finer ones, each then smoothed."""
    pyramid, above = {}, None
    for stride in sorted(features, reverse=True):
        x = _conv(features[stride], channels, f"lateral_{stride}", activate=False)
        if above is not None:
            # By size, not by factor: 19 rows stand above 10. One operator in the .tflite file, for
            # which UpSampling2D takes four.
            rows, columns = x.shape[1:3]
            up = layers.Resizing(rows, columns, "nearest", name=f"up_{stride}")(above)
            x = layers.Add(name=f"top_down_{stride}")([x, up])
        above = x
        smooth = _depthwise(x, f"smooth_{stride}_depthwise")
        pyramid[stride] = _conv(smooth, channels, f"smooth_{stride}_project")
    return pyramid


def _heads(features: dict[int, KerasTensor], spec: DetectorSpec) -> dict[str, KerasTensor]:
    """SSDLite heads on every level, rows of all levels behind one another.

    Classes and boxes stay separate tensors: their ranges differ, and one int8 scale for both
    costs accuracy.
    """
    outputs = {}
    for kind, width in (("logits", spec.num_classes + 1), ("offsets", 4)):
        rows = [_head(features[level.stride], level, kind, width) for level in spec.levels]
        outputs[kind] = layers.Concatenate(axis=1, name=kind)(rows) if rows[1:] else rows[0]
    return outputs


def _head(x: KerasTensor, level: AnchorLevel, kind: str, width: int) -> KerasTensor:
    name = f"{kind}_{level.stride}"
    x = _depthwise(x, f"{name}_depthwise")
    x = layers.Conv2D(len(level) * width, 1, name=f"{name}_conv")(x)
    return layers.Reshape((-1, width), name=f"{name}_rows")(x)


def _with_momentum(model: keras.Model) -> keras.Model:
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM
    return model
