"""The benchmark's report: report.json as dataclasses.

Accuracy is average precision in [0, 1], None where there is no ground truth; `to_json` and
`from_json` keep the file's keys, those that they do not know included.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from edge_runtime.detector.resize import PILLOW
from train.evaluation.coco import Accuracy

Json = dict[str, Any]

ACCURACY_KEYS = tuple(each.name for each in fields(Accuracy))


@dataclass(frozen=True)
class Thresholds:
    """Of a detector: score and IoU in [0, 1]."""

    score: float
    iou: float
    max_detections: int


@dataclass(frozen=True)
class BenchmarkThresholds:
    """Those in use while latency and while accuracy was measured."""

    latency: Thresholds
    accuracy: Thresholds

    @classmethod
    def from_json(cls, content: Json) -> BenchmarkThresholds:
        return cls(Thresholds(**content["latency"]), Thresholds(**content["accuracy"]))


@dataclass(frozen=True)
class DataSummary:
    """The measured part of a split.

    Attributes:
        root: name of the data set's folder.
        images, boxes: counted; `difficult` boxes are among them.
        fingerprint: see `DetectionDataset.fingerprint`; None in early reports.
    """

    root: str
    split: str
    images: int
    boxes: int
    difficult: int
    fingerprint: str | None = None


@dataclass(frozen=True)
class Percentiles:
    """Milliseconds; p90 is None where another's results tell one figure only."""

    median: float
    p90: float | None


@dataclass(frozen=True)
class ModelRow:
    """One file of the benchmark.

    Attributes:
        variant: a name of `convert.variants`; None where the file does not say it.
        file: name of the file, of a model or of another detector's results.
        bytes: size of the model; None where results do not tell it.
        threads: of the interpreter; None for results.
        latency_ms: by step, see `edge_runtime.detector.latency`; None where it was not measured.
        training: the record of the training inside the file, if there is one.
        input_hw: None in reports of earlier versions.
        score_error: mean |score - float32's| of the detections that both show, in [0, 1]; of
            float32 itself, or without it, None.
        peak_memory: most bytes resident in a process with this detector alone; None where it was
            not measured.
        name: of another detector, by its results.
        extra: other keys of the row.
    """

    variant: str | None
    file: str
    bytes: int | None
    threads: int | None
    latency_ms: Mapping[str, Percentiles] | None
    training: Json | None
    accuracy: Accuracy
    input_hw: tuple[int, int] | None = None
    score_error: float | None = None
    peak_memory: int | None = None
    name: str | None = None
    extra: Json = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The variant, else the name of the detector or of the file."""
        return self.variant or self.name or self.file

    @property
    def megabytes(self) -> float | None:
        """Size in 10⁶ bytes."""
        return None if self.bytes is None else self.bytes / 1e6

    def median_ms(self, step: str) -> float | None:
        """Median latency of a step, if it was measured."""
        found = (self.latency_ms or {}).get(step)
        return None if found is None else found.median

    def p90_ms(self, step: str) -> float | None:
        """90th percentile of a step's latency, if it was measured."""
        found = (self.latency_ms or {}).get(step)
        return None if found is None else found.p90

    def to_json(self) -> Json:
        times = self.latency_ms
        return {
            "variant": self.variant,
            "file": self.file,
            **({} if self.input_hw is None else {"input_hw": list(self.input_hw)}),
            "bytes": self.bytes,
            "threads": self.threads,
            "latency_ms": None if times is None else {step: asdict(times[step]) for step in times},
            "training": self.training,
            **asdict(self.accuracy),
            **{
                key: value
                for key in ("score_error", "peak_memory", "name")
                if (value := getattr(self, key)) is not None
            },
            **self.extra,
        }

    @classmethod
    def from_json(cls, content: Json) -> ModelRow:
        """Raises: KeyError for a key that every report has."""
        size = content.get("input_hw")
        known = {each.name for each in fields(cls)} - {"accuracy", "extra"}
        return cls(
            variant=content["variant"],
            file=content["file"],
            bytes=content["bytes"],
            threads=content["threads"],
            latency_ms=_latency(content["latency_ms"]),
            training=content["training"],
            accuracy=Accuracy(**{key: content[key] for key in ACCURACY_KEYS}),
            input_hw=None if size is None else (size[0], size[1]),
            score_error=content.get("score_error"),
            peak_memory=content.get("peak_memory"),
            name=content.get("name"),
            extra=_without(content, {*known, *ACCURACY_KEYS}),
        )


@dataclass(frozen=True)
class ScoreDifference:
    """Of the scores of matched detections, second - first: mean, and that of absolute values."""

    mean: float
    mean_abs: float
    p95_abs: float
    max_abs: float


@dataclass(frozen=True)
class BoxOverlap:
    """IoU of matched boxes, in [0, 1]: mean, 5th percentile, smallest."""

    mean: float
    p5: float
    min: float


@dataclass(frozen=True)
class PictureDifference:
    """How much two models differ in a picture, see `PictureMatch.difference`."""

    image_id: str
    difference: float


