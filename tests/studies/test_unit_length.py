"""The cost of dividing by length in int8: less with the division in float."""

import json

import numpy as np
import pytest

from studies.unit_length.__main__ import WAYS, measure, signal_to_noise
from tests.conftest import ROOT
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
    keras = pytest.importorskip("keras", reason="no Keras here: make setup")
    image = keras.Input((32, 32, 3))
    net = keras.Model(image, {"logits": keras.layers.Conv2D(1, 1)(image)})
    with pytest.raises(ValueError, match="RMSNormalization expected"):
        measure(net, SPEC, FRAMES)


def test_the_page_has_what_was_measured():
    page = (ROOT / "docs/ssd.md").read_text(encoding="utf-8")
    narrow, whole = (
        json.loads((ROOT / f"studies/unit_length/{name}.json").read_text())["decibels"]
        for name in ("digits", "bccd")
    )
    rows = {
        "everything, as the file has it": WAYS[0],
        "the same, the division in float": WAYS[1],
        "the division alone": WAYS[2],
    }
    for text, way in rows.items():
        cells = [
            f"{net[way][head]:.1f}" for net in (narrow, whole) for head in ("logits", "offsets")
        ]
        assert " | ".join([f"| {text}", *cells]) in page
