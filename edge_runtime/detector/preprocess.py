"""Preprocessing: frame → input tensor. Training, calibration and the device share it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.detector.resize import Resize, resize
from edge_runtime.detector.spec import DetectorSpec

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


def check_frame(frame: np.ndarray) -> None:
    """Raises: TypeError or ValueError, with the way to convert, unless (H, W, 3) uint8."""
    # Of every frame: what to say of a wrong one is put together only then.
    is_array = isinstance(frame, np.ndarray)
    if is_array and frame.dtype == np.uint8 and frame.size and frame.shape[2:] == (3,):
        return
    wanted = "an RGB uint8 array of shape (height, width, 3) is wanted"
    if not is_array:
        cure = "np.asarray(image.convert('RGB')) converts a Pillow image"
        raise TypeError(f"{wanted}, got {type(frame).__name__}; {cure}")
    got = f"got shape {frame.shape}, {frame.dtype}"
    if frame.ndim == 2 or (frame.ndim == 3 and frame.shape[2] == 1):
        cure = "np.repeat(frame.reshape(*frame.shape[:2], 1), 3, axis=2) converts grey"
        raise ValueError(f"{wanted}, {got}; {cure}")
    if frame.ndim == 3 and frame.shape[2] == 4:
        raise ValueError(f"{wanted}, {got}; frame[:, :, :3] drops the alpha channel of RGBA")
    if frame.ndim != 3 or frame.shape[2] != 3:
        raise ValueError(f"{wanted}, {got}; pass one picture at a time, channels last")
    if frame.size == 0:
        raise ValueError(f"{wanted}, {got}: it is empty; check that the camera delivered a frame")
    if frame.dtype != np.uint8:
        cure = "(frame * 255).round().astype(np.uint8) converts values in [0, 1]"
        raise ValueError(f"{wanted}, {got}; {cure}")


def pixel_table(
    spec: DetectorSpec, dtype: DTypeLike = np.float32, quantization: tuple[float, int] | None = None
) -> np.ndarray:
    """Lookup table of the network's input for the 256 pixel values: (256,) of `dtype`.

    Args:
        quantization: (scale, zero point) of an integer input; None for a float one.
    """
    values = (np.arange(256, dtype=np.float64) - spec.pixel_mean) * spec.pixel_scale
    return quantize(values, dtype, quantization)


def quantize(
    values: np.ndarray, dtype: DTypeLike, quantization: tuple[float, int] | None
) -> np.ndarray:
    """Numbers as a tensor of `dtype` and (scale, zero point) holds them; None for a float one."""
    if quantization is None:
        return values.astype(dtype)
    scale, zero_point = quantization
    limits = np.iinfo(np.dtype(dtype))
    steps: np.ndarray = np.clip(np.rint(values / scale) + zero_point, limits.min, limits.max)
    return steps.astype(dtype)


def pixel_range(spec: DetectorSpec) -> tuple[float, float]:
    """(low, high) of the network's input, 0 included, as an integer input must hold it."""
    table = pixel_table(spec)
    return min(0.0, float(table[0])), max(0.0, float(table[255]))


def pixel_quantization(spec: DetectorSpec, dtype: DTypeLike = np.int8) -> tuple[float, float]:
    """(scale, zero point) by which the 256 pixel values just fit into an integer input.

    The zero point may lie between two integers; a converter rounds it. 8 bits are used from end to
    end, 16 bits symmetrically about zero point 0, as TFLite's quantisation spec has it.
    """
    low, high = pixel_range(spec)
    limits = np.iinfo(np.dtype(dtype))
    if limits.bits > 8:
        return max(-low, high) / limits.max, 0.0
    scale = (high - low) / (limits.max - limits.min)
    return scale, limits.min - low / scale


def holds_pixels(
    quantization: tuple[float, int] | None, spec: DetectorSpec, dtype: DTypeLike = np.int8
) -> bool:
    """True if an integer input's (scale, zero point) are those of the spec's pixels.

    If not, pixels are clipped, or several share an integer: it was calibrated on others.
    """
    if quantization is None:
        return False
    scale, zero_point = pixel_quantization(spec, dtype)
    # A converter rounds the zero point up or down from a half.
    return bool(
        np.isclose(quantization[0], scale, rtol=1e-4) and abs(quantization[1] - zero_point) <= 0.51
    )


def preprocess(
    frame: np.ndarray,
    spec: DetectorSpec,
    dtype: DTypeLike = np.float32,
    quantization: tuple[float, int] | None = None,
) -> np.ndarray:
    """One frame as the network's input tensor.

    Args:
        frame: (H, W, 3) RGB uint8 of any size.
        dtype, quantization: of the input tensor; the defaults are those of a float model.

    Returns: (1, input_h, input_w, 3) of `dtype`.
    Raises: TypeError, ValueError for anything but an RGB uint8 frame.
    """
    return pixel_map(spec, dtype, quantization)(network_pixels(frame, spec.input_hw))[None]


def network_pixels(
    frame: np.ndarray, input_hw: tuple[int, int], resize: Resize = resize
) -> np.ndarray:
    """A frame's pixels as the network sees them: (input_h, input_w, 3) uint8. Raises: as above."""
    check_frame(frame)
    return resize(frame, input_hw)


def pixel_map(
    spec: DetectorSpec, dtype: DTypeLike = np.float32, quantization: tuple[float, int] | None = None
) -> Callable[[np.ndarray], np.ndarray]:
    """`pixel_table` as a function of uint8 arrays of any shape."""
    return table_map(pixel_table(spec, dtype, quantization))


def table_map(table: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A table of the 256 pixel values as a function of uint8 arrays, by the fastest way there is.

    Args:
        table: (256,) of any type, for arrays of any shape; or (256, 3), a column for each channel
            of (..., 3).

    Returns: array → array of its shape and the table's type; the same one where every pixel stands
        for itself.
    """
    if table.ndim == 2:
        columns = [table_map(np.ascontiguousarray(column)) for column in table.T]

        def by_channel(pixels: np.ndarray) -> np.ndarray:
            mapped = np.empty(pixels.shape, table.dtype)
            for channel, column in enumerate(columns):
                mapped[..., channel] = column(pixels[..., channel])
            return mapped

        return by_channel
    values = np.arange(256)
    if table.dtype == np.uint8 and (table == values).all():
        return lambda pixels: pixels
    if table.dtype == np.int8 and (table == values - 128).all():
        # pixel - 128, the usual int8 input: the same bits with the highest one turned over.
        return lambda pixels: np.bitwise_xor(pixels, np.uint8(128)).view(np.int8)
    # np.take: indexing the table with the picture takes three times as long.
    return lambda pixels: np.take(table, pixels)
