"""The cost of dividing by length in int8: less with the division in float."""

import numpy as np
import pytest

from studies.unit_length.__main__ import WAYS, measure, signal_to_noise
from tests.train.quantization.test_unit_length import FRAMES, SPEC, small_vgg


def test_signal_to_noise_of_a_tenth_is_twenty_decibels():
    exact = np.array([3.0, -4.0])
    assert signal_to_noise(exact, exact * 1.1) == pytest.approx(20)


@pytest.mark.slow
def test_division_in_float_is_less_noise():
    found = measure(small_vgg(), SPEC, FRAMES)
    whole, in_float, alone = (found[way]["offsets"] for way in WAYS)
    assert whole < in_float
    assert whole < alone < 100  # its own noise, and no other


def test_a_net_without_a_division_is_named():
    keras = pytest.importorskip("keras")
    image = keras.Input((32, 32, 3))
    net = keras.Model(image, {"logits": keras.layers.Conv2D(1, 1)(image)})
    with pytest.raises(ValueError, match="RMSNormalization expected"):
        measure(net, SPEC, FRAMES)
