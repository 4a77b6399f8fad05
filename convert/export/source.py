"""The file to export: one of ours, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from convert.variants import EXPORT_MEMBER
from convert.verify import read_model
from edge_runtime.detector.anchors import make_anchors
from edge_runtime.detector.checksums import CHECKSUMS_MEMBER
from edge_runtime.detector.model_file import ModelFile, read_model_file
from edge_runtime.detector.preprocess import pixel_table
from edge_runtime.detector.spec import (
    LABELS_MEMBER,
    SPEC_MEMBER,
    DetectorSpec,
    SpecError,
    parse_spec,
)

_TYPES = {number: name for name, number in vars(schema.TensorType).items() if name.isupper()}
_RUNS = ("INT8", "FLOAT32")  # what the added operators take


@dataclass(frozen=True, eq=False)
class Source:
    """A .tflite file of `python -m convert`.

    Attributes:
        members: text members beside spec and labels: calibration, training, variant.
    """

    path: Path
    spec: DetectorSpec
    members: dict[str, str]

    def read(self) -> schema.ModelT:
        """The flatbuffer, fresh: an export changes it."""
        return read_model(self.path)


def open_source(path: str | Path) -> Source:
    """Read and check a file.

    Raises: FileNotFoundError; ValueError for a file that is not ours, is exported already, or has
        tensors that an export cannot stand on, saying what was found, expected and helps.
    """
    path = Path(path)
    file = read_model_file(path)
    text = file.text(SPEC_MEMBER)
    if text is None:
        raise SpecError(
            f"{path}: a file of `python -m convert` expected, whose {SPEC_MEMBER} says how its "
            "outputs are decoded, found none inside: another tool's file, or a truncated copy; "
            "convert or copy it again"
        )
    spec = parse_spec(path, text)
    members = _members(file)
    if EXPORT_MEMBER in members:
        raise ValueError(
            f"{path}: a file of `python -m convert` expected, found one that is exported already "
            f"({members[EXPORT_MEMBER].strip()}); export the file that it was made of"
        )
    source = Source(path, spec, members)
    _check(source)
    return source


def _members(file: ModelFile) -> dict[str, str]:
    """Those that an export takes along; its checksums are its own."""
    names = set(file.members.contents) - {SPEC_MEMBER, LABELS_MEMBER, CHECKSUMS_MEMBER}
    return {name: file.text(name) or "" for name in sorted(names)}


def _check(source: Source) -> None:
    """Raises: ValueError unless input and outputs are those of the spec, in int8 or float."""
    model, spec, path = source.read(), source.spec, source.path
    if spec.score_tensor != "softmax_logits":
        raise ValueError(
            f"{path}: a score_tensor of 'softmax_logits' expected in its spec, found "
            f"{spec.score_tensor!r}, which other tools' files cannot hold; export a detector with "
            "one softmax over its classes"
        )
    signatures = model.signatureDefs or []
    if len(model.subgraphs) != 1 or len(signatures) != 1 or len(signatures[0].inputs) != 1:
        raise ValueError(
            f"{path}: one graph with one signature and one input expected, found "
            f"{len(model.subgraphs)} with {len(signatures)}; convert again with `python -m convert`"
        )
    tensors = model.subgraphs[0].tensors
    found = {entry.name.decode(): tensors[entry.tensorIndex] for entry in signatures[0].outputs}
    if set(found) != {"logits", "offsets"}:
        raise ValueError(
            f"{path}: the outputs logits and offsets expected, found {sorted(found)}; "
            "export a file as `python -m convert` writes it"
        )
    found["input"] = tensors[signatures[0].inputs[0].tensorIndex]
    _check_tensors(source, found)
    _check_input(source, found["input"])


def _check_tensors(source: Source, found: Mapping[str, schema.TensorT]) -> None:
    """Raises: ValueError unless shapes are the spec's, and types int8 or float."""
    spec, path = source.spec, source.path
    rows = len(make_anchors(spec))
    wanted: dict[str, tuple[int, ...]] = {
        "input": (1, *spec.input_hw, 3),
        "logits": (1, rows, spec.num_classes + 1),
        "offsets": (1, rows, 4),
    }
    for name, shape in wanted.items():
        got, kind = tuple(map(int, found[name].shape)), _TYPES.get(found[name].type)
        if got != shape:
            raise ValueError(
                f"{path}: by its spec {name} of shape {shape} expected, found {got}; "
                "spec and network are not of one model: convert again"
            )
        if kind not in _RUNS:
            raise ValueError(
                f"{path}: {name} of type {' or '.join(_RUNS)} expected, found {kind}, which the "
                "readers' operators do not take; export the int8 or a float file of this detector"
            )


def _check_input(source: Source, tensor: schema.TensorT) -> None:
    """Raises: ValueError unless uint8 pixels can become the net's input without a rounding."""
    spec, cure = source.spec, "train with the default pixel_mean 128 and pixel_scale 1/128"
    if _TYPES[tensor.type] == "FLOAT32":
        if spec.pixel_mean not in range(256):
            raise ValueError(
                f"{source.path}: a whole pixel_mean from 0 to 255 expected in its spec, found "
                f"{spec.pixel_mean}: no uint8 input stands for these pixels exactly; {cure}"
            )
        return
    stored = tensor.quantization
    quantization = (float(stored.scale[0]), int(stored.zeroPoint[0]))
    table = pixel_table(spec, np.int8, quantization).astype(np.int64)
    if not np.array_equal(table, np.arange(256) - 128):
        raise ValueError(
            f"{source.path}: an int8 input that is pixel - 128 expected, found scale "
            f"{quantization[0]:.6g} and zero point {quantization[1]} for a pixel_mean of "
            f"{spec.pixel_mean} and a pixel_scale of {spec.pixel_scale:.6g}; {cure}, or export a "
            "float file of this detector"
        )
