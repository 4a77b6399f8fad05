"""The net whose units are in int8 or in float, against those that are built for it."""

import numpy as np
import pytest

from convert.explain.switchable_net import SwitchableNet
from convert.quantize.bias_correction import correct_rounding
from edge_runtime.detector.preprocess import preprocess
from tests.convert.explain.conftest import SMALL
from train.quantization.calibrate import calibrate_ranges
from train.quantization.simulated_net import Quantization, build_int8_net

pytestmark = pytest.mark.slow


def test_the_simulation_is_what_the_converter_exports(model, dataset, frames):
    """One net with switches stands for the nets that `python -m convert --keep-float` makes."""
    quantization = correct_rounding(model, calibrate_ranges(model, frames, SMALL), frames, SMALL)
    images = np.concatenate([preprocess(frame, SMALL) for frame in frames[:4]])
    net = SwitchableNet(model, quantization)
    for in_float in ((), ("re_lu",), ("cell", "logits"), ("input", "logits_fine")):
        wanted = build_int8_net(model, quantization, in_float).predict_on_batch(images)
        with net.switched(in_float):
            got = net.run(images)
        for name in ("logits", "offsets"):
            np.testing.assert_allclose(got[name], wanted[name], atol=1e-5)
    with net.switched(weights=False, outputs=False):
        got = net.run(images)
    for name, wanted in model.predict_on_batch(images).items():
        np.testing.assert_allclose(got[name], wanted, atol=1e-4)
    assert all(np.ptp(values) > 0 for values in got.values())


def test_a_unit_alone_in_int8_gets_what_float_gives(model, frames):
    ranges = calibrate_ranges(model, frames, SMALL)
    net = SwitchableNet(model, Quantization({**ranges, "re_lu": (0.0, 0.1)}))
    images = preprocess(frames[0], SMALL)
    with net.switched(weights=False, outputs=False):
        exact = net.observe(images)
    alone, whole = net.observe_alone(images), net.observe(images)
    assert alone["re_lu"].max() == pytest.approx(0.1)  # clipped
    step = ranges["cell"][1] / 255
    np.testing.assert_allclose(alone["cell"], exact["cell"], atol=step)
    assert np.abs(whole["cell"] - exact["cell"]).max() > 10 * step
