"""Detector spec: what desktop and device must agree on, carried inside the model file.

A `.keras` file is a zip; a `.tflite` file tolerates a zip appended to it (TFLite metadata packs
its labels the same way). The spec is one JSON member of that zip, so a model and the way to decode
it cannot be separated.
"""

from __future__ import annotations

import errno
import json
import math
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

SPEC_VERSION = 1
SPEC_MEMBER = "detector_spec.json"
LABELS_MEMBER = "labels.txt"
MEMBER_BYTES = 64 << 20  # of an embedded text; more is none of ours


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
        object.__setattr__(self, "sizes", tuple(float(size) for size in self.sizes))
        object.__setattr__(self, "aspect_ratios", tuple(float(r) for r in self.aspect_ratios))
        if not isinstance(self.stride, int) or self.stride < 1 or self.stride & (self.stride - 1):
            raise SpecError(f"stride must be a power of two, got {self.stride!r}")
        if not self.sizes or len(self.sizes) != len(self.aspect_ratios):
            raise SpecError(
                "a level needs as many sizes as aspect_ratios, at least one of each; got "
                f"{len(self.sizes)} and {len(self.aspect_ratios)} at stride {self.stride}"
            )
        for value in (*self.sizes, *self.aspect_ratios):
            if not (math.isfinite(value) and value > 0):
                raise SpecError(f"sizes and aspect_ratios must be positive, got {value}")

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
        object.__setattr__(self, "input_hw", tuple(int(side) for side in self.input_hw))
        object.__setattr__(self, "class_names", tuple(self.class_names))
        object.__setattr__(self, "levels", tuple(self.levels))
        object.__setattr__(self, "variances", tuple(float(v) for v in self.variances))
        for problem in self._problems():
            raise SpecError(problem)

    def _problems(self) -> Iterator[str]:
        if self.version != SPEC_VERSION:
            yield f"spec version {SPEC_VERSION} expected, got {self.version}"
        if len(self.input_hw) != 2 or min(self.input_hw) < 1:
            yield f"input_hw must be two positive numbers (height, width), got {self.input_hw}"
        names = self.class_names
        if not names or not all(isinstance(name, str) and name.strip() for name in names):
            yield f"class_names must be non-empty strings, at least one, got {names}"
        if len(set(names)) != len(names):
            yield f"class_names must be distinct, got {names}"
        strides = [level.stride for level in self.levels]
        if not strides or strides != sorted(set(strides)):
            yield f"levels must have rising strides, at least one, got {strides}"
        if len(self.variances) != 2 or min(self.variances) <= 0:
            yield f"variances must be two positive numbers, got {self.variances}"
        if not self.pixel_scale > 0:
            yield f"pixel_scale must be positive, got {self.pixel_scale}"
        if self.score_tensor != "softmax_logits":
            yield f"score_tensor must be 'softmax_logits', got {self.score_tensor!r}"

    @property
    def num_classes(self) -> int:
        """Number of classes without background."""
        return len(self.class_names)

    def feature_hw(self, level: AnchorLevel) -> tuple[int, int]:
        """Rows and columns of a level's feature map."""
        height, width = self.input_hw
        return -(-height // level.stride), -(-width // level.stride)

    def to_json(self) -> str:
        """The spec as `from_json` reads it back."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> DetectorSpec:
        """The inverse of `to_json`. Raises: SpecError unless it is a spec of this version."""
        try:
            values = json.loads(text)
            version = values.get("version")
        except (json.JSONDecodeError, AttributeError) as error:
            raise SpecError(f"the spec is not a JSON object: {error}") from error
        if version != SPEC_VERSION:
            raise SpecError(f"spec version {SPEC_VERSION} expected, got {version}")
        known = {field.name for field in fields(cls)}
        if set(values) != known:
            raise SpecError(f"the spec's fields differ: {sorted(set(values) ^ known)}")
        try:
            values["levels"] = tuple(AnchorLevel(**level) for level in values["levels"])
            return cls(**values)
        except (TypeError, ValueError) as error:  # float("x") is a ValueError
            raise SpecError(f"the spec does not fit its fields: {error}") from error


def embed(path: str | Path, spec: DetectorSpec, members: Mapping[str, str] | None = None) -> None:
    """Add the spec, labels.txt and further text members to a .keras or .tflite file.

    The file is replaced whole or not at all. Raises: ValueError if it already carries a spec.
    """
    import shutil  # not above: only the desktop writes, and what makes temporary files is slow

    from edge_runtime.media.atomic import atomic_path

    path = Path(path)
    texts = {
        SPEC_MEMBER: spec.to_json(),
        LABELS_MEMBER: "".join(f"{name}\n" for name in spec.class_names),
        **(members or {}),
    }
    with atomic_path(path) as temporary:
        shutil.copyfile(path, temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            taken = set(archive.namelist()) & set(texts)
            if taken:
                raise ValueError(f"{path} already holds {sorted(taken)}; embed into a fresh file")
            for name, text in texts.items():
                # A fixed date, so that the same model gives the same file.
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)


def read_member(path: str | Path, name: str) -> str | None:
    """Text of one embedded member, or None if the file has no such member.

    Raises: FileNotFoundError if there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no model file at {path}; check the path")
    try:
        with zipfile.ZipFile(path) as archive, archive.open(name) as member:
            data = member.read(MEMBER_BYTES + 1)
        return data.decode("utf-8") if len(data) <= MEMBER_BYTES else None
    except Exception as error:  # of another maker's or a damaged zip, zipfile and zlib raise much
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # it seeks before the start
            raise
        return None


def read_spec(path: str | Path) -> DetectorSpec:
    """The spec inside a .keras or .tflite file.

    Raises: SpecError if the file has none or another version; FileNotFoundError.
    """
    text = read_member(path, SPEC_MEMBER)
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
