"""What a camera's buffer holds → RGB, without OpenCV.

libcamera names a format by its bits from high to low, so that in memory the order is the other way
round: "BGR888" has red first, "RGB888" blue.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

# name → bytes of a pixel, and which of them are red, green and blue
PACKED = {
    "BGR888": (3, slice(0, 3)),
    "RGB888": (3, slice(2, None, -1)),
    "XBGR8888": (4, slice(0, 3)),
    "XRGB8888": (4, slice(2, None, -1)),
}
FORMATS = (*PACKED, "YUV420", "NV12")

# libcamera's YcbcrEncoding → what red and blue weigh in Y
WEIGHTS = {"Rec601": (0.299, 0.114), "Rec709": (0.2126, 0.0722), "Rec2020": (0.2627, 0.0593)}


def to_rgb(
    buffer: np.ndarray,
    pixel_format: str,
    size_wh: tuple[int, int],
    stride: int,
    encoding: str = "Rec601",
    full_range: bool = True,
) -> np.ndarray:
    """One picture.

    Args:
        buffer: (n,) uint8, as `CompletedRequest.make_buffer` gives it; rows may end in padding.
        pixel_format: one of `FORMATS`.
        size_wh: of the picture, even for YUV420 and NV12.
        stride: bytes from one row to the next; half of it for the U and V of YUV420.
        encoding, full_range: of YUV420 and NV12: one of `WEIGHTS`; Y in 0 … 255 or in 16 … 235.

    Returns: (height, width, 3) RGB uint8; it may share the buffer's memory.
    Raises: ValueError for another format or encoding, or a buffer that is too short.
    """
    width, height = size_wh
    if pixel_format not in FORMATS:
        raise ValueError(
            f"a pixel format of {', '.join(FORMATS)} expected, the camera delivers {pixel_format}"
        )
    rows = height if pixel_format in PACKED else height * 3 // 2
    if len(buffer) < rows * stride:
        raise ValueError(
            f"{rows * stride} bytes expected for {width}x{height} {pixel_format}, got {len(buffer)}"
        )
    lines = buffer[: rows * stride].reshape(rows, stride)
    if pixel_format in PACKED:
        count, channels = PACKED[pixel_format]
        return lines[:, : width * count].reshape(height, width, count)[:, :, channels]
    if pixel_format == "YUV420":
        chroma = lines[height:].reshape(2, height // 2, stride // 2)[:, :, : width // 2]
    else:
        chroma = np.moveaxis(lines[height:, :width].reshape(height // 2, width // 2, 2), 2, 0)
    return _yuv_to_rgb(lines[:height, :width], chroma, yuv_matrix(encoding, full_range))


def yuv_matrix(encoding: str, full_range: bool) -> tuple[float, ...]:
    """12 numbers, three rows of (y, u, v, 1) → red, green, blue, all in 0 … 255.

    Raises: ValueError for an encoding that is not in `WEIGHTS`.
    """
    if encoding not in WEIGHTS:
        raise ValueError(f"an encoding of {', '.join(WEIGHTS)} expected, got {encoding}")
    red, blue = WEIGHTS[encoding]
    green = 1 - red - blue
    black, luma, chroma = (0, 1.0, 1.0) if full_range else (16, 255 / 219, 255 / 224)
    from_u, from_v = 2 * (1 - blue) * chroma, 2 * (1 - red) * chroma
    rows = (
        (luma, 0.0, from_v),
        (luma, -from_u * blue / green, -from_v * red / green),
        (luma, from_u, 0.0),
    )
    return tuple(x for y, u, v in rows for x in (y, u, v, -y * black - 128 * (u + v)))


def _yuv_to_rgb(luma: np.ndarray, chroma: np.ndarray, matrix: tuple[float, ...]) -> np.ndarray:
    """(h, w), (2, h/2, w/2) uint8 → (h, w, 3): Pillow does it in half the time of NumPy."""
    height, width = luma.shape
    planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in (luma, *chroma)]
    large = [plane.resize((width, height), Image.Resampling.NEAREST) for plane in planes[1:]]
    return np.asarray(Image.merge("RGB", (planes[0], *large)).convert("RGB", matrix))
