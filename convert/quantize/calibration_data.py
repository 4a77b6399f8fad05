"""Calibration data: the pictures that int8 ranges are measured on, as the device sees them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convert.arguments import MIN_IMAGES
from edge_runtime.detector.calibration_record import CalibrationRecord
from edge_runtime.detector.preprocess import resize
from edge_runtime.detector.spec import DetectorSpec
from train.data.dataset import Example, VocDataset, read_image

# Of each class at least these, as far as the split has them, before chance decides: a rare class
# must not be left to chance, and one picture of it shows one size and one light.
IMAGES_PER_CLASS = 5


def choose(dataset: VocDataset, count: int, seed: int) -> list[Example]:
    """Draw `count` examples that hold every class of the data set, the same for the same seed.

    Raises: ValueError if the split has fewer pictures than asked, a class has no picture, or
        `count` is below MIN_IMAGES or too small to hold every class.
    """
    _check(dataset, count)
    order = np.random.default_rng(seed).permutation(len(dataset.examples)).tolist()
    holders: dict[str, list[int]] = {name: [] for name in dataset.class_names}
    for index in order:
        for class_id in np.unique(dataset.examples[index].class_ids):
            holders[dataset.class_names[class_id]].append(index)
    missing = [name for name, indices in holders.items() if not indices]
    if missing:
        raise ValueError(
            f"every class must be seen while calibrating, but no picture of split "
            f"'{dataset.split}' holds {', '.join(missing)}; add some or choose another "
            "--calibration-split"
        )
    chosen = _cover(list(holders.values()), count)
    unseen = [name for name, indices in holders.items() if not chosen & set(indices)]
    if unseen:
        raise ValueError(
            f"{count} pictures cannot hold all {len(holders)} classes ({', '.join(unseen)} left "
            "out); raise --calibration-images"
        )
    fill = [index for index in order if index not in chosen][: count - len(chosen)]
    return [dataset.examples[index] for index in sorted(chosen | set(fill))]


def _check(dataset: VocDataset, count: int) -> None:
    if count < MIN_IMAGES:
        raise ValueError(
            f"at least {MIN_IMAGES} calibration pictures are wanted, got {count}: ranges measured "
            "on fewer clip other scenes; raise --calibration-images"
        )
    found = len(dataset.examples)
    if found < MIN_IMAGES:
        raise ValueError(
            f"split '{dataset.split}' has {found} pictures, at least {MIN_IMAGES} are wanted for "
            "calibration; add some or choose another --calibration-split"
        )
    if found < count:
        raise ValueError(
            f"split '{dataset.split}' has {found} pictures, {count} were asked for; lower "
            f"--calibration-images to {found} or less"
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
    spec: DetectorSpec, dataset: VocDataset, examples: Sequence[Example], seed: int, method: str
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
