"""Refusals: why a file is no detector that can be read, from what was found, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from edge_runtime.detector.adapters.foreign_file import ForeignFile
from edge_runtime.detector.adapters.output_roles import ROLES
from edge_runtime.detector.adapters.picture_input import INPUT_TYPES, picture_shape
from edge_runtime.detector.adapters.unread_outputs import unread_detector
from edge_runtime.detector.adapters.unread_yolos import (
    SUPPRESSED_YOLO,
    other_ultralytics,
    other_yolo,
    transposed_yolo,
)
from edge_runtime.detector.adapters.yolo import single_output, suppressed_yolo
from edge_runtime.detector.model_facts import ModelFacts, TensorFacts
from edge_runtime.detector.spec import SpecError

EDGE_TPU = "edgetpu-custom-op"
FLEX = "Flex"  # TensorFlow's own operators begin with it
SHOWN = 6  # tensors or operators in one message


def check_runnable(path: Path, facts: ModelFacts) -> None:
    """Refuse a file that no interpreter here can run, or that wants more than a picture.

    Raises: ValueError.
    """
    names = [operator.name for operator in facts.custom_operators]
    if EDGE_TPU in names:
        raise ValueError(
            f"{path}: compiled for the Edge TPU (operator {EDGE_TPU}), which this runtime does not "
            "use; take the file from before the compiler, without _edgetpu in its name"
        )
    flex = sorted({name for name in names if name.startswith(FLEX)})
    if flex:
        raise ValueError(
            f"{path}: needs operators of TensorFlow itself ({some(flex)}), which no interpreter "
            "for small boards has; convert it again with TFLITE_BUILTINS alone, a YOLOv5 "
            "without --nms and --agnostic-nms"
        )
    if len(facts.inputs) != 1:
        raise ValueError(
            f"{path}: one picture as the only input expected, found {some(facts.inputs)}; a model "
            "that is given its own state, or more than a picture, is not read: export the detector "
            "alone"
        )
    try:
        picture_shape(facts.inputs[0].shape)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if facts.inputs[0].dtype not in INPUT_TYPES:
        raise ValueError(
            f"{path}: an input of {', '.join(INPUT_TYPES)} expected, found {facts.inputs[0]}; "
            "export it again with one of them"
        )


def check_kind(file: ForeignFile) -> None:
    """Refuse a file whose metadata say that it is no detector, or one that no family reads.

    Raises: SpecError.
    """
    if other_ultralytics(file) is not None:
        raise refusal(file)


def refusal(file: ForeignFile) -> SpecError:
    """The error for a file that belongs to no family."""
    kind, cure = _kind(file)
    metadata = file.metadata.name or ("unnamed" if file.metadata.outputs else "none")
    if file.ultralytics is not None:
        metadata = f"of Ultralytics with {len(file.ultralytics.names)} class names"
    return SpecError(
        f"{file.path}: a detector of a known family expected, found {kind}: input "
        f"{file.facts.inputs[0]}, outputs {some(file.outputs)}, metadata {metadata}; {cure}"
    )


def _kind(file: ForeignFile) -> tuple[str, str]:
    """What it looks like, and what to do."""
    other = other_ultralytics(file)
    if other is not None:
        return other
    outputs = file.outputs
    names = {name for output in outputs for name in (output.name, output.alias)}
    if {"logits", "offsets"} <= names:
        return (
            "outputs as this project writes them, but a model with an embedded "
            "detector_spec.json expected, found none",
            "convert it again with `python -m convert`, or copy the file again",
        )
    if suppressed_yolo(file):
        return SUPPRESSED_YOLO
    if file.facts.post_process is not None:
        return (
            "TFLite_Detection_PostProcess, whose outputs went through other operators",
            "export it again with the four outputs of the operator as the file's own",
        )
    unread = unread_detector(outputs)
    if unread is not None:
        return transposed_yolo(file) or unread
    if any(_is_map(output, file.input_hw) for output in outputs):
        return (
            "maps of the picture (a model for segmentation, poses or depth, or a YOLO whose boxes "
            "are not decoded)",
            "export a detector with its boxes decoded",
        )
    return transposed_yolo(file) or other_yolo(file) or _other_kind(file)


def _other_kind(file: ForeignFile) -> tuple[str, str]:
    """The same of what is neither maps nor a YOLO, by the number of its outputs."""
    outputs = file.outputs
    if len(outputs) == 1 and sum(side > 1 for side in outputs[0].shape) <= 1:
        return "one row of scores (a classifier)", "export a model that finds boxes"
    if len(outputs) == 2 and any(output.shape[-1:] == (4,) for output in outputs):
        return (
            "boxes and scores without the anchors that they need",
            "export it again with TFLite_Detection_PostProcess inside, or with MediaPipe's "
            "DETECTOR_METADATA",
        )
    return (
        "another kind of model, or one whose outputs do not say what they are",
        "--as FAMILY reads it as one all the same"
        if single_output(file) is not None or len(outputs) == len(ROLES)
        else "export a model that finds boxes, of a family that docs/foreign_detectors.md lists",
    )


def _is_map(output: TensorFacts, input_hw: tuple[int, int]) -> bool:
    """True for an output with rows and columns of the picture, or two sides in its proportion."""
    shape, (height, width) = output.shape, input_hw
    if len(shape) >= 4 and min(shape[1:3]) > 1:
        return True
    sides = pairwise(shape[1:])
    return any(min(a, b) >= 8 and round(a * width / height) == b for a, b in sides)


def some(things: Iterable[object]) -> str:
    """The first few, and how many more."""
    listed = list(map(str, things))
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more
