"""The benchmark run: accuracy on every picture, latency in turns, agreement of float and int8."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from convert.arguments import LATENCY_RUNS
from convert.benchmark.agreement import PictureMatch, match_all, mean_score_error, summarize
from convert.benchmark.predict import find_all, use_accuracy_thresholds
from convert.benchmark.report import (
    BenchmarkReport,
    BenchmarkThresholds,
    DataSummary,
    Json,
    ModelRow,
    Percentiles,
    RobustnessRow,
    Thresholds,
)
from convert.benchmark.results_file import match_results, read_annotations, read_results
from convert.benchmark.robustness import measure_robustness
from convert.benchmark.setup import COMPARED, Setup, set_up
from convert.variants import VARIANTS
from edge_runtime.commands.bench import peak_memory
from edge_runtime.commands.detector_flags import model_options
from edge_runtime.detector.calibration_record import CALIBRATION_MEMBER
from edge_runtime.detector.detector import Detector
from edge_runtime.detector.latency import measure
from edge_runtime.detector.resize import PILLOW
from edge_runtime.detector.spec import read_member
from edge_runtime.system.machine import describe_machine
from train.data.dataset import DetectionDataset, Example
from train.evaluation.coco import Accuracy, PictureDetections, evaluate
from train.training.provenance import read_training


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a benchmark found out.

    Attributes:
        report: the numbers; None in it where nothing was measured.
        matches: what COMPARED found in each picture, paired; None unless both were there.
    """

    report: BenchmarkReport
    matches: list[PictureMatch] | None

    def with_training(self, record: Json | None) -> Comparison:
        """The same with the record of a training in its report."""
        extra = {**self.report.extra, "training": record}
        return replace(self, report=replace(self.report, extra=extra))


def run_benchmark(
    paths: Sequence[Path],
    data: Path,
    split: str = "test",
    threads: int | None = None,
    latency_runs: int = LATENCY_RUNS,
    limit: int | None = None,
    command: str = "",
    robustness: bool = False,
    family: str | None = None,
    labels: Path | None = None,
    results: Sequence[Path] = (),
    results_annotations: Path | None = None,
    resizer: str = PILLOW,
) -> Comparison:
    """Measure models on a split of a labeled folder.

    Models of other projects, or of other classes, are measured on the classes that the folder has,
    matched by name.

    Accuracy counts guesses with the thresholds of `train.evaluation.coco`; latency is measured with
    the detector's default thresholds, as it will run. Where both of COMPARED are among the models,
    the report says how far their detections agree.

    Args:
        threads: of the interpreter; None for all cores.
        latency_runs: of each model; 0 to leave latency blank.
        limit: look at the first so many pictures only; None for all. Those that cannot be decoded
            are left out with a DataWarning.
        robustness: COMPARED on changed pictures, too.
        family, labels: of the files of other projects, see `Detector`.
        results: COCO results of other detectors, a row each, see
            `convert.benchmark.results_file`; results_annotations: COCO file that their ids are of.
        resizer: of the detectors, see `Detector`.

    Raises: ValueError, FileNotFoundError before the measuring starts, for a model or a split
        that does not fit; ImportError without an interpreter.
    """
    detectors = [
        Detector(path, threads, resizer=resizer, **model_options(path, family, labels))
        for path in paths
    ]
    setup = set_up(detectors, data, split, limit, both=robustness)
    others = [_results_row(path, setup.dataset, results_annotations) for path in results]
    usual = _thresholds(detectors[0])
    measured = _measure(setup, latency_runs, usual.score)
    report = BenchmarkReport(
        command=command,
        machine=describe_machine(),
        data=_describe_data(setup.dataset),
        thresholds=BenchmarkThresholds(usual, _thresholds(detectors[0])),
        models=(*sorted(measured.models, key=_rank), *others),
        calibration=_calibration(detectors, setup.variants),
        extra={} if resizer == PILLOW else {"resizer": resizer},
    )
    matches = measured.matched[setup.places[COMPARED[1]]] if setup.places else None
    if matches is None:
        return Comparison(report, None)
    report = replace(report, agreement=summarize(matches, COMPARED, usual.score))
    if robustness:
        report = replace(report, robustness=_robustness(setup, measured.models))
    return Comparison(report, matches)


@dataclass(frozen=True, eq=False)
class _Measured:
    """Of each detector its row, and its detections matched with float32's or None."""

    models: list[ModelRow]
    matched: list[list[PictureMatch] | None]


def _measure(setup: Setup, latency_runs: int, score_threshold: float) -> _Measured:
    """Latency at the thresholds that the detectors have, then accuracy at its own.

    score_threshold: of detections that are matched.
    """
    detectors, dataset = setup.detectors, setup.dataset
    latencies = _latencies(detectors, setup.frames, latency_runs)
    use_accuracy_thresholds(detectors)
    found = find_all(detectors, dataset.examples, setup.class_places)
    accuracies = [evaluate(dataset.examples, each, dataset.class_names) for each in found]
    matched = _match_reference(setup.variants, dataset.examples, found, score_threshold)
    memories = _peak_memories(detectors, setup.frames[0], measured=latency_runs > 0)
    rows = map(_describe_model, detectors, setup.variants, accuracies, latencies, matched, memories)
    return _Measured(list(rows), matched)


