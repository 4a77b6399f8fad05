"""Exported forms: a row a kind of file, and which of them each tool reads.

No interpreter and no flatbuffers here: a command's help and its mistakes need neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Form:
    """A kind of exported file.

    Attributes:
        name: ends the file's name, and is written into it.
        tensors: the outputs by the names that MediaPipe looks for in the metadata, in the order of
            the file's.
        labels: whether its readers want a label map beside it.
        gaps: whether the operator inside may run on several threads, see
            `convert.export.skipped_class`.
    """

    name: str
    tensors: tuple[str, ...]
    labels: bool
    gaps: bool = False


# The name is Coral's for such files.
POSTPROCESS = Form(
    "postprocess", ("location", "category", "score", "number of detections"), True, gaps=True
)
OPENCV = Form("opencv", POSTPROCESS.tensors, labels=False)
MEDIAPIPE = Form("mediapipe", ("location", "score"), labels=False)

READERS = {
    "frigate": (POSTPROCESS,),
    "pycoral": (POSTPROCESS,),
    "mediapipe": (MEDIAPIPE,),
    "opencv": (OPENCV,),
    "all": (POSTPROCESS, MEDIAPIPE, OPENCV),
}


@dataclass(frozen=True)
class Thresholds:
    """Of the postprocessing inside a four-output file; the defaults are those of `Detector`.

    Attributes:
        iou: of two boxes of a class, the worse is dropped if their IoU is above it.
        max_detections: K of the file's outputs.
        score: detections below it are not counted. Low, since readers have thresholds of their own;
            `make readers` shows what Frigate's 0.4 costs.
    """

    iou: float = 0.45
    max_detections: int = 100
    score: float = 0.01


DEFAULTS = Thresholds()


def targets(source: Path, forms: Sequence[Form], folder: Path) -> list[Path]:
    """The files that an export writes, in order: a model a form, and a label map."""
    paths = [folder / f"{source.stem}_{form.name}.tflite" for form in forms]
    if any(form.labels for form in forms):
        paths.append(folder / f"{source.stem}_labels.txt")
    return paths