@dataclass(frozen=True)
class Agreement:
    """How far the detections of two models agree.

    Attributes:
        variants: of the two, the reference first.
        score_threshold: a detection is shown if its score >= it.
        match_iou: a pair overlaps by that at least.
        both: pairs that both models show.
        only: by variant, shown by it and not by the other.
        alone: of those, the ones for which the other has no guess at all, however low.
        score_difference, iou: of pairs with two members; None where there are none.
        pictures: the most different first.
    """

    variants: tuple[str, str]
    score_threshold: float
    match_iou: float
    both: int
    only: Mapping[str, int]
    alone: Mapping[str, int]
    score_difference: ScoreDifference | None
    iou: BoxOverlap | None
    pictures: tuple[PictureDifference, ...]

    @classmethod
    def from_json(cls, content: Json) -> Agreement:
        first, second = content["variants"]
        scores, overlap = content["score_difference"], content["iou"]
        nested = {
            "variants": (first, second),
            "score_difference": scores and ScoreDifference(**scores),
            "iou": overlap and BoxOverlap(**overlap),
            "pictures": tuple(PictureDifference(**each) for each in content["pictures"]),
        }
        return cls(**{**content, **nested})


@dataclass(frozen=True)
class ApPair:
    """AP and AP50, or a difference of them."""

    ap: float | None
    ap50: float | None

    def minus(self, other: ApPair) -> ApPair:
        """None where either has None."""
        return ApPair(minus(self.ap, other.ap), minus(self.ap50, other.ap50))


@dataclass(frozen=True)
class RobustnessRow:
    """Two models on pictures under one condition.

    Attributes:
        models: by variant, the reference first.
        difference: second - first.
        against_clean: the difference - that on clean pictures.
        passes: whether the second loses hardly more than on clean pictures; None without ground
            truth.
    """

    condition: str
    models: Mapping[str, ApPair]
    difference: ApPair
    against_clean: ApPair
    passes: bool | None

    @classmethod
    def from_json(cls, content: Json) -> RobustnessRow:
        return cls(
            content["condition"],
            {variant: ApPair(**pair) for variant, pair in content["models"].items()},
            ApPair(**content["difference"]),
            ApPair(**content["against_clean"]),
            content["passes"],
        )


@dataclass(frozen=True)
class BenchmarkReport:
    """report.json.

    Attributes:
        command: as typed.
        machine: of `edge_runtime.system.machine.describe_machine`.
        models: in the order of the table.
        calibration: the record inside the int8 file, if there is one.
        agreement, robustness: None where they were not measured.
        extra: other keys, such as "training" (by `python -m convert`), "seeds", or a "resizer" that
            is not the usual one.
    """

    command: str
    machine: dict[str, str | int | None]
    data: DataSummary
    thresholds: BenchmarkThresholds
    models: tuple[ModelRow, ...]
    calibration: Json | None = None
    agreement: Agreement | None = None
    robustness: tuple[RobustnessRow, ...] | None = None
    extra: Json = field(default_factory=dict)

    @property
    def training(self) -> Json | None:
        """The record of the training of the converted model, if there is one."""
        return self.extra.get("training")

    @property
    def resizer(self) -> str:
        """What brought pictures to the network's size, see `Detector`."""
        return str(self.extra.get("resizer", PILLOW))

    def model(self, variant: str) -> ModelRow | None:
        """The first row of a variant."""
        return next((model for model in self.models if model.variant == variant), None)

    def to_json(self) -> Json:
        measured = {
            "calibration": self.calibration,
            "agreement": None if self.agreement is None else asdict(self.agreement),
            "robustness": None if self.robustness is None else [asdict(r) for r in self.robustness],
        }
        return {
            "command": self.command,
            "machine": self.machine,
            "data": {key: each for key, each in asdict(self.data).items() if each is not None},
            "thresholds": asdict(self.thresholds),
            "models": [model.to_json() for model in self.models],
            **{key: value for key, value in measured.items() if value is not None},
            **self.extra,
        }

    @classmethod
    def from_json(cls, content: Json) -> BenchmarkReport:
        """Raises: KeyError, TypeError for another JSON object."""
        agreement, robustness = content.get("agreement"), content.get("robustness")
        return cls(
            command=content["command"],
            machine=content["machine"],
            data=DataSummary(**content["data"]),
            thresholds=BenchmarkThresholds.from_json(content["thresholds"]),
            models=tuple(ModelRow.from_json(model) for model in content["models"]),
            calibration=content.get("calibration"),
            agreement=agreement and Agreement.from_json(agreement),
            robustness=robustness and tuple(map(RobustnessRow.from_json, robustness)),
            extra=_without(content, {each.name for each in fields(cls)}),
        )


def read_report(path: str | Path) -> BenchmarkReport:
    """A report that `convert.benchmark` wrote. Raises: ValueError if it is none; OSError."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"no report at {path}; write it by `python -m convert.benchmark`"
        ) from error
    except ValueError as error:
        raise ValueError(f"{path}: a report of convert expected, got {error}") from error
    if not isinstance(content, dict) or not {"models", "data", "command"} <= set(content):
        raise ValueError(f"{path}: a report of convert expected, got another JSON file")
    try:
        return BenchmarkReport.from_json(content)
    except KeyError as error:
        raise ValueError(
            f"{path}: a report of convert.benchmark expected, it lacks {error}; measure again"
        ) from error
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: a report of convert.benchmark expected ({error}); measure again"
        ) from error


def minus(ap: float | None, reference: float | None) -> float | None:
    """The difference of two accuracies, None where either is."""
    return None if ap is None or reference is None else ap - reference


def _latency(content: Json | None) -> dict[str, Percentiles] | None:
    return None if content is None else {s: Percentiles(**times) for s, times in content.items()}


def _without(content: Json, keys: set[str]) -> Json:
    return {key: value for key, value in content.items() if key not in keys}
