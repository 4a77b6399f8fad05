"""What `convert.benchmark` measures: accuracy on every picture, latency in turns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from convert.arguments import LATENCY_RUNS
from convert.latency import measure
from convert.variants import VARIANT_MEMBER, VARIANTS
from edge_runtime.detector import Detector
from edge_runtime.machine import describe_machine
from edge_runtime.spec import read_member
from train.data import Example, VocDataset, load_voc, read_image
from train.evaluate import (
    IOU_THRESHOLD,
    MAX_DETECTIONS,
    SCORE_THRESHOLD,
    PictureDetections,
    evaluate,
)

LATENCY_FRAMES = 16  # enough different pictures
LATENCY_BYTES = 64e6  # few enough for a Pi's memory, where a photograph takes 36 MB


def run_benchmark(
    paths: Sequence[Path],
    data: Path,
    split: str = "test",
    threads: int | None = None,
    latency_runs: int = LATENCY_RUNS,
    limit: int | None = None,
    command: str = "",
) -> dict:
    """Measure models on a split of a VOC folder.

    Accuracy counts guesses with the thresholds of `train.evaluate`; latency is measured with the
    detector's default thresholds, as it will run.

    Args:
        threads: of the interpreter; None for all cores.
        latency_runs: of each model; 0 to leave latency blank.
        limit: look at the first so many pictures only; None for all.

    Returns: the report, ready for JSON; None where nothing was measured.
    Raises: ValueError, FileNotFoundError before the measuring starts, for a model or a split
        that does not fit; ImportError without an interpreter.
    """
    detectors = [Detector(path, threads) for path in paths]
    class_names = _common_class_names(detectors)
    dataset = load_voc(data, split, class_names)
    examples = dataset.examples[:limit]
    thresholds = {"latency": _thresholds(detectors[0])}
    frames = _latency_frames(examples)
    models = [_describe_model(detector, frames[0]) for detector in detectors]
    if latency_runs:
        for model, latency in zip(models, measure(detectors, frames, latency_runs), strict=True):
            model["latency_ms"] = latency
    for model, found in zip(models, _detect_all(detectors, examples), strict=True):
        model.update(asdict(evaluate(examples, found, class_names)))
    thresholds["accuracy"] = _thresholds(detectors[0])  # now those of `_detect_all`
    return {
        "command": command,
        "machine": describe_machine(),
        "data": _describe_data(dataset, examples),
        "thresholds": thresholds,
        "models": sorted(models, key=_rank),
    }


def _latency_frames(examples: Sequence[Example]) -> list[np.ndarray]:
    """The first pictures, decoded: at least one, at most LATENCY_FRAMES, up to LATENCY_BYTES."""
    frames = [read_image(examples[0].image_path)]
    most = min(LATENCY_FRAMES, max(1, int(LATENCY_BYTES / frames[0].nbytes)))
    return frames + [read_image(example.image_path) for example in examples[1:most]]


def _describe_model(detector: Detector, frame: np.ndarray) -> dict:
    return {
        "variant": _variant(detector, frame),
        "file": detector.path.name,
        "bytes": detector.path.stat().st_size,
        "threads": detector.num_threads,
        "latency_ms": None,
    }


def _common_class_names(detectors: Sequence[Detector]) -> tuple[str, ...]:
    first = detectors[0]
    for other in detectors[1:]:
        if other.spec.class_names != first.spec.class_names:
            raise ValueError(
                "models of the same classes expected, got "
                f"{', '.join(first.spec.class_names)} in {first.path} and "
                f"{', '.join(other.spec.class_names)} in {other.path}; compare them in two runs"
            )
    return first.spec.class_names


def _thresholds(detector: Detector) -> dict[str, float]:
    return {
        "score": detector.score_threshold,
        "iou": detector.iou_threshold,
        "max_detections": detector.max_detections,
    }


def _detect_all(
    detectors: Sequence[Detector], examples: Iterable[Example]
) -> list[list[PictureDetections]]:
    """What each detector finds in each picture, boxes in [0, 1]; a picture is decoded once."""
    for detector in detectors:
        detector.score_threshold = SCORE_THRESHOLD
        detector.iou_threshold = IOU_THRESHOLD
        detector.max_detections = MAX_DETECTIONS
    found: list[list[PictureDetections]] = [[] for _ in detectors]
    for example in tqdm(examples, "accuracy", unit="picture", leave=False, disable=None):
        frame = read_image(example.image_path)
        height, width = frame.shape[:2]
        size = np.asarray([width, height, width, height], np.float32)
        for detector, pictures in zip(detectors, found, strict=True):
            seen = detector.detect(frame)
            pictures.append((seen.boxes / size, seen.scores, seen.class_ids))
    return found


def _variant(detector: Detector, frame: np.ndarray) -> str | None:
    """As written at conversion; of another's file what its input or its name says."""
    text = read_member(detector.path, VARIANT_MEMBER)
    if text is not None:
        return text.strip()
    if detector.preprocess(frame).dtype != np.float32:
        return "int8"
    return next((name for name in VARIANTS if detector.path.stem.endswith(name)), None)


def _rank(model: dict) -> int:
    """The order of the table: float32 first, since the others are compared with it."""
    known = model["variant"] in VARIANTS
    return VARIANTS.index(model["variant"]) if known else len(VARIANTS)


def _describe_data(dataset: VocDataset, examples: Sequence[Example]) -> dict:
    return {
        "root": Path(dataset.root).resolve().name,
        "split": dataset.split,
        "images": len(examples),
        "boxes": sum(len(example.boxes) for example in examples),
        "difficult": sum(int(np.sum(example.difficult)) for example in examples),
    }
