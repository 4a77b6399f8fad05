"""`doctor` tells red from blue."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edge_runtime.doctor import software_checks
from edge_runtime.doctor.camera_probe import encode_pillow, keeps_red, order_of, planes
from edge_runtime.doctor.check import FAIL


def noisy_picture():
    random = np.random.default_rng(1)
    picture = random.integers(60, 190, (60, 80, 3), np.uint8)
    picture[:20] //= 2
    picture[20:, :30, 2] //= 3
    return picture


@pytest.mark.parametrize("times", [1, 2])
def test_order_of(times):
    picture = noisy_picture().repeat(times, axis=0).repeat(times, axis=1)
    _, u, v = Image.fromarray(noisy_picture()).convert("YCbCr").split()
    small = [np.asarray(plane)[::2, ::2] for plane in (u, v)]
    assert order_of(picture, *small) == "RGB"
    assert order_of(picture[..., ::-1], *small) == "BGR"
    gray = picture.mean(axis=2, keepdims=True).astype(np.uint8).repeat(3, axis=2)
    flat = np.full_like(small[0], 128)
    assert order_of(gray, flat, flat) is None


def test_planes_by_hand():
    """4 x 4 pixels, a stride of 6: U and V have rows of 3 bytes, of which 2 count."""
    yuv = np.zeros((6, 6), np.uint8)
    yuv[4] = [1, 2, 99, 3, 4, 99]
    yuv[5] = [5, 6, 99, 7, 8, 99]
    u, v = planes(yuv, (4, 4))
    assert u.tolist() == [[1, 2], [3, 4]]
    assert v.tolist() == [[5, 6], [7, 8]]


def test_a_library_that_swaps_colors_is_found(monkeypatch):
    assert keeps_red(encode_pillow)
    assert not keeps_red(lambda picture: encode_pillow(picture[..., ::-1].copy()))
    monkeypatch.setattr(
        "edge_runtime.doctor.camera_probe.encode_pillow",
        lambda picture: encode_pillow(picture[..., ::-1].copy()),
    )
    check = software_checks.check_colors()
    assert check.status == FAIL
    assert "Pillow" in check.found
