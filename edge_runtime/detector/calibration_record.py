"""Calibration record: where a file's int8 ranges come from, and a check of this device against it.

An int8 file works only while the device prepares images as the calibration did. The file
therefore carries a record: which images its ranges were measured on, a digest of the spec they
were prepared by, and what that preparation made of an image which every machine can draw. The
device does the same and compares; a difference says which side is wrong.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL

from edge_runtime.detector.json_object import is_number, is_whole, read_object, shown
from edge_runtime.detector.preprocess import (
    holds_pixels,
    network_pixels,
    pixel_quantization,
    pixel_table,
)
from edge_runtime.detector.sha256 import sha256
from edge_runtime.detector.spec import (
    MOST_LETTERS,
    PIXEL_MEAN,
    PIXEL_SCALE,
    UNPRINTABLE,
    DetectorSpec,
    SpecError,
    read_member,
)

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

CALIBRATION_VERSION = 1
CALIBRATION_MEMBER = "calibration.json"
MOST = 2**63 - 1  # of a count
FARTHEST = PIXEL_SCALE[1] * (255 - PIXEL_MEAN[0])  # from 0, of what a spec can make of a pixel

# The fingerprint: two flat pictures, then mean and spread of each corner and color of another.
COLORS = ("red", "green", "blue")
CORNERS = ("top left", "top right", "bottom left", "bottom right")
# Of a flat picture, which every way of resizing leaves as it is.
ENDS = ("black", "white")
NAMES = (
    *ENDS,
    *(
        f"the {kind} of {color}, {corner}"
        for corner in CORNERS
        for kind in ("mean", "spread")
        for color in COLORS
    ),
)
# In steps between two pixel values. Flat pictures leave no room but that of float32; of the others
# a mean or a spread moves by less than a step where pixels are rounded by one step differently,
# and by several where the resizing is another one.
TOLERANCES = np.array([0.01] * len(ENDS) + [1.0] * (len(NAMES) - len(ENDS)))


@dataclass(frozen=True)
class CalibrationRecord:
    """An int8 file's account of its own calibration.

    Attributes:
        images: number of images that the ranges were measured on.
        data, split: name of the data set's folder, and of its part.
        seed: of the draw.
        boxes: of each class in those images.
        method: in words, for people.
        spec_digest: `digest` of the spec that the images were prepared by.
        fingerprint: what that preparation does, see the function `fingerprint`.
        pillow, numpy: the versions that did it.
        version: of this format and of the fingerprint's images.
    """

    images: int
    data: str
    split: str
    seed: int
    boxes: Mapping[str, int]
    method: str
    spec_digest: str
    fingerprint: tuple[float, ...]
    pillow: str = PIL.__version__
    numpy: str = np.__version__
    version: int = CALIBRATION_VERSION

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise SpecError(problem)
        object.__setattr__(self, "boxes", dict(self.boxes))
        object.__setattr__(self, "fingerprint", tuple(float(v) for v in self.fingerprint))

    def _problems(self) -> Iterator[str]:
        if not is_whole(self.version, CALIBRATION_VERSION, CALIBRATION_VERSION):
            yield f"calibration version {CALIBRATION_VERSION} expected, got {shown(self.version)}"
        for name, lowest in (("images", 1), ("seed", 0)):
            value = getattr(self, name)
            if not is_whole(value, lowest, MOST):
                yield f"{name} must be a whole number from {lowest} to {MOST}, got {shown(value)}"
        for name in ("data", "split", "method", "spec_digest", "pillow", "numpy"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip() or UNPRINTABLE.search(value):
                yield f"{name} must be a non-empty line of text, got {shown(value)}"
            if len(value) > MOST_LETTERS:
                yield f"{name} must have {MOST_LETTERS} letters at most, got {len(value)}"
        boxes = self.boxes
        if not isinstance(boxes, Mapping) or not boxes:
            yield f"boxes must give a number for each class, got {shown(boxes)}"
        elif not all(is_whole(value, 0, MOST) for value in boxes.values()):
            yield f"boxes must be whole numbers from 0 to {MOST}, got {shown(boxes)}"
        numbers = self.fingerprint
        if not isinstance(numbers, (list, tuple)) or len(numbers) != len(NAMES):
            yield f"fingerprint must be {len(NAMES)} numbers, got {shown(numbers)}"
        elif not all(is_number(value, -FARTHEST, FARTHEST) for value in numbers):
            yield f"fingerprint must be numbers within {FARTHEST:g} of 0, got {shown(numbers)}"

    @classmethod
    def of(cls, spec: DetectorSpec, root: str | Path, **facts: Any) -> CalibrationRecord:
        """A record of now, by this machine: `facts` are images, split, seed, boxes and method.

        Raises: SpecError for facts that are none.
        """
        return cls(
            data=Path(root).resolve().name,  # a record shows no path of this machine
            spec_digest=digest(spec),
            fingerprint=fingerprint(spec),
            **facts,
        )

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> CalibrationRecord:
        """Raises: SpecError for anything that is not a record of this version."""
        try:
            values = read_object(text, "the calibration record")
        except ValueError as error:
            raise SpecError(str(error)) from error
        version = values.get("version")
        if not is_whole(version, CALIBRATION_VERSION, CALIBRATION_VERSION):
            raise SpecError(
                f"calibration version {CALIBRATION_VERSION} expected, got {shown(version)}"
            )
        known = {field.name for field in fields(cls)}
        if set(values) != known:
            raise SpecError(
                f"the calibration's fields differ: {shown(sorted(set(values) ^ known))}"
            )
        return cls(**values)


def digest(spec: DetectorSpec) -> str:
    """Digest of everything in a spec: 16 hexadecimal digits."""
    canonical = json.dumps(asdict(spec), sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode())[:16]


def read_calibration(path: str | Path) -> CalibrationRecord | None:
    """The record inside a .tflite file; None for a float or an older one without it.

    Raises: SpecError if it is damaged or not one of this version; FileNotFoundError.
    """
    return parse_calibration(path, read_member(path, CALIBRATION_MEMBER))


def parse_calibration(path: str | Path, text: str | None) -> CalibrationRecord | None:
    """The record of a file, of its member's text; None where it has no such member.

    Raises: SpecError, naming the file.
    """
    if text is None:
        return None
    try:
        return CalibrationRecord.from_json(text)
    except SpecError as error:
        raise SpecError(
            f"{path}: {CALIBRATION_MEMBER}: {error}; convert again with `python -m convert`, or "
            "install the edge_runtime that the file was made with"
        ) from error


def synthetic_image(input_hw: tuple[int, int]) -> np.ndarray:
    """An RGB image (H, W, 3) uint8, about 1.5 times as high and twice as wide as the input.

    Larger, since ways to resize differ most where they shrink. By integers alone, so that every
    machine gets the same one.
    """
    height, width = 3 * input_hw[0] // 2 + 1, 2 * input_hw[1] + 1
    y, x = np.arange(height)[:, None], np.arange(width)
    # Squares, modulo a prime, look like noise: (3 x² + 5 y² + 7 x y) % 251, of remainders, which
    # 16 bits hold.
    rows, columns, slope = (
        (values % 251).astype(np.uint16) for values in (5 * y * y, 3 * x * x, 7 * x)
    )
    noise = slope * (y % 251).astype(np.uint16)
    noise += rows
    noise += columns
    noise %= 251
    image = np.empty((height, width, 3), np.uint8)
    image[:, :, 0] = ((noise < 125) & (2 * x < width)) * np.uint8(255)  # texture left, black right
    image[:, :, 1] = 255 * x // width  # brighter to the right
    noise += (2 * 255 * y // height).astype(np.uint16)
    image[:, :, 2] = noise // 3  # brighter to the bottom, some texture
    return image


def fingerprint(spec: DetectorSpec) -> tuple[float, ...]:
    """Fingerprint of the preprocessing: numbers in the network's units, one for each of NAMES."""
    flat = [np.full((2, 3, 3), level, np.uint8) for level in (0, 255)]
    # A row of them, since all are alike.
    ends = [_mean_and_spread(network_pixels(frame, spec.input_hw)[:1], spec)[0] for frame in flat]
    pixels = network_pixels(synthetic_image(spec.input_hw), spec.input_hw)
    height, width = spec.input_hw
    numbers: list[float] = []
    # The halves share the middle row or column of an odd size, so that none is empty.
    for rows in (slice((height + 1) // 2), slice(height // 2, None)):
        for columns in (slice((width + 1) // 2), slice(width // 2, None)):
            colors = [_mean_and_spread(pixels[rows, columns, color], spec) for color in range(3)]
            for kind in zip(*colors, strict=True):  # the means, then the spreads
                numbers += kind
    return tuple(round(float(number), 6) for number in (*ends, *numbers))


def _mean_and_spread(pixels: np.ndarray, spec: DetectorSpec) -> tuple[float, float]:
    """In the network's units, by how often each value is there: no array of floats is needed."""
    counts, values = np.bincount(pixels.ravel(), minlength=256), pixel_table(spec, np.float64)
    mean = counts @ values / pixels.size
    return float(mean), float(np.sqrt(counts @ (values - mean) ** 2 / pixels.size))


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


def check_calibration(
    path: str | Path,
    record: CalibrationRecord,
    spec: DetectorSpec,
    dtype: DTypeLike,
    quantization: tuple[float, int] | None,
) -> None:
    """Compare a file's record with the file's spec, this device and its input.

    In this order: only for the right spec the device's numbers can be compared, and only a device
    that makes the right numbers may blame the file's input.

    Args:
        record, spec: inside the file.
        dtype, quantization: of the network's input; quantization None for a float one.

    Raises: SpecError that says which side is wrong, the file or this device.
    """
    if record.spec_digest != digest(spec):
        raise SpecError(
            f"{path}: the file is wrong: calibrated with a spec of digest {record.spec_digest}, "
            f"found one of digest {digest(spec)} inside; it was edited or is another model's: "
            "copy the file again or convert again with `python -m convert`"
        )
    _check_device(path, spec, record)
    if np.issubdtype(dtype, np.integer) and not holds_pixels(quantization, spec, dtype):
        _refuse_input(path, spec, dtype, quantization)


def _check_device(path: str | Path, spec: DetectorSpec, record: CalibrationRecord) -> None:
    difference = largest_difference(record.fingerprint, fingerprint(spec), spec)
    if difference is None:
        return
    name, expected, found = difference
    raise SpecError(
        f"{path}: this device is wrong: its pictures are not prepared as those of the calibration, "
        f"{name} is {found:.4f} here, {expected:.4f} expected (Pillow {PIL.__version__}, NumPy "
        f"{np.__version__} here; Pillow {record.pillow}, NumPy {record.numpy} there); install "
        "those versions and the edge_runtime that the file was made with"
    )


def _refuse_input(
    path: str | Path, spec: DetectorSpec, dtype: DTypeLike, quantization: tuple[float, int] | None
) -> None:
    limits, table = np.iinfo(np.dtype(dtype)), pixel_table(spec)
    scale, zero_point = quantization or (math.nan, 0)
    held = [(limit - zero_point) * scale for limit in (limits.min, limits.max)]
    wanted, zero = pixel_quantization(spec, dtype)
    raise SpecError(
        f"{path}: the file is wrong: calibrated on wrongly scaled pictures, its input holds "
        f"{held[0]:.4g} to {held[1]:.4g} (scale {scale:.6g}, zero point {zero_point}), but its "
        f"spec makes {table[0]:.4g} to {table[255]:.4g} of the pixels (scale {wanted:.6g}, zero "
        f"point {zero:g}); calibrate again with `python -m convert`"
    )
