"""Calibration data: the pictures that int8 ranges are measured on, as the device sees them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from convert.arguments import MIN_IMAGES
from edge_runtime.detector.calibration_record import CalibrationRecord
from edge_runtime.detector.resize import resize
from edge_runtime.detector.spec import DetectorSpec
from train.data.dataset import DataWarning, DetectionDataset, Example, read_image
from train.data.decoding import drop_undecodable

# Of each class at least these, as far as the split has them, before chance decides: a rare class
# must not be left to chance, and one picture of it shows one size and one light.
IMAGES_PER_CLASS = 5


def draw(dataset: DetectionDataset, count: int, seed: int) -> list[Example]:
    """As `choose`, of pictures that can be decoded; what cannot is named by a DataWarning.

    Only what is drawn is decoded: a split may have far more.

    Raises: as `choose` and `drop_undecodable`.
    """
    while True:
        drawn = replace(dataset, examples=choose(dataset, count, seed))
        decoded = drop_undecodable(drawn, most_bad=1)  # another is drawn for each
        if len(decoded) == len(drawn):
            _warn_of_gaps(dataset, drawn.examples, count)
            return drawn.examples
        bad = {e.image_id for e in drawn} - {e.image_id for e in decoded}
        dataset = replace(dataset, examples=[e for e in dataset if e.image_id not in bad])


def choose(dataset: DetectionDataset, count: int, seed: int) -> list[Example]:
    """Draw `count` examples, all where there are no more, the same for the same seed.

    Of every class some are among them, as far as the split has them and `count` allows.

    Raises: ValueError if the split has no picture.
    """
    if not dataset.examples:
        raise ValueError(
            f"calibration pictures expected in split '{dataset.split}', got none; add some or "
            "choose another --calibration-split"
        )
    order = np.random.default_rng(seed).permutation(len(dataset.examples)).tolist()
    holders: dict[str, list[int]] = {name: [] for name in dataset.class_names}
    for index in order:
        for class_id in np.unique(dataset.examples[index].class_ids):
            holders[dataset.class_names[class_id]].append(index)
    chosen = _cover(list(holders.values()), count)
    fill = [index for index in order if index not in chosen][: count - len(chosen)]
    return [dataset.examples[index] for index in sorted(chosen | set(fill))]


def _warn_of_gaps(dataset: DetectionDataset, examples: Sequence[Example], count: int) -> None:
    """DataWarnings of what ranges measured on these examples may clip."""
    if len(examples) < MIN_IMAGES:
        cure = "raise --calibration-images"
        if count >= MIN_IMAGES:
            cure = f"split '{dataset.split}' has no more: add some"
        warnings.warn(
            f"ranges measured on {len(examples)} pictures may clip other scenes, at least "
            f"{MIN_IMAGES} calibration pictures are wanted; {cure}",
            DataWarning,
            stacklevel=2,
        )
    counts = class_counts(examples, dataset.class_names)
    unseen = [name for name, boxes in counts.items() if not boxes]
    if unseen:
        warnings.warn(
            f"calibration sees no box of {', '.join(unseen)}: what they look like may lie outside "
            "the int8 ranges; compare their AP in the report, add pictures of them to split "
            f"'{dataset.split}' or raise --calibration-images",
            DataWarning,
            stacklevel=2,
        )


def _cover(holders: Sequence[list[int]], count: int) -> set[int]:
    """At most `count` pictures: one of each class, then a second one, up to IMAGES_PER_CLASS."""
    chosen: set[int] = set()
    for wanted in range(1, IMAGES_PER_CLASS + 1):
        # The rarest first, since its few pictures also hold commoner classes.
        for indices in sorted(holders, key=len):
            spare = [index for index in indices if index not in chosen]
            if len(chosen) < count and len(indices) - len(spare) < wanted and spare:
                chosen.add(spare[0])
    return chosen


def class_counts(examples: Sequence[Example], class_names: Sequence[str]) -> dict[str, int]:
    """Boxes of each class, in the order of the class names."""
    ids = np.concatenate([example.class_ids for example in examples]).astype(np.int64)
    counts = np.bincount(ids, minlength=len(class_names))
    return dict(zip(class_names, counts.tolist(), strict=True))


def load_frames(examples: Sequence[Example], spec: DetectorSpec) -> list[np.ndarray]:
    """Every picture as (input_h, input_w, 3) uint8, so that a broken one is found at once.

    Raises: ValueError, FileNotFoundError naming the picture that cannot be read.
    """
    return [resize(read_image(example.image_path), spec.input_hw) for example in examples]


def describe_calibration(
    spec: DetectorSpec,
    dataset: DetectionDataset,
    examples: Sequence[Example],
    seed: int,
    method: str,
) -> CalibrationRecord:
    """The record for `calibration.json` beside the spec in an int8 file.

    Args:
        spec: that goes into the same file.
        dataset, examples: the split, and what was drawn from it.
        seed: of the draw.
        method: how ranges came from the pictures, in words.

    Raises: ValueError (SpecError) without examples or a method.
    """
    return CalibrationRecord.of(
        spec,
        dataset.root,
        images=len(examples),
        split=dataset.split,
        seed=seed,
        boxes=class_counts(examples, spec.class_names) if examples else {},
        method=method,
    )
