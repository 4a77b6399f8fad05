"""Channel equalization: every channel of an activation fills the int8 range that they share.

An activation has one range for all its channels, set by the widest. Where most channels stay far
below, as behind the first convolution of a MobileNetV2, they get a few of the 256 steps each. Such
a channel is multiplied by a factor before the ReLU, and the weights that read it are divided by
the same: the net computes what it did, and the channel uses more steps (Nagel et al. 2019,
"Data-Free Quantization Through Weight Equalization and Bias Correction", section 4.1; there the
factors balance the ranges of weights, here they follow from the values on calibration pictures).

Only where a depthwise convolution reads it: there weights of different channels have scales of
their own, before and behind the ReLU, so that it costs nothing. A dense convolution would pay with
the steps of its weights: tried too, no better by more than chance. On validation scenes of digits
the error of scores fell by a fifth, from .0059 to .0048.

A ReLU6 cuts at 6 whatever the factor. A factor therefore leaves HEADROOM above the largest value
that was met, and above what batch norm has learnt: of the values that it makes in training, beta
is the mean and gamma the spread. Calibration pictures may be few, or all of one light, and without
this a channel that they hardly woke is cut on every other. On digits calibrated with 40 pictures
darkened to 0.3, the error of scores in daylight was .097 by what was met alone, .019 as trained
and with this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

from convert.quantize.lights import in_other_lights
from edge_runtime.detector.spec import DetectorSpec
from train.quantization.calibrate import observe
from train.quantization.fused_ops import FusedOp, find_ops

HEADROOM = 1.25  # times the largest value met on calibration pictures
SPREADS = 4.0  # of batch norm, above its mean: few of thousands of places in a picture exceed it
MOST = 16.0  # a channel that was hardly met says little about its largest value
# Of these each channel's output is made of its own input alone, and doubles with it.
CHANNELWISE = (
    layers.AveragePooling2D,
    layers.Cropping2D,
    layers.Dropout,
    layers.MaxPooling2D,
    layers.UpSampling2D,
    layers.ZeroPadding2D,
)


@dataclass(frozen=True)
class Pair:
    """A convolution with a ReLU, and the depthwise convolution that alone reads it."""

    writer: FusedOp
    reader: FusedOp


def equalize(model: keras.Model, frames: Sequence[np.ndarray], spec: DetectorSpec) -> keras.Model:
    """A copy of a float detector that computes the same, its channels scaled for int8.

    Args:
        frames: (input_h, input_w, 3) uint8 each, at least one; half of them are seen in other
            lights as well, so that a brighter picture finds headroom, too.
    """
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    pairs = find_pairs(copy)
    if not pairs:
        return copy
    largest: dict[str, np.ndarray] = {}
    for found in observe(copy, [*frames, *in_other_lights(frames)[1::2]], spec):
        for pair in pairs:
            name = pair.writer.name
            met = found[name].max(axis=(0, 1, 2))
            largest[name] = np.maximum(met, largest.get(name, met))
    for pair in pairs:
        reached = np.maximum(largest[pair.writer.name], _learnt(pair.writer))
        _scale(pair, factors_of(reached, _ceiling(pair.writer)))
    return copy


def _learnt(op: FusedOp) -> np.ndarray:
    """(channels,) value that batch norm lets each channel reach; 0 where there is none."""
    norm = op.batch_norm
    if norm is None:
        return np.zeros(1, np.float32)
    return np.asarray(norm.beta) + SPREADS * np.abs(np.asarray(norm.gamma))


def factors_of(largest: np.ndarray, ceiling: float | None) -> np.ndarray:
    """Factor of each channel, 1 to MOST.

    Args:
        largest: (channels,) value met or to be expected, behind the ReLU.
        ceiling: what the ReLU cuts at; None where it does not, and the widest channel is it.
    """
    top = HEADROOM * largest.max() if ceiling is None else ceiling
    return np.clip(top / np.maximum(HEADROOM * largest, 1e-12), 1, MOST).astype(np.float32)


def find_pairs(model: keras.Model) -> list[Pair]:
    """The pairs between which channels can be scaled.

    Not where a layer is called more than once, nor where the channels in between go elsewhere, too.
    """
    ops, outputs = find_ops(model)
    readers: dict[int, list[FusedOp]] = {}
    for op in ops:
        for number in op.inputs:
            readers.setdefault(number, []).append(op)
    calls = [layer.name for op in ops for layer in op.layers if layer.weights]
    pairs = []
    for writer in ops:
        reader = _only_reader(writer, readers, set(outputs))
        if reader is None or not _can_write(writer):
            continue
        used = [layer.name for op in (writer, reader) for layer in op.layers if layer.weights]
        if all(calls.count(name) == 1 for name in used):
            pairs.append(Pair(writer, reader))
    return pairs


def _only_reader(
    op: FusedOp, readers: dict[int, list[FusedOp]], outputs: set[int]
) -> FusedOp | None:
    """The depthwise convolution that alone reads it, behind what leaves channels alone."""
    following = readers.get(op.output, [])
    if len(following) != 1 or op.output in outputs:
        return None
    if isinstance(following[0].layers[0], CHANNELWISE):
        return _only_reader(following[0], readers, outputs)
    return following[0] if isinstance(following[0].layers[0], layers.DepthwiseConv2D) else None


def _can_write(op: FusedOp) -> bool:
    """Whether it is a convolution with a ReLU, and has a place for a factor."""
    if not op.convolves or not op.rounds or len(op.rest) != 1:
        return False
    norm = op.batch_norm
    scalable = norm is None or (norm.scale and norm.center)
    return scalable and _is_relu(op.rest[0])


def _is_relu(layer: keras.Layer) -> bool:
    """Whether twice the input gives twice the output, up to a ceiling."""
    if isinstance(layer, layers.ReLU):
        return layer.negative_slope == 0 and layer.threshold == 0
    return getattr(layer, "activation", None) in (keras.activations.relu, keras.activations.relu6)


def _ceiling(op: FusedOp) -> float | None:
    """What the ReLU cuts at."""
    layer = op.rest[0]
    if isinstance(layer, layers.ReLU):
        return layer.max_value
    return 6.0 if layer.activation is keras.activations.relu6 else None


def _scale(pair: Pair, factors: np.ndarray) -> None:
    """Multiply the writer's channels, divide the reader's weights."""
    convolution, norm = pair.writer.layers[0], pair.writer.batch_norm
    if norm is not None:
        scaled = [norm.gamma, norm.beta]
    else:
        scaled = [convolution.bias] if convolution.use_bias else []
        by_output = factors
        if isinstance(convolution, layers.DepthwiseConv2D):
            by_output = factors.reshape(convolution.kernel.shape[2:])
        convolution.kernel.assign(convolution.kernel * by_output)
    for variable in scaled:
        variable.assign(variable * factors)
    kernel = pair.reader.layers[0].kernel
    kernel.assign(kernel / factors[:, None])
