"""Predictions of detectors at the thresholds of `train.evaluation.coco`: every guess counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from edge_runtime.detector.detector import Detector
from train.data.dataset import Example, read_image
from train.evaluation.coco import IOU_THRESHOLD, MAX_DETECTIONS, SCORE_THRESHOLD, PictureDetections


def use_accuracy_thresholds(detectors: Sequence[Detector]) -> None:
    """From now on the detectors return nearly every guess."""
    for detector in detectors:
        detector.score_threshold = SCORE_THRESHOLD
        detector.iou_threshold = IOU_THRESHOLD
        detector.max_detections = MAX_DETECTIONS


def find(detector: Detector, frame: np.ndarray) -> PictureDetections:
    """Detections in an (H, W, 3) uint8 frame; boxes xyxy in [0, 1], best first."""
    height, width = frame.shape[:2]
    seen = detector.detect(frame)
    return (
        seen.boxes / np.asarray([width, height, width, height], np.float32),
        seen.scores,
        seen.class_ids,
    )


def find_all(
    detectors: Sequence[Detector], examples: Sequence[Example]
) -> list[list[PictureDetections]]:
    """For each detector what it finds in each picture; a picture is decoded once."""
    found: list[list[PictureDetections]] = [[] for _ in detectors]
    for example in tqdm(examples, "accuracy", unit="picture", leave=False, disable=None):
        frame = read_image(example.image_path)
        for detector, pictures in zip(detectors, found, strict=True):
            pictures.append(find(detector, frame))
    return found
