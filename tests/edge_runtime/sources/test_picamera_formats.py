"""Camera buffers → RGB, against a slow and obvious reference."""

import numpy as np
import pytest

from edge_runtime.sources.picamera import to_rgb, yuv_matrix

WEIGHTS = {"Rec601": (0.299, 0.114), "Rec709": (0.2126, 0.0722), "Rec2020": (0.2627, 0.0593)}
WH = (10, 6)
STRIDE = 64
PADDING = 77


def reference_yuv(y, u, v, encoding, full_range):
    """One pixel, by the definition: Y is a weighted sum, U and V what blue and red differ by."""
    red_weight, blue_weight = WEIGHTS[encoding]
    y, u, v = float(y), float(u) - 128, float(v) - 128
    if not full_range:
        y, u, v = (y - 16) / 219 * 255, u / 224 * 255, v / 224 * 255
    red = y + v * 2 * (1 - red_weight)
    blue = y + u * 2 * (1 - blue_weight)
    green = (y - red_weight * red - blue_weight * blue) / (1 - red_weight - blue_weight)
    return [min(max(channel, 0), 255) for channel in (red, green, blue)]


def yuv_buffer(pixel_format):
    """A buffer of noise with padded rows, and the pixels (y, u, v) that are in it."""
    width, height = WH
    rng = np.random.default_rng(4)
    luma = rng.integers(0, 256, (height, width), np.uint8)
    chroma = rng.integers(0, 256, (2, height // 2, width // 2), np.uint8)
    rows = np.full((height * 3 // 2, STRIDE), PADDING, np.uint8)
    rows[:height, :width] = luma
    buffer = rows.ravel()
    for i in range(height // 2):
        for j in range(width // 2):
            u, v = chroma[:, i, j]
            if pixel_format == "NV12":
                start = (height + i) * STRIDE + 2 * j
                buffer[start], buffer[start + 1] = u, v
            else:
                start = height * STRIDE + i * STRIDE // 2 + j
                buffer[start], buffer[start + height // 2 * STRIDE // 2] = u, v
    pixels = [
        [(luma[i, j], *chroma[:, i // 2, j // 2]) for j in range(width)] for i in range(height)
    ]
    return buffer, pixels


@pytest.mark.parametrize("full_range", [True, False])
@pytest.mark.parametrize("encoding", WEIGHTS)
@pytest.mark.parametrize("pixel_format", ["YUV420", "NV12"])
def test_yuv_is_that_of_the_reference(pixel_format, encoding, full_range):
    buffer, pixels = yuv_buffer(pixel_format)
    expected = [[reference_yuv(*yuv, encoding, full_range) for yuv in row] for row in pixels]
    rgb = to_rgb(buffer, pixel_format, WH, STRIDE, encoding, full_range)
    assert rgb.dtype == np.uint8
    np.testing.assert_allclose(rgb, expected, atol=0.51)


def test_white_stays_white_and_gray_has_no_color():
    for encoding in WEIGHTS:
        for full_range, levels in ((True, (0, 128, 255)), (False, (16, 126, 235))):
            for level in levels:
                y = np.full((4, 4), level, np.uint8)
                uv = np.full((2, 4), 128, np.uint8)
                rgb = to_rgb(np.vstack((y, uv)).ravel(), "YUV420", (4, 4), 4, encoding, full_range)
                assert rgb.min() == rgb.max()
                assert (rgb[0, 0, 0] in (0, 255)) == (level not in (126, 128))


@pytest.mark.parametrize(
    ("pixel_format", "memory"),
    [
        ("BGR888", (1, 2, 3)),
        ("RGB888", (3, 2, 1)),
        ("XBGR8888", (1, 2, 3, 255)),
        ("XRGB8888", (3, 2, 1, 255)),
    ],
)
def test_packed_formats_give_red_first(pixel_format, memory):
    width, height = WH
    rows = np.full((height, STRIDE), PADDING, np.uint8)
    rows[:, : width * len(memory)] = np.tile(memory, width)
    buffer = np.append(rows.ravel(), [9, 9, 9]).astype(np.uint8)  # buffers may be longer
    rgb = to_rgb(buffer, pixel_format, WH, STRIDE)
    assert rgb.shape == (height, width, 3)
    assert (rgb == (1, 2, 3)).all()


def test_what_is_not_understood_is_refused():
    with pytest.raises(ValueError, match="the camera delivers MJPEG"):
        to_rgb(np.zeros(100, np.uint8), "MJPEG", WH, STRIDE)
    with pytest.raises(ValueError, match="576 bytes expected for 10x6 YUV420, got 575"):
        to_rgb(np.zeros(575, np.uint8), "YUV420", WH, STRIDE)
    with pytest.raises(ValueError, match="got Rec42"):
        yuv_matrix("Rec42", True)
