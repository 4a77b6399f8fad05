"""Channels scaled to fill the int8 range that they share."""

import keras
import numpy as np
import pytest
from keras import layers

from convert.quantize.equalization import HEADROOM, MOST, equalize, factors_of, find_pairs
from edge_runtime.detector.preprocess import preprocess
from tests.convert.fixtures import SPEC, frames_fixture  # noqa: F401
from train.quantization.calibrate import calibrate_ranges
from train.quantization.fused_ops import find_ops
from train.quantization.simulated_net import Quantization, build_int8_net

pytestmark = pytest.mark.slow

WIDTHS = np.array([8.0, 1.0, 0.25, 0.01], np.float32)  # of the channels behind the first layer


def conv(**options):
    return layers.Conv2D(4, 3, padding="same", **options)


def depthwise(**options):
    return layers.DepthwiseConv2D(3, padding="same", **options)


def norm():
    return layers.BatchNormalization(
        beta_initializer=keras.initializers.RandomUniform(-0.5, 0.5),
        gamma_initializer=keras.initializers.RandomUniform(0.5, 2.0),
    )


def relu6():
    return layers.ReLU(6.0)


def chain(*parts):
    """A net of the given layers, in which the first one's channels are of very different widths."""
    keras.utils.set_random_seed(0)
    image = keras.Input((*SPEC.input_hw, 3))
    x = image
    for part in parts:
        x = part(x)
    parts[0].kernel.assign(
        parts[0].kernel * (WIDTHS if parts[0].kernel.shape[3] == 4 else WIDTHS[:3, None])
    )
    return keras.Model(image, x)


def pictures(frames):
    return np.concatenate([preprocess(frame, SPEC) for frame in frames])


CHAINS = {
    "with batch norm": lambda: [conv(use_bias=False), norm(), relu6(), depthwise(), norm()],
    "without": lambda: [conv(), relu6(), depthwise()],
    "a depthwise writer": lambda: [depthwise(use_bias=False), norm(), relu6(), depthwise()],
    "a depthwise writer, no batch norm": lambda: [depthwise(), relu6(), depthwise()],
    "two outputs a channel": lambda: [
        depthwise(depth_multiplier=2),
        relu6(),
        depthwise(depth_multiplier=2),
    ],
    "padded in between": lambda: [
        conv(),
        relu6(),
        layers.ZeroPadding2D(1),
        layers.DepthwiseConv2D(3, strides=2),
    ],
    "pooled in between": lambda: [conv(), relu6(), layers.MaxPooling2D(), depthwise()],
    "no ceiling": lambda: [conv(), layers.ReLU(), depthwise()],
    "an activation's layer": lambda: [conv(), layers.Activation("relu6"), depthwise()],
}


@pytest.mark.parametrize("name", CHAINS)
def test_what_is_computed_stays_the_same(name, frames):
    model = chain(*CHAINS[name]())
    before = [array.copy() for array in model.get_weights()]
    equal = equalize(model, frames, SPEC)
    assert len(find_pairs(model)) == 1
    images = pictures(frames)
    np.testing.assert_allclose(
        equal.predict_on_batch(images), model.predict_on_batch(images), rtol=1e-3, atol=1e-4
    )
    for array, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(array, kept)


def test_narrow_channels_lose_less_by_rounding(frames):
    model = chain(conv(), relu6(), depthwise())
    ops, _ = find_ops(model)
    kept = {op.name for op in ops} - {find_pairs(model)[0].writer.name}
    images = pictures(frames)
    exact = model.predict_on_batch(images)

    def errors(net):
        """Of each channel in int8, against its own size."""
        found = build_int8_net(net, Quantization(calibrate_ranges(net, frames, SPEC)), kept)
        difference = found.predict_on_batch(images) - exact
        return difference.std(axis=(0, 1, 2)) / exact.std(axis=(0, 1, 2))

    plain, scaled = errors(model), errors(equalize(model, frames, SPEC))
    assert (scaled < 1.5 * plain).all()
    assert scaled[2] < plain[2] / 3  # of a quarter of the first one's width, or a 32nd


OTHERS = {
    "a curve": lambda: [conv(), layers.Activation("silu"), depthwise()],
    "a slope": lambda: [conv(), layers.LeakyReLU(), depthwise()],
    "a ReLU with a threshold": lambda: [conv(), layers.ReLU(threshold=0.5), depthwise()],
    "nothing in between": lambda: [conv(), depthwise()],
    "a dense reader": lambda: [conv(), relu6(), conv()],
    "a batch norm without factors": lambda: [
        conv(),
        layers.BatchNormalization(scale=False),
        relu6(),
        depthwise(),
    ],
    "the output": lambda: [conv(), relu6()],
    "moved places": lambda: [
        conv(),
        relu6(),
        layers.Permute((3, 1, 2)),
        layers.DepthwiseConv2D(1),
    ],
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_channels_are_left_alone(name):
    assert find_pairs(chain(*OTHERS[name]())) == []


def test_channels_that_two_layers_read_are_left_alone():
    image = keras.Input((*SPEC.input_hw, 3))
    x = relu6()(conv()(image))
    model = keras.Model(image, layers.Add()([depthwise()(x), depthwise()(x)]))
    assert find_pairs(model) == []


def test_a_layer_that_is_called_twice_is_left_alone():
    image = keras.Input((*SPEC.input_hw, 3))
    shared = conv()
    x = relu6()(shared(conv()(image)))
    y = relu6()(shared(conv()(image)))
    assert find_pairs(keras.Model(image, [depthwise()(x), depthwise()(y)])) == []


def test_pictures_much_brighter_than_those_of_calibration_are_not_cut(frames):
    """Batch norm knows of values that calibration did not meet."""
    learning = norm()
    learning.momentum = 0.0
    model = chain(conv(use_bias=False), learning, relu6(), depthwise())
    images = pictures(frames)
    model(images, training=True)  # batch norm learns what it makes of these
    equal = equalize(model, [frame // 10 + 115 for frame in frames], SPEC)
    exact = model.predict_on_batch(images)
    assert (equal.predict_on_batch(images) - exact).std() < 0.02 * exact.std()
    kernels = (net.layers[-1].kernel.numpy() for net in (model, equal))
    assert not np.array_equal(*kernels)  # yet scaled


def test_factors_leave_headroom_below_the_ceiling():
    factors = factors_of(np.array([6.0, 3.0, 5.9, 0.0, 0.001]), 6.0)
    assert factors == pytest.approx([1, 2 / HEADROOM, 1, MOST, MOST])


def test_without_a_ceiling_the_widest_channel_is_one():
    assert factors_of(np.array([12.0, 3.0]), None) == pytest.approx([1, 4])
    assert factors_of(np.zeros(2), None) == pytest.approx([1, 1])
