"""Detector spec: what desktop and device must agree on, carried inside the model file.

A `.keras` file is a zip; a `.tflite` file tolerates a zip appended to it (TFLite metadata packs
its labels the same way). The spec is one JSON member of that zip, so a model and the way to decode
it cannot be separated.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from edge_runtime.detector.checksums import CHECKSUMS_MEMBER, make_checksums
from edge_runtime.detector.json_object import is_number, is_whole, read_object, shown
from edge_runtime.detector.zip_members import MOST_BYTES, DamagedMemberError, find_text

SPEC_VERSION = 1
SPEC_MEMBER = "detector_spec.json"
LABELS_MEMBER = "labels.txt"

# Ranges of a spec's numbers: wider than any detector needs, and narrower than what would take a
# board's memory before anybody can compare them with the network.
MOST_PIXELS_A_SIDE = 4096
MOST_LEVELS = 16
MOST_ANCHORS_A_CELL = 64
MOST_ANCHORS = 1_000_000
MOST_CLASSES = 100_000
MOST_LETTERS = 1000  # of a class name
# Line breaks, control characters, halves of characters: no list of names, no XML can hold them.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
SIZE = (1e-4, 100.0)
ASPECT_RATIO = (1e-3, 1e3)
VARIANCE = (1e-4, 1e4)
PIXEL_MEAN = (-1e4, 1e4)
PIXEL_SCALE = (1e-6, 1e4)


class SpecError(ValueError):
    """A model file carries no spec, or one that this version cannot use."""


@dataclass(frozen=True)
class AnchorLevel:
    """The anchors of one feature map.

    Attributes:
        stride: input pixels per cell; a power of two. The map has ceil(input / stride) cells.
        sizes: square root of each anchor's area, as a fraction of the input's shorter side.
        aspect_ratios: width / height in pixels, one for each entry of `sizes`.
    """

    stride: int
    sizes: tuple[float, ...]
    aspect_ratios: tuple[float, ...]

    def __post_init__(self) -> None:
        if not is_whole(self.stride, 1, MOST_PIXELS_A_SIDE) or self.stride & (self.stride - 1):
            raise SpecError(
                f"stride must be a power of two up to {MOST_PIXELS_A_SIDE}, got "
                f"{shown(self.stride)}"
            )
        for name, range_ in (("sizes", SIZE), ("aspect_ratios", ASPECT_RATIO)):
            values = _numbers(name, getattr(self, name), MOST_ANCHORS_A_CELL, range_)
            object.__setattr__(self, name, values)
        if len(self.sizes) != len(self.aspect_ratios):
            raise SpecError(
                "a level needs as many sizes as aspect_ratios; got "
                f"{len(self.sizes)} and {len(self.aspect_ratios)} at stride {self.stride}"
            )

    def __len__(self) -> int:
        return len(self.sizes)


@dataclass(frozen=True)
class DetectorSpec:
    """Everything that decoding a detector's tensors needs. Anchors are derived, never stored.

    Attributes:
        input_hw: height and width of the network's input in pixels.
        class_names: without background; a class id is an index into it.
        levels: finest first; the network's rows follow this order.
        variances: (center, size) divisors of the offsets (SSD, Liu et al. 2016, section 2.2).
        pixel_mean, pixel_scale: the network sees (pixel - pixel_mean) * pixel_scale. The default
            makes an int8 input exactly pixel - 128, so quantising the input loses nothing.
        score_tensor: what the tensor `logits` holds. "softmax_logits": one row an anchor,
            background in column 0, before softmax.
        version: of this format.
    """

    input_hw: tuple[int, int]
    class_names: tuple[str, ...]
    levels: tuple[AnchorLevel, ...]
    variances: tuple[float, float] = (0.1, 0.2)
    pixel_mean: float = 128.0
    pixel_scale: float = 1 / 128
    score_tensor: str = "softmax_logits"
    version: int = SPEC_VERSION

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise SpecError(problem)
        object.__setattr__(self, "input_hw", tuple(int(side) for side in self.input_hw))
        object.__setattr__(self, "class_names", tuple(self.class_names))
        object.__setattr__(self, "levels", tuple(self.levels))
        object.__setattr__(self, "variances", tuple(float(v) for v in self.variances))
        if self.num_anchors > MOST_ANCHORS:
            raise SpecError(f"{MOST_ANCHORS} anchors at most expected, got {self.num_anchors}")

    def _problems(self) -> Iterator[str]:
        """What is wrong, the first of it before the next is looked at."""
        if not is_whole(self.version, SPEC_VERSION, SPEC_VERSION):
            yield f"spec version {SPEC_VERSION} expected, got {shown(self.version)}"
        sides = self.input_hw
        if not (
            isinstance(sides, (tuple, list))
            and len(sides) == 2
            and all(is_whole(side, 1, MOST_PIXELS_A_SIDE) for side in sides)
        ):
            yield (
                "input_hw must be two whole numbers (height, width) from 1 to "
                f"{MOST_PIXELS_A_SIDE}, got {shown(sides)}"
            )
        yield from self._class_problems()
        levels = self.levels
        if not isinstance(levels, (tuple, list)) or not 1 <= len(levels) <= MOST_LEVELS:
            yield f"levels must be 1 to {MOST_LEVELS} with rising strides, got {shown(levels)}"
        strides = [level.stride for level in levels]
        if strides != sorted(set(strides)):
            yield f"levels must have rising strides, got {strides}"
        if len(_numbers("variances", self.variances, 2, VARIANCE)) != 2:
            yield f"variances must be two numbers, got {shown(self.variances)}"
        for name, (low, high) in (("pixel_mean", PIXEL_MEAN), ("pixel_scale", PIXEL_SCALE)):
            if not is_number(getattr(self, name), low, high):
                got = shown(getattr(self, name))
                yield f"{name} must be a number from {low:g} to {high:g}, got {got}"
        if self.score_tensor != "softmax_logits":
            yield f"score_tensor must be 'softmax_logits', got {shown(self.score_tensor)}"

    def _class_problems(self) -> Iterator[str]:
        names = self.class_names
        if (
            not isinstance(names, (tuple, list))
            or not names
            or not all(isinstance(name, str) and name.strip() for name in names)
        ):
            yield f"class_names must be non-empty strings, at least one, got {shown(names)}"
        if len(names) > MOST_CLASSES or max(map(len, names)) > MOST_LETTERS:
            yield f"class_names must be {MOST_CLASSES} of {MOST_LETTERS} letters at most"
        if any(UNPRINTABLE.search(name) for name in names):
            yield f"class_names must hold no control characters, got {shown(names)}"
        if len(set(names)) != len(names):
            yield f"class_names must be distinct, got {shown(names)}"

    @property
    def num_classes(self) -> int:
        """Number of classes without background."""
        return len(self.class_names)

    def feature_hw(self, level: AnchorLevel) -> tuple[int, int]:
        """Rows and columns of a level's feature map."""
        height, width = self.input_hw
        return -(-height // level.stride), -(-width // level.stride)

    @property
    def num_anchors(self) -> int:
        """Number of anchors, without making them."""
        sizes = ((self.feature_hw(level), len(level)) for level in self.levels)
        return sum(rows * columns * count for (rows, columns), count in sizes)

    def to_json(self) -> str:
        """The spec as `from_json` reads it back."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> DetectorSpec:
        """The inverse of `to_json`. Raises: SpecError unless it is a spec of this version."""
        try:
            values = read_object(text, "the spec")
        except ValueError as error:
            raise SpecError(str(error)) from error
        version = values.get("version")
        if not is_whole(version, SPEC_VERSION, SPEC_VERSION):
            raise SpecError(f"spec version {SPEC_VERSION} expected, got {shown(version)}")
        known = {field.name for field in fields(cls)}
        if set(values) != known:
            raise SpecError(f"the spec's fields differ: {shown(sorted(set(values) ^ known))}")
        levels = values["levels"]
        names = {field.name for field in fields(AnchorLevel)}
        if not isinstance(levels, list) or not all(
            isinstance(level, dict) and set(level) == names for level in levels
        ):
            wanted = ", ".join(sorted(names))
            raise SpecError(
                f"the spec does not fit its fields: levels must be objects of {wanted}, got "
                f"{shown(levels)}"
            )
        try:
            # One more than there may be: the check of their number is the spec's own.
            values["levels"] = [AnchorLevel(**level) for level in levels[: MOST_LEVELS + 1]]
            return cls(**values)
        except (TypeError, ValueError, LookupError) as error:  # whatever stands for a list
            raise SpecError(f"the spec does not fit its fields: {error}") from error


def embed(path: str | Path, spec: DetectorSpec, members: Mapping[str, str] | None = None) -> None:
    """Add the spec, labels.txt and further text members to a .keras or .tflite file.

    A .tflite file gets checksums as well. It is replaced whole or not at all.

    Raises: ValueError if it already carries a spec, or for a member too long to be read again.
    """
    import shutil  # not above: only the desktop writes, and what makes temporary files is slow

    from edge_runtime.media.atomic import atomic_path

    path = Path(path)
    texts = {
        SPEC_MEMBER: spec.to_json(),
        LABELS_MEMBER: "".join(f"{name}\n" for name in spec.class_names),
        **(members or {}),
    }
    contents = {name: text.encode() for name, text in texts.items()}
    for name, data in contents.items():
        if len(data) > MOST_BYTES:
            raise ValueError(f"{name} of {MOST_BYTES} bytes at most expected, got {len(data)}")
    with atomic_path(path) as temporary:
        shutil.copyfile(path, temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            taken = set(archive.namelist()) & {*contents, CHECKSUMS_MEMBER}
            if taken:
                raise ValueError(f"{path} already holds {sorted(taken)}; embed into a fresh file")
            front = min((info.header_offset for info in archive.infolist()), default=None)
            network = path.read_bytes()[:front]
            if network[4:8] == b"TFL3":  # a .keras file is a zip, which has sums of its own
                contents[CHECKSUMS_MEMBER] = make_checksums(network, contents).encode()
            for name, data in contents.items():
                write_member(archive, name, data)


def write_member(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Add a member, stored; of a fixed date, so that the same model gives the same file."""
    archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)


