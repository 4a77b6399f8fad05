"""Likely causes of a low AP, found in a training's curves and in its data.

Thresholds and weights are rules of thumb: they say what is worth trying first, not what is proven.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from edge_runtime.detector.spec import DetectorSpec
from train.config import TrainConfig
from train.data.dataset import DetectionDataset
from train.data.splits.making import pictures
from train.data.targets import MATCH_IOU, best_anchor_iou
from train.evaluation.coco import MAX_DETECTIONS
from train.evaluation.contact_sheet import Tally
from train.from_data import usual_epochs
from train.model.presets import PRESETS

FEW_PICTURES = 300  # some hundred make a sturdy detector
HARDLY_ANY = 50  # pictures; with fewer nothing else matters much
SHORT = 0.4  # of the usual epochs: a training of fewer is most likely not done
FEW_BOXES = 50  # of a class, to learn from
SMALL = 16  # pixels of the input: two cells of the finest level, of stride 8
NAMED = 3  # classes in one sentence


class Cause(NamedTuple):
    """One cause.

    weight: rough share in [0, 1] that it has in what AP50 lacks. sentence: a figure and a cure.
    """

    weight: float
    sentence: str


@dataclass(frozen=True, eq=False)
class Evidence:
    """Curves and data of a training that has ended.

    Attributes:
        history: a row an epoch, at least one of them with a finite val_ap.
        pretrained: whether the backbone came with weights of ImageNet, its first blocks frozen.
        ap50_per_class: of the validation; empty where that was another run's.
        tally: of the validation; None where that was another run's.
        out_of_time: whether a --budget ended it before its last epoch.
    """

    history: Sequence[Mapping[str, float]]
    training: DetectionDataset
    validating: DetectionDataset
    spec: DetectorSpec
    config: TrainConfig
    pretrained: bool
    ap50_per_class: Mapping[str, float | None]
    tally: Tally | None = None
    out_of_time: bool = False

    @cached_property
    def measured(self) -> list[Mapping[str, float]]:
        """Rows of the epochs after which AP was measured."""
        return [row for row in self.history if math.isfinite(row["val_ap"])]

    @cached_property
    def comparable(self) -> Sequence[Mapping[str, float]]:
        """Rows whose losses count negatives as the last one's does: mining changes that."""
        mined = round(self.config.mining_from * self.config.epochs)
        return self.history[mined:] or self.history

    @cached_property
    def best(self) -> Mapping[str, float]:
        """Row of the model that is kept."""
        return max(self.measured, key=lambda row: row["val_ap"])

    @property
    def lacking(self) -> float:
        """What AP50 lacks, in (0, 1]."""
        return max(1 - self.best["val_ap50"], 1e-6)


def find_causes(evidence: Evidence) -> list[Cause]:
    """All causes that show, the likeliest first."""
    found = [cause for find in CAUSES if (cause := find(evidence))]
    return sorted(found, key=lambda cause: -cause.weight)


def too_short(evidence: Evidence) -> Cause | None:
    """Far fewer epochs than so many pictures want, as of a small --budget."""
    config, usual = evidence.config, usual_epochs(len(evidence.training))
    planned = config.epochs_trained
    if config.qat or config.stop_after or planned > SHORT * usual:
        return None
    many = "epochs" if planned > 1 else "epoch"
    return Cause(
        1 - planned / usual,
        f"only {planned} {many}, where some {usual} are usual with "
        f"{pictures(len(evidence.training))}: leave out --epochs, and give --budget more minutes, "
        "or leave it out as well",
    )


def out_of_time(evidence: Evidence) -> Cause | None:
    """The budget ended it before its last epoch, as on a machine that got other work."""
    ran, planned = len(evidence.history), evidence.config.epochs_trained
    if not evidence.out_of_time or ran >= planned:
        return None
    return Cause(
        1 - ran / planned,
        f"the budget ended it after {ran} of {planned} epochs, with the learning rate still high, "
        "since it was slower than at its start: give --budget more minutes",
    )


