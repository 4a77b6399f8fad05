"""Google's ai-edge-quantizer on the same float file, to compare our int8 with another's."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from convert.errors import hidden_output
from convert.progress import shown
from convert.tflite import INPUT_NAME, SIGNATURE
from convert.verify import read_model
from edge_runtime.detector.preprocess import pixel_range, preprocess
from edge_runtime.detector.spec import DetectorSpec


def int8(source: Path, target: Path, frames: Sequence[np.ndarray], spec: DetectorSpec) -> None:
    """Write `source`, a float .tflite file, with int8 weights and activations.

    Args:
        frames: (input_h, input_w, 3) uint8 each, which ranges are measured on.

    Raises: ConversionError; OSError.
    """
    _quantize("static_wi8_ai8", source, target, frames, spec)


def int16x8(source: Path, target: Path, frames: Sequence[np.ndarray], spec: DetectorSpec) -> None:
    """As `int8`, with int16 activations."""
    _quantize("static_wi8_ai16", source, target, frames, spec)


def _quantize(
    name: str, source: Path, target: Path, frames: Sequence[np.ndarray], spec: DetectorSpec
) -> None:
    pictures = [{INPUT_NAME: preprocess(frame, spec)} for frame in frames]
    with (
        shown(pictures, f"calibrating {name}") as samples,
        hidden_output(f"quantising by {name}"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # of calibrating with a slow interpreter
        from ai_edge_quantizer import quantizer, recipe

        work = quantizer.Quantizer(str(source), getattr(recipe, name)())
        ranges = work.calibrate({SIGNATURE: samples})
        # The range of the pictures' pixels would clip those of darker or brighter ones.
        low, high = pixel_range(spec)
        ranges[_input_name(source)] = {"min": _scalar(low), "max": _scalar(high)}
        target.write_bytes(work.quantize(ranges).quantized_model)


def _input_name(path: Path) -> str:
    graph = read_model(path).subgraphs[0]
    return graph.tensors[graph.inputs[0]].name.decode()


def _scalar(value: float) -> np.ndarray:
    """As the quantiser keeps it: of as many dimensions as the picture."""
    return np.full((1, 1, 1, 1), value, np.float32)
