"""Settings from the data: what a recipe leaves open, chosen by the pictures and their objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edge_runtime.detector.spec import DetectorSpec
from train.anchors.coverage import ALL, reach_by_class
from train.anchors.kmeans import fit_spec
from train.config import TrainConfig
from train.data.augment import USUAL_MAX_ZOOM, USUAL_MIN_CROP
from train.data.dataset import DetectionDataset

# Augmented pictures of a training. Steps teach, not epochs: 60 epochs of 114 pictures are 6,800.
PICTURES_SEEN = 24_000
FEWEST_EPOCHS, MOST_EPOCHS = 12, 400
VALIDATIONS = 25  # in a training: each costs a pass over the validation split
# An object that takes this much of its picture's side is large: a crop of 0.3 would cut it.
LARGE_SIDE = 0.35
LARGE = {"min_crop": 0.5, "max_zoom": 1.5}
SMALL = {"min_crop": USUAL_MIN_CROP, "max_zoom": USUAL_MAX_ZOOM}
REACHED = 0.98  # share of boxes: the preset's anchors will do
GAIN = 0.01  # of that share, for which fitted anchors are worth being others than the preset's


@dataclass(frozen=True)
class Settled:
    """A recipe with nothing left open, and a line on each setting that the data decided."""

    config: TrainConfig
    reasons: tuple[str, ...]


def settle(config: TrainConfig, training: DetectionDataset) -> Settled:
    """Fill in what a recipe leaves at 0: epochs, validations, how far crops and zooms go.

    Raises: ValueError where a given setting does not go with the chosen ones.
    """
    chosen: dict[str, Any] = {}
    reasons = []
    if not config.epochs:
        chosen["epochs"] = _epochs(len(training))
        seen = chosen["epochs"] * len(training)
        reasons.append(f"--epochs {chosen['epochs']}: {len(training)} pictures, {seen} seen in all")
    epochs = int(chosen.get("epochs", config.epochs))
    if not config.validate_every:
        chosen["validate_every"] = max(1, epochs // VALIDATIONS)
    open_sizes = [name for name in LARGE if not getattr(config, name)]
    if open_sizes:
        side = _typical_side(training)
        sizes = LARGE if side >= LARGE_SIDE else SMALL
        chosen |= {name: sizes[name] for name in open_sizes}
        flags = " ".join(f"--{name.replace('_', '-')} {sizes[name]:g}" for name in open_sizes)
        reasons.append(f"{flags}: the largest object takes {side:.0%} of a picture's side (median)")
    return Settled(replace(config, **chosen), tuple(reasons))


def as_begun(config: TrainConfig, begun: Mapping[str, Any]) -> TrainConfig:
    """What a recipe leaves open as an interrupted training had it, whatever the data are now.

    Args:
        begun: the recipe in the state of that training; {} for a new one.
    """
    names = ("epochs", "validate_every", *LARGE)
    kept = {n: begun[n] for n in names if not getattr(config, n) and begun.get(n)}
    return replace(config, **kept)


def _epochs(pictures: int) -> int:
    return int(np.clip(round(PICTURES_SEEN / pictures), FEWEST_EPOCHS, MOST_EPOCHS))


def _typical_side(training: DetectionDataset) -> float:
    """Median over the pictures of their largest object's size, √area as a fraction; 0 to 1."""
    largest = [
        float(np.sqrt((e.boxes[:, 2:] - e.boxes[:, :2]).prod(axis=1)).max())
        for e in training
        if len(e.boxes)
    ]
    return float(np.median(largest)) if largest else 0.0


def fit_anchors(
    spec: DetectorSpec, training: DetectionDataset, seed: int
) -> tuple[DetectorSpec, tuple[str, ...]]:
    """The spec with anchors fitted to the boxes where its own miss some and others reach more.

    Returns: the spec, fitted or as it was, and a line on it if it was fitted.
    """
    before = _reached(training, spec)
    per_level = max(len(level) for level in spec.levels)
    if before >= REACHED or training.box_count < per_level * len(spec.levels):
        return spec, ()
    fitted = fit_spec(training, spec, per_level, seed)
    after = _reached(training, fitted)
    if after < before + GAIN:
        return spec, ()
    said = f"anchors fitted to the boxes: they reach {after:.1%} of them, the preset's {before:.1%}"
    return fitted, (said,)


def _reached(training: DetectionDataset, spec: DetectorSpec) -> float:
    return next(row.share for row in reach_by_class(training, spec) if row.name == ALL)