def read_member(path: str | Path, name: str) -> str | None:
    """Text of one embedded member, or None if the file has no such member.

    Raises: FileNotFoundError if there is no such file; SpecError for a member that is there and
        cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no model file at {path}; check the path")
    try:
        return find_text(path, name)
    except DamagedMemberError as error:
        raise SpecError(describe_damage(path, error)) from error


def describe_damage(path: str | Path, reason: object) -> str:
    """Message for a model file of this project of which a part cannot be read, or is another."""
    return f"{path} is damaged: {reason}; copy the file again, or convert again"


def read_spec(path: str | Path) -> DetectorSpec:
    """The spec inside a .keras or .tflite file.

    Raises: SpecError if the file has none or another version; FileNotFoundError.
    """
    return parse_spec(path, read_member(path, SPEC_MEMBER))


def parse_spec(path: str | Path, text: str | None) -> DetectorSpec:
    """The spec of a file, of its member's text; None where it has no such member.

    Raises: SpecError, naming the file.
    """
    cure = "train it with `python -m train` or convert it with `python -m convert`"
    if text is None:
        raise SpecError(
            f"{path}: a model with an embedded {SPEC_MEMBER} expected, found none "
            f"(another tool's model, or a truncated file); {cure}"
        )
    try:
        return DetectorSpec.from_json(text)
    except SpecError as error:
        raise SpecError(f"{path}: {error}; {cure} of this version") from error


def _numbers(
    name: str, values: object, most: int, range_: tuple[float, float]
) -> tuple[float, ...]:
    """A list of numbers as a tuple. Raises: SpecError for one that is none, or out of range."""
    low, high = range_
    if not isinstance(values, (tuple, list)) or not 1 <= len(values) <= most:
        raise SpecError(f"{name} must be 1 to {most} numbers, got {shown(values)}")
    for value in values:
        if not is_number(value, low, high):
            raise SpecError(f"{name} must be numbers from {low:g} to {high:g}, got {shown(value)}")
    return tuple(map(float, values))