def _robustness(setup: Setup, models: Sequence[ModelRow]) -> tuple[RobustnessRow, ...]:
    """COMPARED on changed pictures."""
    return measure_robustness(
        {variant: setup.detectors[place] for variant, place in setup.places.items()},
        setup.dataset.examples,
        setup.dataset.class_names,
        {variant: models[place].accuracy for variant, place in setup.places.items()},
        {variant: setup.class_places[place] for variant, place in setup.places.items()},
    )


def _match_reference(
    variants: Sequence[str | None],
    examples: Sequence[Example],
    found: Sequence[Sequence[PictureDetections]],
    score_threshold: float,
) -> list[list[PictureMatch] | None]:
    """Each model's detections matched with float32's; None for float32 itself or without it."""
    if COMPARED[0] not in variants:
        return [None] * len(variants)
    reference = variants.index(COMPARED[0])
    return [
        None
        if place == reference
        else match_all(examples, found[reference], pictures, score_threshold)
        for place, pictures in enumerate(found)
    ]


def _latencies(
    detectors: Sequence[Detector], frames: Sequence[np.ndarray], runs: int
) -> Sequence[dict[str, Percentiles] | None]:
    """Of each detector, by step; None for all without runs."""
    if not runs:
        return [None] * len(detectors)
    measured = measure(detectors, frames, runs, follow=_shown)
    return [{step: Percentiles(**times) for step, times in each.items()} for each in measured]


def _shown(rounds: Iterable[int]) -> Iterable[int]:
    return tqdm(rounds, "latency", unit="round", leave=False, disable=None)


def _calibration(detectors: Sequence[Detector], variants: Sequence[str | None]) -> Json | None:
    """The calibration record inside the int8 file; None where there is none."""
    for detector, variant in zip(detectors, variants, strict=True):
        text = read_member(detector.path, CALIBRATION_MEMBER)
        if variant == COMPARED[1] and text is not None:
            return json.loads(text)
    return None


def _describe_model(
    detector: Detector,
    variant: str | None,
    accuracy: Accuracy,
    latency: Mapping[str, Percentiles] | None,
    matches: Sequence[PictureMatch] | None,
    peak_memory: int | None,
) -> ModelRow:
    return ModelRow(
        variant=variant,
        file=detector.path.name,
        bytes=detector.path.stat().st_size,
        threads=detector.num_threads,
        latency_ms=latency,
        training=read_training(detector.path),
        accuracy=accuracy,
        input_hw=detector.input_hw,
        score_error=None if matches is None else mean_score_error(matches),
        peak_memory=peak_memory,
    )


def _peak_memories(
    detectors: Sequence[Detector], frame: np.ndarray, measured: bool
) -> list[int | None]:
    """Of each detector, in a process of its own that loads nothing else."""
    if not measured:
        return [None] * len(detectors)
    return [
        peak_memory(detector, frame.shape[:2])
        for detector in tqdm(detectors, "memory", unit="model", leave=False, disable=None)
    ]


def _results_row(path: Path, dataset: DetectionDataset, annotations: Path | None) -> ModelRow:
    """Accuracy of another detector's results, with the figures that it brings along."""
    results = read_results(path)
    ids = None if annotations is None else read_annotations(annotations)
    found = match_results(results, dataset.examples, dataset.class_names, ids)
    steps = {step: results.figures.get(f"{step}_ms") for step in ("inference", "end_to_end")}
    latency = {step: Percentiles(ms, None) for step, ms in steps.items() if ms is not None}
    size, memory = results.figures.get("size_mb"), results.figures.get("peak_memory_mb")
    return ModelRow(
        variant=None,
        file=path.name,
        bytes=None if size is None else round(1e6 * size),
        threads=None,
        latency_ms=latency or None,
        training=None,
        accuracy=evaluate(dataset.examples, found, dataset.class_names),
        peak_memory=None if memory is None else round(1e6 * memory),
        name=results.name,
    )


def _thresholds(detector: Detector) -> Thresholds:
    return Thresholds(detector.score_threshold, detector.iou_threshold, detector.max_detections)


def _rank(model: ModelRow) -> int:
    """The order of the table: float32 first, since the others are compared with it."""
    names = list(VARIANTS)
    return names.index(model.variant) if model.variant in names else len(names)


def _describe_data(dataset: DetectionDataset) -> DataSummary:
    examples = dataset.examples
    return DataSummary(
        root=Path(dataset.root).resolve().name,
        split=dataset.split,
        images=len(examples),
        boxes=sum(len(example.boxes) for example in examples),
        difficult=sum(int(np.sum(example.difficult)) for example in examples),
        fingerprint=dataset.fingerprint(),
    )
