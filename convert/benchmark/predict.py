"""Predictions of detectors at the thresholds of `train.evaluation.coco`: every guess counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from convert.benchmark.class_names import UNKNOWN
from edge_runtime.detector.detector import Detector
from train.data.dataset import Example, read_image
from train.evaluation.coco import IOU_THRESHOLD, MAX_DETECTIONS, SCORE_THRESHOLD, PictureDetections


def use_accuracy_thresholds(detectors: Sequence[Detector]) -> None:
    """From now on the detectors return nearly every guess."""
    for detector in detectors:
        detector.score_threshold = SCORE_THRESHOLD
        detector.iou_threshold = IOU_THRESHOLD
        detector.max_detections = MAX_DETECTIONS


def find(
    detector: Detector, frame: np.ndarray, places: np.ndarray | None = None
) -> PictureDetections:
    """Detections in an (H, W, 3) uint8 frame; boxes xyxy in [0, 1], best first.

    places: of the detector's classes among those of the data, as `match_classes` gives them; None
        where both are the same. Detections of classes that the data do not have are left out.
    """
    height, width = frame.shape[:2]
    seen = detector.detect(frame)
    boxes = seen.boxes / np.asarray([width, height, width, height], np.float32)
    if places is None:
        return boxes, seen.scores, seen.class_ids
    class_ids = places[seen.class_ids]
    known = class_ids != UNKNOWN
    return boxes[known], seen.scores[known], class_ids[known]


def find_all(
    detectors: Sequence[Detector],
    examples: Sequence[Example],
    places: Sequence[np.ndarray | None],
) -> list[list[PictureDetections]]:
    """For each detector what it finds in each picture; a picture is decoded once.

    places: of each detector, see `find`.
    """
    found: list[list[PictureDetections]] = [[] for _ in detectors]
    for example in tqdm(examples, "accuracy", unit="picture", leave=False, disable=None):
        frame = read_image(example.image_path)
        for detector, pictures, own_places in zip(detectors, found, places, strict=True):
            pictures.append(find(detector, frame, own_places))
    return found
