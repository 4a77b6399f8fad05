"""Two machines that prepare pictures differently have different numbers, others the same."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from edge_runtime.detector import calibration_record as device
from edge_runtime.detector.calibration_record import NAMES, fingerprint, largest_difference
from edge_runtime.detector.spec import AnchorLevel, DetectorSpec

SPECS = [
    DetectorSpec(hw, ("a",), (AnchorLevel(16, (0.5,), (1.0,)),))
    for hw in ((320, 320), (64, 64), (48, 200), (7, 12))
]


def resized_by(method):
    def resize(frame, input_hw):
        image = Image.fromarray(frame).resize(input_hw[::-1], method)
        return np.asarray(image)

    return resize


def not_antialiased(frame, input_hw):
    """As `cv2.resize` with INTER_LINEAR: two neighbours each way, however much it shrinks."""
    high, wide = (side / target for side, target in zip(frame.shape, input_hw, strict=False))
    return np.asarray(
        Image.fromarray(frame).transform(
            input_hw[::-1],
            Image.Transform.AFFINE,
            (wide, 0, 0, 0, high, 0),
            Image.Resampling.BILINEAR,
        )
    )


RIGHT = device.network_pixels
CHANGES = {
    "BGR": lambda frame, hw: RIGHT(frame, hw)[:, :, ::-1],
    "transposed": lambda frame, hw: RIGHT(frame.swapaxes(0, 1), hw),
    "mirrored": lambda frame, hw: RIGHT(frame, hw)[:, ::-1],
    "upside down": lambda frame, hw: RIGHT(frame, hw)[::-1],
    "not antialiased": not_antialiased,
    "one step darker": lambda frame, hw: RIGHT(np.maximum(frame, 1) - 1, hw),
    **{
        method.name: resized_by(method)
        for method in Image.Resampling
        if method != Image.Resampling.BILINEAR
    },
}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: "x".join(map(str, spec.input_hw)))
@pytest.mark.parametrize("change", CHANGES)
def test_every_other_preparation_shows(spec, change, monkeypatch):
    right = fingerprint(spec)
    monkeypatch.setattr(device, "network_pixels", CHANGES[change])
    assert largest_difference(right, fingerprint(spec), spec)


@pytest.mark.parametrize("other", [{"pixel_mean": 127.5}, {"pixel_scale": 1 / 127.5}])
def test_another_mean_and_scale_show(other):
    spec = SPECS[0]
    name, *_ = largest_difference(fingerprint(spec), fingerprint(replace(spec, **other)), spec)
    assert name in ("black", "white")  # half a step: only the flat pictures tell


def test_the_same_preparation_gives_the_same_numbers():
    for spec in SPECS:
        assert fingerprint(spec) == fingerprint(spec)
        assert len(fingerprint(spec)) == len(NAMES)


def test_pixels_rounded_otherwise_are_no_difference(monkeypatch):
    rng = np.random.default_rng(0)

    def rounded(frame, input_hw):
        small = RIGHT(frame, input_hw).astype(int)
        flat = small.min() == small.max()
        return (small if flat else np.clip(small + rng.integers(0, 2, small.shape), 0, 255)).astype(
            np.uint8
        )

    right = fingerprint(SPECS[0])
    monkeypatch.setattr(device, "network_pixels", rounded)
    assert fingerprint(SPECS[0]) != right
    assert largest_difference(right, fingerprint(SPECS[0]), SPECS[0]) is None
