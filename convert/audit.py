"""What an int8 file says of its calibration; the device compares it with itself at load."""

from __future__ import annotations

from collections.abc import Sequence

from convert.quantize.calibration_data import class_counts
from edge_runtime.detector.calibration_record import CalibrationRecord
from edge_runtime.detector.spec import DetectorSpec
from train.data.dataset import Example, VocDataset


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
