"""Picture input: a frame as the input that another maker's file wants."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edge_runtime.detector.interpreter import Network
from edge_runtime.detector.preprocess import check_frame, quantize, table_map
from edge_runtime.detector.resize import Resize, fitted_hw, letterbox, letterbox_corner

log = logging.getLogger(__name__)

FEWEST_LEVELS = 16  # of the 256 of a pixel, in which something can still be seen
INPUT_TYPES = ("uint8", "int8", "int16", "float32")
# Those that hold pixels, less this.
PIXEL_TYPES: dict[type, int] = {np.uint8: 0, np.int8: 128}


class Scaling(NamedTuple):
    """The network sees (pixel - mean) / std, one number of each or one a channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class PictureInput:
    """How a frame becomes the network's input, and a box in it one of the picture.

    Attributes:
        input_hw: height and width of the input.
        to_input: (H, W, 3) uint8 → what stands for each pixel, of the input's dtype.
        channels_first: whether the input is (3, H, W).
        pad: of the bars around a picture that is scaled by one factor; None to stretch it.
    """

    input_hw: tuple[int, int]
    to_input: Callable[[np.ndarray], np.ndarray]
    channels_first: bool = False
    pad: int | None = None

    @classmethod
    def of(
        cls, network: Network, scaling: Scaling | None = None, pad: int | None = None
    ) -> PictureInput:
        """The input of a network.

        Args:
            scaling: what the network sees of a pixel; None for an input of 8 bits that takes pixels
                as they are, whatever its quantization says (int8: less 128). One without
                quantization always does.

        Raises: ValueError for an input that is no RGB picture, or that cannot hold one.
        """
        tensor = network.input
        input_hw, channels_first = picture_shape(tensor.shape)
        pixels = np.arange(256)
        plain = tensor.dtype in PIXEL_TYPES and tensor.quantization is None
        if scaling is None or plain:
            table: np.ndarray = (pixels - PIXEL_TYPES[tensor.dtype]).astype(tensor.dtype)
        else:
            table = _scaled(network, scaling)
        return cls(input_hw, table_map(table), channels_first, pad)

    def prepare(self, frame: np.ndarray, resize: Resize) -> np.ndarray:
        """(H, W, 3) RGB uint8 → the input, with batch. Raises: TypeError, ValueError."""
        check_frame(frame)
        if self.pad is None:
            image = resize(frame, self.input_hw)
        else:
            image = letterbox(frame, self.input_hw, self.pad, resize)
        image = self.to_input(image)
        if self.channels_first:
            image = image.transpose(2, 0, 1)
        return np.ascontiguousarray(image)[None]

    def to_picture(self, boxes: np.ndarray, picture_hw: tuple[int, int]) -> np.ndarray:
        """(N, 4) xyxy in [0, 1] of the input → in [0, 1] of the picture, not clipped."""
        if self.pad is None:
            return boxes
        fitted = fitted_hw(picture_hw, self.input_hw)
        top, left = letterbox_corner(fitted, self.input_hw)
        height, width = self.input_hw
        scale = np.asarray([width, height, width, height], np.float32)
        corner = np.asarray([left, top, left, top], np.float32)
        size = np.asarray([fitted[1], fitted[0], fitted[1], fitted[0]], np.float32)
        placed: np.ndarray = (boxes * scale - corner) / size
        return placed


def _scaled(network: Network, scaling: Scaling) -> np.ndarray:
    """What stands for each pixel in the input: (256,), or (256, 3) where channels differ.

    An integer input of another range than the scaling's would be shown a picture that is all but
    black. One whose steps are whole pixels takes them as they are: its network scales them itself.
    """
    tensor = network.input
    pixels = np.arange(256.0)[:, None]
    values = (pixels - np.asarray(scaling.mean)) / np.asarray(scaling.std)
    table = quantize(values, tensor.dtype, tensor.quantization)  # [256, 1 or 3]
    if len(np.unique(table[:, 0])) < FEWEST_LEVELS:
        scale = 0.0 if tensor.quantization is None else tensor.quantization[0]
        table = quantize(pixels, tensor.dtype, tensor.quantization)
        if not scale or len(np.unique(table)) < len(table) / 2:
            raise ValueError(
                f"{network.path}: an input that holds pixels from {values.min():.3g} to "
                f"{values.max():.3g} expected, found {np.dtype(tensor.dtype).name} in steps of "
                f"{scale or 1:.3g}, which is black; export it again with a float or uint8 input"
            )
        log.warning(
            "%s: its input has steps of %.3g, pixels are taken as they are and not scaled to %.3g "
            "to %.3g",
            *(network.path, scale, values.min(), values.max()),
        )
    return table[:, 0] if table.shape[1] == 1 else table


def picture_shape(shape: tuple[int, ...]) -> tuple[tuple[int, int], bool]:
    """(height, width) of an input, and whether its channels come first.

    Raises: ValueError for a shape that is no single RGB picture of a fixed size.
    """
    if len(shape) == 4 and shape[0] == 1 and min(shape) > 0:
        if shape[3] == 3:
            return (shape[1], shape[2]), False
        if shape[1] == 3:
            return (shape[2], shape[3]), True
    raise ValueError(
        f"an input of one RGB picture, [1, height, width, 3] or [1, 3, height, width], expected, "
        f"found {list(shape)}; export it again for one color picture of a fixed size"
    )
