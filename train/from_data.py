"""Settings from the data: what a recipe leaves open, chosen by the pictures and their objects."""

from __future__ import annotations

import math
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
from train.model.presets import PRESETS

# Augmented pictures of a training. Steps teach, not epochs: 60 epochs of 114 pictures are 6,800.
PICTURES_SEEN = 24_000
FEWEST_EPOCHS, MOST_EPOCHS = 12, 400
USUAL_BATCH = 8  # pictures: few of them need many steps
WARMUP_STEPS = 50  # at least, and an epoch: before, batch norm's statistics are another set's
VALIDATIONS = 25  # in a training: each costs a pass over the validation split
# An object that takes this much of its picture's side is large: a crop of 0.3 would cut it.
LARGE_SIDE = 0.35
LARGE = {"min_crop": 0.5, "max_zoom": 1.5}
SMALL = {"min_crop": USUAL_MIN_CROP, "max_zoom": USUAL_MAX_ZOOM}
# Pixels of the input that all but a few objects get: two to three cells of the finest map.
SMALLEST_SIDE, SMALLER = 20, 0.05
LARGEST_INPUT = 2048  # that --input-size takes
REACHED = 0.98  # share of boxes: the preset's anchors will do
GAIN = 0.01  # of that share, for which fitted anchors are worth being others than the preset's


@dataclass(frozen=True)
class Settled:
    """A recipe with nothing left open, and a line on each setting that the data decided."""

    config: TrainConfig
    reasons: tuple[str, ...]


def usual_epochs(pictures: int) -> int:
    """Passes over so many training pictures that show the net enough of them in all."""
    return int(np.clip(round(PICTURES_SEEN / pictures), FEWEST_EPOCHS, MOST_EPOCHS))


def settle(config: TrainConfig, training: DetectionDataset) -> Settled:
    """Fill in what a recipe leaves at 0: epochs, validations, how far crops and zooms go.

    Raises: ValueError where a given setting does not go with the chosen ones.
    """
    chosen: dict[str, Any] = {}
    reasons = []
    if not config.epochs:
        chosen["epochs"] = usual_epochs(len(training))
        seen = chosen["epochs"] * len(training)
        reasons.append(f"--epochs {chosen['epochs']}: {len(training)} pictures, {seen} seen in all")
    epochs = int(chosen.get("epochs", config.epochs))
    if not config.validate_every:
        chosen["validate_every"] = max(1, epochs // VALIDATIONS)
    if not config.batch_size:
        chosen["batch_size"] = min(USUAL_BATCH, len(training))
    if not config.warmup_epochs:
        steps = len(training) // int(chosen.get("batch_size", config.batch_size))
        chosen["warmup_epochs"] = min(max(1.0, WARMUP_STEPS / max(steps, 1)), epochs / 4)
    side = _input_side(config, training)
    if side:
        chosen["input_size"] = side
        small = _small_side(training)
        reasons.append(
            f"--input-size {side}: an object in twenty is smaller than {small:.1%} of a picture's "
            f"side, {small * side:.0f} pixels then"
        )
    open_sizes = [name for name in LARGE if not getattr(config, name)]
    if open_sizes:
        large = _typical_side(training)
        sizes = LARGE if large >= LARGE_SIDE else SMALL
        chosen |= {name: sizes[name] for name in open_sizes}
        flags = " ".join(f"--{name.replace('_', '-')} {sizes[name]:g}" for name in open_sizes)
        reasons.append(
            f"{flags}: the largest object takes {large:.0%} of a picture's side (median)"
        )
    return Settled(replace(config, **chosen), tuple(reasons))


def as_begun(config: TrainConfig, begun: Mapping[str, Any]) -> TrainConfig:
    """What a recipe leaves open as an interrupted training had it, whatever the data are now.

    Args:
        begun: the recipe in the state of that training; {} for a new one.
    """
    names = ("epochs", "validate_every", "batch_size", "warmup_epochs", "input_size", *LARGE)
    kept = {n: begun[n] for n in names if not getattr(config, n) and begun.get(n)}
    if config.epochs and config.epochs < kept.get("warmup_epochs", 0):
        del kept["warmup_epochs"]  # another recipe, which will be said; this is no reason to stop
    return replace(config, **kept)


def check_sizes(spec: DetectorSpec, training: DetectionDataset) -> None:
    """Raises: ValueError where every object is smaller than a cell of the finest map."""
    height, width = spec.input_hw
    cell = spec.levels[0].stride
    scale = np.array([width, height])
    sizes = [np.sqrt(((e.boxes[:, 2:] - e.boxes[:, :2]) * scale).prod(axis=1)) for e in training]
    largest = float(np.max(np.concatenate([*sizes, np.zeros(1)])))
    if not training.box_count or largest >= cell:
        return
    larger = math.ceil(width * 2 * cell / max(largest, 1e-6) / 64) * 64
    also = f", or try --input-size {larger}" if larger <= LARGEST_INPUT else ""
    raise ValueError(
        f"objects larger than a cell of the net's finest map, {cell} pixels, expected, got "
        f"{largest:.1f} pixels for the largest of {training.box_count} at the input size "
        f"{width}x{height}: no net of this kind finds them; cut the pictures into tiles or take "
        f"them from nearer{also}"
    )


def _input_side(config: TrainConfig, training: DetectionDataset) -> int:
    """The smallest of the preset's sides at which small objects are large enough; 0: no choice.

    A net that goes on learning has its size already.
    """
    sides = PRESETS[config.preset].sides
    if config.input_size or config.qat or not sides or not training.box_count:
        return 0
    wanted = SMALLEST_SIDE / _small_side(training)
    return next((side for side in sides if side >= wanted), sides[-1])


def _small_side(training: DetectionDataset) -> float:
    """Size that all but a few objects have at least, √area as a fraction of the picture's side."""
    sizes = [np.sqrt((e.boxes[:, 2:] - e.boxes[:, :2]).prod(axis=1)) for e in training]
    return max(float(np.quantile(np.concatenate(sizes), SMALLER)), 1e-6)


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
