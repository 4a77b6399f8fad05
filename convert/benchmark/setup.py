"""Setup of a benchmark: models and pictures that go together, checked before the measuring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from convert.benchmark.class_names import are_of_one_training, match_classes
from convert.variants import EXPORT_MEMBER, VARIANT_MEMBER, VARIANTS
from edge_runtime.detector.detector import Detector
from edge_runtime.detector.spec import read_member
from train.data.dataset import DetectionDataset, Example, load_dataset, read_image
from train.data.decoding import drop_undecodable

# Whose detections are matched, and which see changed pictures: the reference first.
COMPARED = ("float32", "int8")
LATENCY_FRAMES = 16  # enough different pictures
LATENCY_BYTES = 64e6  # few enough for a Pi's memory, where a photograph takes 36 MB


@dataclass(frozen=True, eq=False)
class Setup:
    """What a benchmark measures, and on what.

    Attributes:
        variants: of the detectors; None of those of other projects.
        class_places: of each detector's classes among those of the data; None where they are the
            same.
        frames: decoded pictures for the latency.
        places: of COMPARED among the detectors; {} unless both are there.
    """

    detectors: Sequence[Detector]
    variants: Sequence[str | None]
    dataset: DetectionDataset
    class_places: Sequence[np.ndarray | None]
    frames: Sequence[np.ndarray]
    places: dict[str, int]


def set_up(
    detectors: Sequence[Detector], data: Path, split: str, limit: int | None, both: bool
) -> Setup:
    """Models beside the pictures of a split.

    Args:
        limit: look at the first so many pictures only; None for all.
        both: whether COMPARED must be there.

    Raises: ValueError, FileNotFoundError for a model or a split that does not fit.
    """
    own_names = detectors[0].class_names if are_of_one_training(detectors) else None
    dataset = _load(data, split, own_names, limit)
    class_places = _class_places(detectors, dataset.class_names)
    frames = _latency_frames(dataset.examples)
    variants = [_variant(detector, frames[0]) for detector in detectors]
    places = _compared(variants, [detector.path for detector in detectors], needed=both)
    return Setup(detectors, variants, dataset, class_places, frames, places)


def _load(
    data: Path, split: str, class_names: tuple[str, ...] | None, limit: int | None
) -> DetectionDataset:
    """The first pictures of a split, without those that would end the run half-way.

    class_names: of the detectors, where all are of one training; None for the folder's.
    """
    dataset = load_dataset(data, split, class_names)
    return drop_undecodable(replace(dataset, examples=dataset.examples[:limit]))


def _class_places(
    detectors: Sequence[Detector], class_names: Sequence[str]
) -> list[np.ndarray | None]:
    """Places of each detector's classes among those of the data; None where they are the same."""
    if are_of_one_training(detectors):
        return [None] * len(detectors)
    return [match_classes(detector, class_names) for detector in detectors]


def _compared(
    variants: Sequence[str | None], paths: Sequence[Path], needed: bool
) -> dict[str, int]:
    """Index of each of COMPARED in the list, the first of its kind; {} unless both are there."""
    if set(COMPARED) <= set(variants):
        return {variant: variants.index(variant) for variant in COMPARED}
    if needed:
        raise ValueError(
            f"models {' and '.join(COMPARED)} expected, to compare their robustness, got "
            f"{', '.join(path.name for path in paths)}; name both or use --no-robustness"
        )
    return {}


def _latency_frames(examples: Sequence[Example]) -> list[np.ndarray]:
    """The first pictures, decoded: at least one, at most LATENCY_FRAMES, up to LATENCY_BYTES."""
    frames = [read_image(examples[0].image_path)]
    most = min(LATENCY_FRAMES, max(1, int(LATENCY_BYTES / frames[0].nbytes)))
    return frames + [read_image(example.image_path) for example in examples[1:most]]


def _variant(detector: Detector, frame: np.ndarray) -> str | None:
    """As written at conversion; else what the input or the name says. None of another project.

    A file that was exported for other tools has its form behind it: int8_postprocess.
    """
    text = read_member(detector.path, VARIANT_MEMBER)
    if text is not None:
        form = read_member(detector.path, EXPORT_MEMBER)
        return text.strip() if form is None else f"{text.strip()}_{form.strip()}"
    if detector.spec is None:
        return None
    if detector.preprocess(frame).dtype != np.float32:
        return "int8"
    return next((name for name in VARIANTS if detector.path.stem.endswith(name)), None)
