"""The optimizer: what decays, what moves more slowly, and how the learning rate goes."""

import keras
import numpy as np
import pytest

from train.config import TrainConfig
from train.model.presets import PRESETS
from train.model.pretrained import freeze
from train.model.ssd import build_ssd
from train.training.optimizer import build_optimizer


def small_net():
    inputs = keras.Input((2,))
    x = keras.layers.Dense(3, name="block_9_dense")(inputs)  # a name of the backbone's
    x = keras.layers.BatchNormalization(name="logits_bn")(x)
    outputs = keras.layers.Dense(1, name="logits_head")(x)
    return keras.Model(inputs, outputs, name="mobilenet_v2_ssd")


def steps(gradient, config, count=1, pretrained=True):
    """Weights by path, before and after steps with the same gradient everywhere."""
    net = small_net()
    for variable in net.trainable_variables:
        variable.assign(np.full(variable.shape, 2.0))
    optimizer = build_optimizer(net, config, pretrained, steps_per_epoch=10)
    for _ in range(count):
        gradients = [np.full(v.shape, gradient, np.float32) for v in net.trainable_variables]
        optimizer.apply(
            [keras.ops.convert_to_tensor(g) for g in gradients], net.trainable_variables
        )
    return {v.path: np.asarray(v) for v in net.trainable_variables}


CONSTANT = {"epochs": 1000, "warmup_epochs": 0, "learning_rate": 0.1}


def test_kernels_decay_and_nothing_else():
    after = steps(0.0, TrainConfig(**CONSTANT, weight_decay=0.5), count=2)
    for path, values in after.items():
        if path.endswith("kernel"):
            # The first step of a warm-up of at least one step is a hundredth of the peak.
            expected = 2.0 * (1 - 0.001 * 0.5) * (1 - 0.1 * 0.5)
            np.testing.assert_allclose(values, expected, rtol=1e-4)
        else:
            np.testing.assert_array_equal(values, 2.0)


def test_the_pretrained_backbone_moves_more_slowly():
    config = TrainConfig(**CONSTANT, weight_decay=0.0, backbone_rate=0.25)
    names = ("logits_head", "block_9_dense")
    after = steps(1.0, config, count=3)
    head, backbone = (2 - after[f"{name}/kernel"].max() for name in names)
    assert backbone == pytest.approx(head / 4, rel=1e-3)
    after = steps(1.0, config, count=3, pretrained=False)
    head, backbone = (2 - after[f"{name}/kernel"].max() for name in names)
    assert backbone == pytest.approx(head, rel=1e-3)


def test_the_learning_rate_rises_then_falls_to_nothing():
    config = TrainConfig(epochs=5, warmup_epochs=1, learning_rate=0.1)
    schedule = build_optimizer(small_net(), config, True, steps_per_epoch=10)._learning_rate
    rates = [float(schedule(step)) for step in (0, 5, 10, 30, 50)]
    assert rates[0] == pytest.approx(0.001)
    assert rates[1] == pytest.approx(0.0505)
    assert rates[2] == pytest.approx(0.1)
    assert rates[3] == pytest.approx(0.05)
    assert rates[4] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("batch_norm", [True, False])
def test_batch_norm_is_frozen_or_not(batch_norm):
    net = build_ssd(PRESETS["ssdlite"].spec(("a",), (64, 64)), alpha=0.35)
    freeze(net, 2, batch_norm)
    frozen = {layer.name for layer in net.layers if layer.weights and not layer.trainable}
    assert {"Conv1", "bn_Conv1", "block_1_expand", "block_1_project_BN"} <= frozen
    assert "block_2_expand" not in frozen
    assert ("block_2_expand_BN" in frozen) == batch_norm
    assert not any(name.startswith(("logits", "offsets", "extra")) for name in frozen)


def test_the_papers_steps_fall_to_a_tenth_and_a_hundredth():
    config = TrainConfig(epochs=6, warmup_epochs=1, learning_rate=0.1, schedule="steps")
    schedule = build_optimizer(small_net(), config, True, steps_per_epoch=10)._learning_rate
    rates = [float(schedule(step)) for step in (0, 10, 39, 40, 49, 50, 59)]
    assert rates == pytest.approx([0.001, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_sgd_has_momentum_and_decay_in_the_gradient_as_caffe():
    """v = 0.9 v + rate (g + decay w), w -= v; biases and batch norm do not decay."""
    config = TrainConfig(
        **CONSTANT, optimizer="sgd", weight_decay=0.5, backbone_rate=0.25, schedule="steps"
    )
    after = steps(1.0, config, count=3)
    for path, values in after.items():
        weight, velocity = 2.0, 0.0
        factor = 0.25 if "block_9" in path else 1.0
        for rate in (0.001, 0.1, 0.1):  # the first step of a warm-up of one
            decay = 0.5 * weight if path.endswith("kernel") else 0.0
            velocity = 0.9 * velocity + rate * factor * (1.0 + decay)
            weight -= velocity
        np.testing.assert_allclose(values, weight, rtol=1e-5)