def still_rising(evidence: Evidence) -> Cause | None:
    """AP50 rose in the last quarter of its measurements."""
    values = [row["val_ap50"] for row in evidence.measured]
    quarter = max(1, len(values) // 4)
    if len(values) < 2 or too_short(evidence) or out_of_time(evidence):  # which say by how much
        return None
    before, now = (
        float(np.mean(part)) for part in (values[-2 * quarter : -quarter], values[-quarter:])
    )
    gain, config = now - before, evidence.config
    if gain < 0.02:
        return None
    cure = f"train longer (--epochs {2 * config.epochs})"
    if config.epochs_trained < config.epochs:
        cure = (
            f"go on with a next stage, this one stopped after {config.stop_after} of "
            f"{config.epochs} epochs"
        )
    return Cause(
        min(1.0, 4 * gain / evidence.lacking),  # in as many epochs again, at this pace
        f"AP50 was still rising at the end, from {before:.2f} to {now:.2f} over the last quarter: "
        f"{cure}",
    )


def overfitting(evidence: Evidence) -> Cause | None:
    """AP stopped rising in the first half, the training loss did not stop falling."""
    rows = evidence.measured
    half = len(rows) // 2
    if len(rows) < 4 or evidence.best["val_ap"] < 0.01:
        return None
    peak = max(rows[:half], key=lambda row: row["val_ap"])
    if max(row["val_ap"] for row in rows[half:]) > peak["val_ap"] + 0.005:
        return None
    rows_since = [row for row in evidence.comparable if row["epoch"] >= peak["epoch"]]
    begin, last = rows_since[0]["loss"], rows_since[-1]["loss"]
    fall = 1 - last / begin
    if fall < 0.15:
        return None
    return Cause(
        fall,
        f"AP has not risen since epoch {peak['epoch']:.0f} of {len(evidence.history)}, while the "
        f"training loss fell from {begin:.2f} to {last:.2f}: the net learns its pictures by "
        "heart; more epochs will not help, more and other pictures will",
    )


def underfitting(evidence: Evidence) -> Cause | None:
    """The training loss hardly fell, and the result is poor."""
    history, config = evidence.comparable, evidence.config
    first, last = history[0]["loss"], history[-1]["loss"]
    if len(history) < 3 or last < 0.7 * first or evidence.best["val_ap50"] >= 0.5 or config.qat:
        return None
    if too_short(evidence):  # then that is why
        return None
    cure = f"try a --learning-rate above and below {config.learning_rate:g}"
    if evidence.pretrained and config.frozen_blocks:
        cure += f", and fewer --frozen-blocks than {config.frozen_blocks}"
    return Cause(
        min(1.0, last / first),
        f"the training loss hardly fell, from {first:.2f} to {last:.2f} in {len(history)} epochs: "
        f"{cure}",
    )


def few_pictures(evidence: Evidence) -> Cause | None:
    """Fewer than FEW_PICTURES pictures to learn from."""
    count = len(evidence.training)
    if count >= FEW_PICTURES:
        return None
    return Cause(
        max(0.5 * (1 - count / FEW_PICTURES), 1 - count / HARDLY_ANY),
        f"only {pictures(count)} to learn from: label more, {FEW_PICTURES} at least",
    )


def rare_classes(evidence: Evidence) -> Cause | None:
    """Classes with few boxes to learn from, unless they are found all the same."""
    accuracy = evidence.ap50_per_class
    counts = {
        name: count
        for name, count in evidence.training.class_counts().items()
        if count < FEW_BOXES and (accuracy.get(name) or 0.0) < 0.75
    }
    if not counts:
        return None
    rare = sorted(counts, key=lambda name: counts[name])
    named = listed([f"{n} ({counts[n]}{_accuracy_of(accuracy, n)})" for n in rare])
    scarce = 1 - sum(counts.values()) / len(counts) / FEW_BOXES
    return Cause(
        scarce * _share_of_lack(evidence, rare),
        f"fewer than {FEW_BOXES} boxes to learn from: {named}; label more of them",
    )


def weak_classes(evidence: Evidence) -> Cause | None:
    """Classes far behind the others although they have boxes enough."""
    learnt, seen = evidence.training.class_counts(), evidence.validating.class_counts()
    accuracy = {name: ap for name, ap in evidence.ap50_per_class.items() if ap is not None}
    weak = {}
    for name, value in accuracy.items():
        others = [ap for other, ap in accuracy.items() if other != name]
        enough = learnt[name] >= FEW_BOXES and seen[name] >= 5  # else its AP is chance
        if others and enough and value < np.mean(others) - 0.25:
            weak[name] = value
    if not weak:
        return None
    names = sorted(weak, key=lambda name: weak[name])
    named = listed([f"{name} {weak[name]:.2f}" for name in names])
    rest = np.mean([ap for name, ap in accuracy.items() if name not in weak])
    return Cause(
        _share_of_lack(evidence, names),
        f"AP50 is far below that of other classes ({rest:.2f}) for {named}: "
        "confused with another class, or not labelled everywhere; look at the validation pictures "
        "beside the model",
    )


def small_boxes(evidence: Evidence) -> Cause | None:
    """Boxes too small for the input size."""
    sides = _sides(_boxes(evidence.training), evidence.spec)
    share = float((sides < SMALL).mean()) if len(sides) else 0.0
    if share < 0.15:
        return None
    height, width = evidence.spec.input_hw
    # So large that all but 15 % are large enough, in steps of 32, but no more than twice as large.
    factor = min(2.0, SMALL / float(np.quantile(sides, 0.15)))
    larger = math.ceil(max(height, width) * factor / 32) * 32
    return Cause(
        share,
        f"{share:.0%} of the boxes are smaller than {SMALL} px at the input size {width}x{height}: "
        f"{_where(evidence)}raise --input-size, to {larger} for example",
    )


def unreached_boxes(evidence: Evidence) -> Cause | None:
    """Boxes that are large enough, but of a shape or size that no anchor has."""
    boxes = _boxes(evidence.training)
    boxes = boxes[_sides(boxes, evidence.spec) >= SMALL]
    if not len(boxes):
        return None
    share = float((best_anchor_iou(boxes, evidence.spec) < MATCH_IOU).mean())
    if share < 0.2:
        return None
    return Cause(
        share,
        f"{share:.0%} of the boxes of {SMALL} px and more have no anchor with IoU {MATCH_IOU}: "
        f"{_where(evidence)}{anchors_cure(evidence.spec, evidence.config)}",
    )


def crowds(evidence: Evidence) -> Cause | None:
    """More objects in a picture than detections of it are measured."""
    counts = np.array([int((~np.asarray(e.difficult, bool)).sum()) for e in evidence.validating])
    beyond = float(np.maximum(counts - MAX_DETECTIONS, 0).sum() / max(counts.sum(), 1))
    if beyond < 0.05:
        return None
    return Cause(
        min(1.0, beyond / evidence.lacking),
        f"{beyond:.0%} of the objects are beyond the {MAX_DETECTIONS} that are measured in a "
        f"picture, one has {counts.max()}: cut the pictures into tiles",
    )


def other_sizes(evidence: Evidence) -> Cause | None:
    """Objects of the validation split are of another size than those learnt from."""
    splits = (evidence.training, evidence.validating)
    sides = [_sides(_boxes(split), evidence.spec) for split in splits]
    if min(map(len, sides)) < 10:
        return None
    learnt, seen = (float(np.median(each)) for each in sides)
    ratio = max(learnt, seen) / min(learnt, seen)
    if ratio < 1.5:
        return None
    return Cause(
        0.5 * (1 - 1 / ratio),
        f"boxes of {splits[1].split!r} are {seen:.0f} px large (median), those of "
        f"{splits[0].split!r} {learnt:.0f} px: both splits should show the same scenes; mix them",
    )


CAUSES: tuple[Callable[[Evidence], Cause | None], ...] = (
    too_short,
    out_of_time,
    still_rising,
    overfitting,
    underfitting,
    few_pictures,
    rare_classes,
    weak_classes,
    small_boxes,
    unreached_boxes,
    crowds,
    other_sizes,
)


def _where(evidence: Evidence) -> str:
    """Before the cure for a net's shape, which quantisation-aware training does not change."""
    return "in the float training, " if evidence.config.qat else ""


def _boxes(dataset: DetectionDataset) -> np.ndarray:
    """(M, 4) xyxy in [0, 1] without the difficult ones, which count neither way."""
    boxes = [example.boxes[~np.asarray(example.difficult, bool)] for example in dataset]
    return np.concatenate([np.zeros((0, 4), np.float32), *boxes])


def _sides(boxes: np.ndarray, spec: DetectorSpec) -> np.ndarray:
    """(M,) square roots of the areas, in pixels of the input."""
    height, width = spec.input_hw
    return np.sqrt((boxes[:, 2] - boxes[:, 0]) * width * (boxes[:, 3] - boxes[:, 1]) * height)


def _share_of_lack(evidence: Evidence, names: Sequence[str]) -> float:
    """Share that some classes have in what the mean AP50 lacks; their number's where unknown."""
    lacks = {name: 1 - ap for name, ap in evidence.ap50_per_class.items() if ap is not None}
    if not lacks:
        return len(names) / evidence.spec.num_classes
    total = sum(lacks.values())
    return sum(lacks.get(name, 0.0) for name in names) / total if total else 0.0


def _accuracy_of(accuracy: Mapping[str, float | None], name: str) -> str:
    value = accuracy.get(name)
    return "" if value is None else f", AP50 {value:.2f}"


def anchors_cure(spec: DetectorSpec, config: TrainConfig) -> str:
    """What helps boxes that no anchor reaches."""
    if not config.anchors and spec.levels != PRESETS[config.preset].levels:
        return "raise --input-size, since anchors fitted to the boxes reach no more"
    return "raise --input-size, or give --anchors a file of python -m train.anchors, fitted to them"


def listed(items: Sequence[str]) -> str:
    """The first few of them, and how many more there are."""
    more = f" and {len(items) - NAMED} more" if len(items) > NAMED else ""
    return ", ".join(items[:NAMED]) + more
