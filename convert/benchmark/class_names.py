"""Class names of models and data, matched: a detector of 80 classes on a folder that has three."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_runtime.detector.detector import Detector
from edge_runtime.detector.spec import SPEC_MEMBER, read_member
from train.data.geometry import warn

UNKNOWN = -1  # stands for a class that the data do not have
SHOWN = 8  # names in one message


def are_of_one_training(detectors: Sequence[Detector]) -> bool:
    """True for files of this project with the same classes, which the data are read by."""
    first = detectors[0]
    return all(
        read_member(detector.path, SPEC_MEMBER) is not None  # in an exported file, too
        and detector.class_names == first.class_names
        for detector in detectors
    )


def match_classes(detector: Detector, data_names: Sequence[str]) -> np.ndarray:
    """Place of each of a detector's classes among the data's: (C,) int64, UNKNOWN for none.

    By name, upper and lower case alike. A DataWarning says what is not counted.

    Raises: ValueError if none of the names is the same.
    """
    places = {key(name): place for place, name in enumerate(data_names)}
    found = np.asarray([places.get(key(name), UNKNOWN) for name in detector.class_names], np.int64)
    missing = [name for place, name in enumerate(data_names) if place not in found]
    if len(missing) == len(data_names):
        raise ValueError(
            f"{detector.path}: models of the same classes expected as the data, which have "
            f"{some(data_names)}, got {some(detector.class_names)}; --labels FILE gives a model "
            "of another project the names that the data use"
        )
    others = sum(place == UNKNOWN for place in found.tolist()) - len(detector.unused_names)
    if others > 0:
        warn(
            f"{detector.path.name}: {len(data_names) - len(missing)} of its classes are in the "
            f"data; detections of the {others} others are left out"
        )
    if missing:
        warn(
            f"{detector.path.name} does not know {some(missing)} of the data: each counts as "
            "missed, with an AP of 0"
        )
    return found


def key(name: str) -> str:
    """A name for comparison: upper and lower case, and blanks, alike."""
    return " ".join(name.split()).casefold()


def some(names: Sequence[str]) -> str:
    """The first few, and how many more."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
