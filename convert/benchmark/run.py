"""What `convert.benchmark` measures: accuracy on every picture, latency in turns, agreement."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from convert.arguments import LATENCY_RUNS
from convert.benchmark.agreement import PictureMatch, match_all, summarise
from convert.benchmark.predict import find_all, use_accuracy_thresholds
from convert.benchmark.robustness import measure_robustness
from convert.variants import VARIANT_MEMBER, VARIANTS
from edge_runtime.detector.calibration_record import CALIBRATION_MEMBER
from edge_runtime.detector.detector import Detector
from edge_runtime.detector.latency import measure
from edge_runtime.detector.spec import read_member
from edge_runtime.system.machine import describe_machine
from train.data.dataset import Example, VocDataset, load_voc, read_image
from train.evaluation.coco import evaluate
from train.training.provenance import read_training

# Whose detections are matched, and which see changed pictures: the reference first.
COMPARED = ("float32", "int8")
LATENCY_FRAMES = 16  # enough different pictures
LATENCY_BYTES = 64e6  # few enough for a Pi's memory, where a photograph takes 36 MB


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a benchmark found out.

    Attributes:
        report: the numbers, ready for JSON; None where nothing was measured.
        matches: what COMPARED found in each picture, paired; None unless both were there.
    """

    report: dict
    matches: list[PictureMatch] | None


def run_benchmark(
    paths: Sequence[Path],
    data: Path,
    split: str = "test",
    threads: int | None = None,
    latency_runs: int = LATENCY_RUNS,
    limit: int | None = None,
    command: str = "",
    robustness: bool = False,
) -> Comparison:
    """Measure models on a split of a VOC folder.

    Accuracy counts guesses with the thresholds of `train.evaluation.coco`; latency is measured with
    the detector's default thresholds, as it will run. Where both of COMPARED are among the models,
    the report says how far their detections agree.

    Args:
        threads: of the interpreter; None for all cores.
        latency_runs: of each model; 0 to leave latency blank.
        limit: look at the first so many pictures only; None for all.
        robustness: COMPARED on changed pictures, too.

    Raises: ValueError, FileNotFoundError before the measuring starts, for a model or a split
        that does not fit; ImportError without an interpreter.
    """
    detectors = [Detector(path, threads) for path in paths]
    class_names = _common_class_names(detectors)
    dataset = load_voc(data, split, class_names)
    examples = dataset.examples[:limit]
    frames = _latency_frames(examples)
    models = [_describe_model(detector, frames[0]) for detector in detectors]
    places = _compared(models, needed=robustness)
    thresholds = {"latency": _thresholds(detectors[0])}
    if latency_runs:
        latencies = measure(detectors, frames, latency_runs, follow=_shown)
        for model, latency in zip(models, latencies, strict=True):
            model["latency_ms"] = latency
    use_accuracy_thresholds(detectors)
    thresholds["accuracy"] = _thresholds(detectors[0])
    found = find_all(detectors, examples)
    accuracies = [evaluate(examples, pictures, class_names) for pictures in found]
    for model, accuracy in zip(models, accuracies, strict=True):
        model.update(asdict(accuracy))
    report = {
        "command": command,
        "machine": describe_machine(),
        "data": _describe_data(dataset, examples),
        "thresholds": thresholds,
        "models": sorted(models, key=_rank),
    }
    report.update(_calibration(detectors, models))
    if not places:
        return Comparison(report, None)
    shown = thresholds["latency"]["score"]
    matches = match_all(examples, *(found[place] for place in places.values()), shown)
    report["agreement"] = summarise(matches, COMPARED, shown)
    if robustness:
        pair = {variant: detectors[place] for variant, place in places.items()}
        clean = {variant: accuracies[place] for variant, place in places.items()}
        report["robustness"] = measure_robustness(pair, examples, class_names, clean)
    return Comparison(report, matches)


def _shown(rounds: Iterable[int]) -> Iterable[int]:
    return tqdm(rounds, "latency", unit="round", leave=False, disable=None)


def _calibration(detectors: Sequence[Detector], models: Sequence[dict]) -> dict:
    """{"calibration": the record inside the int8 file}, or {} where there is none."""
    for detector, model in zip(detectors, models, strict=True):
        text = read_member(detector.path, CALIBRATION_MEMBER)
        if model["variant"] == COMPARED[1] and text is not None:
            return {"calibration": json.loads(text)}
    return {}


def _compared(models: Sequence[dict], needed: bool) -> dict[str, int]:
    """Where each of COMPARED stands in the list, the first of its kind; {} unless both do."""
    variants = [model["variant"] for model in models]
    if set(COMPARED) <= set(variants):
        return {variant: variants.index(variant) for variant in COMPARED}
    if needed:
        raise ValueError(
            f"models {' and '.join(COMPARED)} expected, to compare their robustness, got "
            f"{', '.join(model['file'] for model in models)}; name both or use --no-robustness"
        )
    return {}


def _latency_frames(examples: Sequence[Example]) -> list[np.ndarray]:
    """The first pictures, decoded: at least one, at most LATENCY_FRAMES, up to LATENCY_BYTES."""
    frames = [read_image(examples[0].image_path)]
    most = min(LATENCY_FRAMES, max(1, int(LATENCY_BYTES / frames[0].nbytes)))
    return frames + [read_image(example.image_path) for example in examples[1:most]]


def _describe_model(detector: Detector, frame: np.ndarray) -> dict:
    return {
        "variant": _variant(detector, frame),
        "file": detector.path.name,
        "input_hw": list(detector.spec.input_hw),
        "bytes": detector.path.stat().st_size,
        "threads": detector.num_threads,
        "latency_ms": None,
        "training": read_training(detector.path),
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
    names = list(VARIANTS)
    return names.index(model["variant"]) if model["variant"] in names else len(names)


def _describe_data(dataset: VocDataset, examples: Sequence[Example]) -> dict:
    return {
        "root": Path(dataset.root).resolve().name,
        "split": dataset.split,
        "images": len(examples),
        "boxes": sum(len(example.boxes) for example in examples),
        "difficult": sum(int(np.sum(example.difficult)) for example in examples),
    }
