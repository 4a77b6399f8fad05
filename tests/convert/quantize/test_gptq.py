"""Weights that are rounded together."""

import keras
import numpy as np
import pytest
from keras import layers

from convert.quantize.gptq import STEPS, gptq_round, second_moments, weight_delta_of
from convert.quantize.lights import LIGHTS, in_other_lights
from train.quantization.fake_quant import FoldedConvolution

pytestmark = pytest.mark.slow


def test_equal_inputs_let_one_weight_make_up_for_the_other():
    """Nearest gives 0 + 0 for 0.4 + 0.4; 0 + 1 is closer to 0.8."""
    weights = np.array([[[0.4], [0.4]]])
    rounded = gptq_round(weights, np.ones((1, 2, 2)), np.ones((1, 1)))
    assert sorted(rounded.ravel()) == [0, 1]


def test_unrelated_inputs_leave_every_weight_to_the_nearest_step():
    weights = np.random.default_rng(0).normal(size=(1, 6, 3))
    scale = np.full((1, 3), 0.1)
    rounded = gptq_round(weights, np.eye(6)[None] * np.arange(1, 7), scale)
    np.testing.assert_allclose(rounded, np.rint(weights / 0.1) * 0.1, atol=1e-12)


def test_related_inputs_come_out_closer_than_by_nearest_steps():
    rng = np.random.default_rng(1)
    hidden = rng.normal(size=(400, 3)) @ rng.normal(size=(3, 12)) + 1.0
    inputs = hidden + 0.1 * rng.normal(size=hidden.shape)
    weights = rng.normal(size=(1, 12, 5))
    scale = np.abs(weights).max(axis=1) / 7  # coarse, as 4 bits
    moments = (inputs.T @ inputs)[None]
    together = gptq_round(weights, moments, scale)
    nearest = np.rint(weights / scale[:, None]) * scale[:, None]

    def error(rounded):
        return np.sqrt(np.mean((inputs @ (rounded - weights)[0]) ** 2))

    assert error(together) < 0.5 * error(nearest)
    steps = together / scale[:, None]
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-9)


def test_no_weight_leaves_the_range():
    weights = np.array([[[1.0], [0.999]]])
    rounded = gptq_round(weights, np.ones((1, 2, 2)), np.full((1, 1), 1 / STEPS))
    assert np.abs(rounded).max() <= 1.0


def test_dead_inputs_are_no_reason_to_fail():
    rounded = gptq_round(np.full((1, 2, 1), 0.6), np.zeros((1, 2, 2)), np.ones((1, 1)))
    np.testing.assert_array_equal(rounded, np.ones((1, 2, 1)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Conv2D(4, 1),
        lambda: layers.Conv2D(4, 3, strides=2, padding="same"),
        lambda: layers.DepthwiseConv2D(3, padding="same"),
        lambda: layers.DepthwiseConv2D(3, strides=2),
    ],
    ids=["pointwise", "full", "depthwise", "strided depthwise"],
)
def test_nudged_kernels_lie_on_their_steps_and_compute_more_exactly(make):
    """More exactly on the whole: a kernel that happens to lie well gains nothing."""
    errors = []
    for seed in range(6):
        keras.utils.set_random_seed(seed)
        rng = np.random.default_rng(seed)
        # As behind an activation: neighbours are alike, and their mean is far from 0.
        inputs = 0.3 * rng.normal(size=(4, 12, 12, 6)) + rng.uniform(1, 2, (1, 1, 1, 6))
        inputs = inputs.astype("float32")
        convolution = make()
        convolution.build(inputs.shape)
        plain = FoldedConvolution(convolution, None, rounds=False)
        weight_delta = weight_delta_of(plain, inputs)
        together = FoldedConvolution(convolution, None, rounds=True, weight_delta=weight_delta)
        kernel = np.asarray(convolution.kernel)
        np.testing.assert_allclose(
            np.asarray(together.rounded(kernel)), kernel + weight_delta, atol=1e-6
        )

        exact = np.asarray(plain.convolve(inputs))
        nearest = FoldedConvolution(convolution, None, rounds=True)
        squares = [np.square(np.asarray(n.convolve(inputs)) - exact) for n in (together, nearest)]
        errors.append([square.mean() for square in squares])
    error_together, error_nearest = np.mean(errors, axis=0)
    assert error_together < 0.7 * error_nearest


def test_moments_of_a_depthwise_kernel_are_each_channels_own():
    inputs = np.zeros((1, 4, 4, 2), np.float32)
    inputs[..., 1] = 2.0
    convolution = layers.DepthwiseConv2D(2)
    convolution.build(inputs.shape)
    moments = second_moments(FoldedConvolution(convolution, None, rounds=False), inputs)
    np.testing.assert_array_equal(moments[0], np.zeros((4, 4)))
    np.testing.assert_array_equal(moments[1], np.full((4, 4), 9 * 4.0))  # nine places


def test_every_second_picture_is_seen_in_another_light():
    frames = [np.full((2, 2, 3), 100, np.uint8)] * 10
    means = [float(frame.mean()) for frame in in_other_lights(frames)]
    assert means[::2] == [100] * 5
    assert means[1::2] == [100 * light for light in (*LIGHTS, LIGHTS[0])]
