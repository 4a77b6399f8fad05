"""Readiness of a data set: its splits, refused where no detector could come of them."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from train.data.dataset import DataWarning, DetectionDataset, LabeledData
from train.data.decoding import check_share, drop_undecodable
from train.data.splits.making import pictures

FEW_PICTURES = 50  # to learn from; with fewer a warning says what to expect
USUAL_SPLITS = ("train", "val", "test", "trainval")  # where the boxes of a class may be


class Splits(NamedTuple):
    """What a training learns from, and what it is measured on; None to measure nothing."""

    training: DetectionDataset
    validating: DetectionDataset | None


def load_ready(
    data: LabeledData,
    train_split: str = "train",
    val_split: str = "val",
    undecodable: Mapping[Path, str] | None = None,
) -> Splits:
    """The splits of a training, in seconds: pictures are not decoded.

    Args:
        val_split: "none" to measure nothing.
        undecodable: pictures known not to decode, and why; they are left out.

    Raises: ValueError for splits that nothing, or not every class, could be learnt from or be
        measured on, see also `LabeledData.load`.
    """
    training = _without(data.load(train_split), undecodable or {})
    validating = None if val_split == "none" else _without(data.load(val_split), undecodable or {})
    _check(data, training, validating)
    return Splits(training, validating)


def _without(dataset: DetectionDataset, undecodable: Mapping[Path, str]) -> DetectionDataset:
    """Raises: ValueError as `drop_undecodable`."""
    flaws = [undecodable[e.image_path] for e in dataset if e.image_path in undecodable]
    check_share(dataset, flaws)
    left = [example for example in dataset if example.image_path not in undecodable]
    return replace(dataset, examples=left)


def load_splits(data: LabeledData, train_split: str, val_split: str) -> Splits:
    """`load_ready` without the pictures that cannot be decoded.

    Raises: ValueError, see `load_ready` and `drop_undecodable`.
    """
    training, validating = load_ready(data, train_split, val_split)
    decoded = drop_undecodable(training)
    measured = validating and drop_undecodable(validating)
    if decoded is not training or measured is not validating:
        _check(data, decoded, measured)
    if len(decoded) < FEW_PICTURES:
        warnings.warn(
            f"split {train_split!r} has {pictures(len(decoded))} to learn from: expect a detector "
            f"that knows these and misses much in others; label {FEW_PICTURES} at least, better "
            "some hundred",
            DataWarning,
            stacklevel=2,
        )
    return Splits(decoded, measured)


def _check(
    data: LabeledData, training: DetectionDataset, validating: DetectionDataset | None
) -> None:
    _check_classes(data, training)
    if validating is None:
        return
    shared = {e.image_id for e in training} & {e.image_id for e in validating}
    if shared:
        raise ValueError(
            f"splits without a common picture expected, got {len(shared)} of "
            f"{validating.split!r} in {training.split!r} as well: an accuracy on pictures "
            "that were learnt means nothing; give another --val-split, or none"
        )
    if not any((~example.difficult).any() for example in validating):
        raise ValueError(
            f"a validation split with objects that are not difficult expected, got none in "
            f"{validating.split!r}: no epoch could be told from another; give another --val-split, "
            "or none"
        )


def _check_classes(data: LabeledData, training: DetectionDataset) -> None:
    """Raises: ValueError where a class, or all of them, cannot be learnt."""
    if not training.box_count:
        raise ValueError(
            f"boxes to learn from expected, got none in the {len(training)} pictures of split "
            f"{training.split!r}; label them, or give another --train-split"
        )
    single = [example.class_ids[example.single] for example in training]
    counts = np.bincount(np.concatenate(single), minlength=len(training.class_names))
    missing = [n for n, count in zip(training.class_names, counts, strict=True) if not count]
    if not missing:
        return
    elsewhere = _counts_elsewhere(data, training)
    found = "; ".join(
        f"{name} ({', '.join(f'{split} {count[name]}' for split, count in elsewhere.items())})"
        if elsewhere
        else name
        for name in missing
    )
    raise ValueError(
        f"boxes of every class expected in split {training.split!r}, got none to learn from of "
        f"{len(missing)} of {len(training.class_names)} classes, with their boxes in other splits: "
        f"{found}; move or add pictures of them to the split, or take the classes out of the "
        f"annotations{_and_of_list(data)}"
    )


def _and_of_list(data: LabeledData) -> str:
    classes = data.folder.classes
    return f" and of {classes.path}" if classes is not None else ""


def _counts_elsewhere(data: LabeledData, training: DetectionDataset) -> dict[str, Counter[str]]:
    """Boxes of each class in the other splits, by split."""
    counts: dict[str, Counter[str]] = {}
    for split in USUAL_SPLITS:
        if split == training.split or split not in data.splits:
            continue
        counts[split] = Counter()
        for image_id in data.splits[split]:
            item = data.folder.items.get(image_id)
            if item and item.annotation:
                counts[split].update(each.name for each in item.annotation.objects)
    return counts
