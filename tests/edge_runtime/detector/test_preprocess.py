from dataclasses import replace

import numpy as np
import pytest

from edge_runtime.detector.preprocess import (
    holds_pixels,
    pixel_map,
    pixel_quantization,
    pixel_table,
    preprocess,
    table_map,
)
from edge_runtime.detector.spec import AnchorLevel, DetectorSpec

SPEC = DetectorSpec((2, 3), ("thing",), (AnchorLevel(1, (0.5,), (1.0,)),))
FRAME = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 15  # 0, 15, … 255


def test_float_values_by_hand():
    tensor = preprocess(FRAME, SPEC)
    assert tensor.shape == (1, 2, 3, 3) and tensor.dtype == np.float32
    assert tensor[0, 0, 0].tolist() == [-1.0, (15 - 128) / 128, (30 - 128) / 128]
    assert tensor[0, 1, 2, 2] == 127 / 128


def test_default_int8_is_pixel_minus_128():
    tensor = preprocess(FRAME, SPEC, np.int8, (1 / 128, 0))
    assert tensor.dtype == np.int8
    np.testing.assert_array_equal(tensor[0], FRAME.astype(int) - 128)


def test_every_pixel_value_survives_the_default_int8():
    np.testing.assert_array_equal(pixel_table(SPEC, np.int8, (1 / 128, 0)), np.arange(-128, 128))


@pytest.mark.parametrize(
    ("dtype", "quantization"),
    [
        (np.float32, None),
        (np.int8, (1 / 128, 0)),
        (np.int8, (1 / 100, 3)),
        (np.uint8, (1 / 128, 128)),
    ],
)
def test_the_fast_way_is_the_tables(dtype, quantization):
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)[::2, ::-1]  # a view is fine
    expected = pixel_table(SPEC, dtype, quantization)[pixels]
    got = pixel_map(SPEC, dtype, quantization)(pixels)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.float32])
def test_a_table_may_have_a_column_for_each_channel(dtype):
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)[::2, ::-1]
    # One column is the pixels themselves, or those less 128, which have ways of their own.
    plain = np.arange(256) - 128 * (dtype == np.int8)
    table = np.stack([plain, np.arange(256) // 2, plain[::-1]], axis=1).astype(dtype)
    got = table_map(table)(pixels)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, table[pixels, np.arange(3)])
    np.testing.assert_array_equal(pixels, np.arange(48).reshape(4, 4, 3)[::2, ::-1])


def test_uint8_input():
    np.testing.assert_array_equal(pixel_table(SPEC, np.uint8, (1 / 128, 128)), np.arange(256))


def test_quantised_values_are_rounded_to_the_nearest():
    table = pixel_table(SPEC, np.int8, (0.01, -3))  # pixel 129: 0.0078 / 0.01 = 0.78 → 1 - 3
    assert table[[127, 128, 129, 130]].tolist() == [-4, -3, -2, -1]


def test_quantised_values_are_clipped_not_wrapped():
    table = pixel_table(SPEC, np.int8, (1 / 256, 0))
    assert table[0] == -128 and table[255] == 127 and table[128] == 0


@pytest.mark.parametrize(
    ("spec", "dtype", "expected"),
    [
        (SPEC, np.int8, (1 / 128, 0)),
        (SPEC, np.uint8, (1 / 128, 128)),
        (SPEC, np.int16, (1 / 32767, 0)),  # symmetric
        (replace(SPEC, pixel_mean=0, pixel_scale=1 / 255), np.int8, (1 / 255, -128)),
        (replace(SPEC, pixel_mean=127.5, pixel_scale=1 / 127.5), np.int8, (2 / 255, -0.5)),
    ],
)
def test_pixel_quantization_by_hand(spec, dtype, expected):
    assert pixel_quantization(spec, dtype) == pytest.approx(expected)
    scale, zero_point = expected
    assert holds_pixels((scale, round(zero_point)), spec, dtype)
    assert not holds_pixels((scale * 1.01, round(zero_point)), spec, dtype)
    assert not holds_pixels((scale, round(zero_point) + 2), spec, dtype)
    assert not holds_pixels(None, spec, dtype)


def test_a_view_of_a_frame_is_accepted():
    mirrored = FRAME[:, ::-1, ::-1]  # as BGR → RGB by a slice
    np.testing.assert_array_equal(
        preprocess(mirrored, SPEC), preprocess(np.ascontiguousarray(mirrored), SPEC)
    )
    assert preprocess(np.zeros((9, 8, 3), np.uint8)[:, ::-1], SPEC).shape == (1, 2, 3, 3)


@pytest.mark.parametrize(
    ("frame", "error", "cure"),
    [
        (np.zeros((4, 4), np.uint8), ValueError, "converts grey"),
        (np.zeros((4, 4, 1), np.uint8), ValueError, "converts grey"),
        (np.zeros((4, 4, 4), np.uint8), ValueError, r"frame\[:, :, :3\] drops the alpha"),
        (np.zeros((4, 4, 3), np.float32), ValueError, "astype\\(np.uint8\\)"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, "it is empty; check that the camera"),
        (np.zeros((1, 4, 4, 3), np.uint8), ValueError, "one picture at a time"),
        (np.zeros((3, 4, 5), np.uint8), ValueError, "channels last"),
        ([[[0, 0, 0]]], TypeError, r"got list; np\.asarray"),
        (None, TypeError, "got NoneType"),
    ],
)
def test_wrong_frames_name_the_cure(frame, error, cure):
    with pytest.raises(error, match=cure):
        preprocess(frame, SPEC)
