"""Training and validation split, loaded and decoded; refused where no detector could come of it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import NamedTuple

from train.data.dataset import DataWarning, VocDataset, load_voc
from train.data.decoding import drop_undecodable

FEW_PICTURES = 50  # to learn from; with fewer a warning says what to expect
USUAL_SPLITS = ("train", "val", "test", "trainval")  # where the boxes of a class may be


class Splits(NamedTuple):
    """What a training learns from, and what it is measured on; None to measure nothing."""

    training: VocDataset
    validating: VocDataset | None


def load_splits(root: Path, train_split: str, val_split: str) -> Splits:
    """Both splits of a data folder, without pictures that cannot be decoded.

    Args:
        val_split: "none" to measure nothing.

    Raises: ValueError for splits that nothing, or not every class, could be learnt from or be
        measured on, see also `load_voc` and `drop_undecodable`.
    """
    training = load_voc(root, train_split)
    validating = None if val_split == "none" else load_voc(root, val_split)
    _check(training, validating)  # in seconds, before the decoding
    decoded = drop_undecodable(training)
    measured = validating and drop_undecodable(validating)
    if decoded is not training or measured is not validating:
        _check(decoded, measured)
    if len(decoded) < FEW_PICTURES:
        warnings.warn(
            f"split {train_split!r} has {len(decoded)} pictures to learn from: expect a detector "
            f"that knows these and misses much in others; label {FEW_PICTURES} at least, better "
            "some hundred",
            DataWarning,
            stacklevel=2,
        )
    return Splits(decoded, measured)


def _check(training: VocDataset, validating: VocDataset | None) -> None:
    _check_classes(training, validating)
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


def _check_classes(training: VocDataset, validating: VocDataset | None) -> None:
    """Raises: ValueError where a class, or all of them, cannot be learnt."""
    if not training.box_count:
        raise ValueError(
            f"boxes to learn from expected, got none in the {len(training)} pictures of split "
            f"{training.split!r}; label them, or give another --train-split"
        )
    missing = [name for name, count in training.class_counts().items() if not count]
    if not missing:
        return
    elsewhere = _counts_elsewhere(training, validating)
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
        "annotations and of labels.txt"
    )


def _counts_elsewhere(
    training: VocDataset, validating: VocDataset | None
) -> dict[str, dict[str, int]]:
    """Boxes of each class in the other splits, by split, as far as they can be read."""
    counts = {validating.split: validating.class_counts()} if validating else {}
    for split in USUAL_SPLITS:
        if split == training.split or split in counts:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DataWarning)
                other = load_voc(training.root, split, training.class_names)
        except (ValueError, OSError):
            continue  # there is no such split, or none that could help
        counts[split] = other.class_counts()
    return counts
