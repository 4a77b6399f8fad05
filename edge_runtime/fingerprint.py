"""What `preprocess` does, as a few numbers that two machines can compare.

Of a picture that is computed, not stored, in which the colours differ, no side is like another and
fine texture lies next to flat fields: another order of the colours, orientation, resizing, mean or
scale gives other numbers. Numbers, not a hash, since two versions of Pillow may round a pixel
differently.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_runtime.detector.preprocess import preprocess
from edge_runtime.detector.spec import DetectorSpec

COLOURS = ("red", "green", "blue")
CORNERS = ("top left", "top right", "bottom left", "bottom right")
# Of a flat picture, which every way of resizing leaves as it is.
ENDS = ("black", "white")
NAMES = (
    *ENDS,
    *(
        f"the {kind} of {colour}, {corner}"
        for corner in CORNERS
        for kind in ("mean", "spread")
        for colour in COLOURS
    ),
)
# In steps between two pixel values. Flat pictures leave no room but that of float32; of the others
# a mean or a spread moves by less than a step where pixels are rounded by one step differently,
# and by several where the resizing is another one.
TOLERANCES = np.array([0.01] * len(ENDS) + [1.0] * (len(NAMES) - len(ENDS)))


def synthetic_picture(input_hw: tuple[int, int]) -> np.ndarray:
    """An RGB picture (H, W, 3) uint8, about 1.5 times as high and twice as wide as the input.

    Larger, since ways to resize differ most where they shrink. By integers alone, so that every
    machine gets the same one.
    """
    height, width = 3 * input_hw[0] // 2 + 1, 2 * input_hw[1] + 1
    y, x = np.mgrid[:height, :width].astype(np.int64)
    # Squares, modulo a prime, look like noise.
    noise = (3 * x * x + 5 * y * y + 7 * x * y) % 251
    red = np.where(noise < 125, 255, 0) * (2 * x < width)  # texture left, black right
    green = 255 * x // width  # brighter to the right
    blue = (2 * 255 * y // height + noise) // 3  # brighter to the bottom, some texture
    return np.stack([red, green, blue], axis=2).astype(np.uint8)


def fingerprint(spec: DetectorSpec) -> tuple[float, ...]:
    """Numbers in the network's units, one for each of NAMES."""
    flat = [np.full((2, 3, 3), level, np.uint8) for level in (0, 255)]
    ends = [float(preprocess(frame, spec).mean(dtype=np.float64)) for frame in flat]
    (tensor,) = preprocess(synthetic_picture(spec.input_hw), spec).astype(np.float64)
    height, width = spec.input_hw
    numbers = []
    # The halves share the middle row or column of an odd size, so that none is empty.
    for rows in (slice((height + 1) // 2), slice(height // 2, None)):
        for columns in (slice((width + 1) // 2), slice(width // 2, None)):
            corner = tensor[rows, columns]
            numbers += [*corner.mean(axis=(0, 1)), *corner.std(axis=(0, 1))]
    return tuple(round(float(number), 6) for number in (*ends, *numbers))


def largest_difference(
    expected: Sequence[float], found: Sequence[float], spec: DetectorSpec
) -> tuple[str, float, float] | None:
    """(name, expected, found) of the number furthest off; None if all are within TOLERANCES."""
    steps = np.abs(np.subtract(expected, found)) / spec.pixel_scale
    wrong = steps > TOLERANCES
    if not wrong.any():
        return None
    number = int(np.where(wrong, steps, -1).argmax())
    return NAMES[number], expected[number], found[number]
