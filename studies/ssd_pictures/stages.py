"""The stages of SSD, each as panels: default boxes, a match, mined negatives, suppression."""

from __future__ import annotations

import keras
import numpy as np

from edge_runtime.detector.anchors import make_anchors
from edge_runtime.detector.boxes import cxcywh_to_xyxy, decode, iou
from edge_runtime.detector.postprocess import decode_outputs, softmax
from edge_runtime.detector.preprocess import preprocess
from edge_runtime.detector.resize import resize
from edge_runtime.detector.spec import DetectorSpec
from studies.ssd_pictures.drawing import COLORS, GRAY, GREEN, RED, Panel
from train.data.targets import MATCH_IOU, match_anchors
from train.digits.scenes import SIDE, Scene
from train.evaluation.coco import IOU_THRESHOLD, MAX_DETECTIONS, SCORE_THRESHOLD
from train.model.loss import NEGATIVES_PER_POSITIVE, weigh_anchors
from train.model.presets import PRESETS

SHOWN_SCORE = 0.3  # of boxes that are drawn after suppression


def default_boxes(scene: Scene) -> list[Panel]:
    """The cells of three levels of SSD300, and all default boxes of the one in the middle."""
    spec = PRESETS["ssd300_vgg16"].spec(("a",))
    anchors, first, panels = make_anchors(spec), 0, []
    for level in spec.levels:
        rows, columns = spec.feature_hw(level)
        cells = anchors[first : first + rows * columns * len(level)]
        cells = cells.reshape(rows, columns, len(level), 4)
        first += rows * columns * len(level)
        if level.stride not in (8, 32, 128):
            continue
        panel = Panel(scene.pixels, f"{rows}x{columns} cells, {len(level)} boxes each")
        panel.dots(cells[:, :, 0, :2].reshape(-1, 2), GRAY, 1 if rows > 20 else 2)
        middle = cells[rows // 2, columns // 2]
        for box, color in zip(cxcywh_to_xyxy(middle), COLORS, strict=False):
            panel.boxes(box[None], color, 2)
        panel.dots(middle[:1, :2], RED, 3)
        panels.append(panel)
    return panels


def match(scene: Scene, spec: DetectorSpec) -> list[Panel]:
    """The anchors that answer for each object: its own best one, and all above the threshold."""
    truth = (scene.boxes_px / SIDE).astype(np.float32)
    anchors = cxcywh_to_xyxy(make_anchors(spec))
    matched = match_anchors(truth, anchors)
    overlap = iou(truth, anchors)
    every = Panel(scene.pixels, f"objects, anchors with IoU > {MATCH_IOU:g}")
    best = Panel(scene.pixels, "the best anchor of each, and its IoU")
    for number, box in enumerate(truth):
        color = COLORS[number % len(COLORS)]
        own = np.flatnonzero(matched == number)
        every.boxes(anchors[own], color)
        first = own[overlap[number, own].argmax()]
        best.boxes(anchors[first][None], color, 2)
        best.label(f"{overlap[number, first]:.2f}", anchors[first], color)
        for panel in (every, best):
            panel.boxes(box[None], (0, 0, 0), 2)
    return [every, best]


def negatives(scene: Scene, spec: DetectorSpec, logits: np.ndarray) -> list[Panel]:
    """Positives, and the negatives that the loss takes: the hardest, three for each.

    Args:
        logits: (N, classes + 1) of the net for this scene.
    """
    truth = (scene.boxes_px / SIDE).astype(np.float32)
    anchors = cxcywh_to_xyxy(make_anchors(spec))
    matched = match_anchors(truth, anchors)
    targets = np.where(matched >= 0, scene.class_ids[matched] + 1, 0)
    found = weigh_anchors(targets[None], keras.ops.convert_to_tensor(logits[None]))
    _, positive, negative = (np.asarray(values[0]) > 0 for values in found)
    left = Panel(scene.pixels, f"{positive.sum()} positives of {len(anchors)} anchors")
    left.boxes(anchors[positive], GREEN)
    right = Panel(
        scene.pixels, f"{negative.sum()} negatives, {NEGATIVES_PER_POSITIVE} for each positive"
    )
    right.boxes(anchors[negative], RED)
    return [left, right]


def suppression(
    scene: Scene, spec: DetectorSpec, logits: np.ndarray, offsets: np.ndarray
) -> list[Panel]:
    """All boxes above the paper's score, before and after suppression, and the sure ones."""
    anchors = make_anchors(spec)
    scores = softmax(logits.astype(np.float64))[:, 1:].max(axis=1)
    rows = np.flatnonzero(scores >= SCORE_THRESHOLD)
    before = Panel(scene.pixels, f"{len(rows)} boxes of score {SCORE_THRESHOLD:g} or more")
    order = rows[np.argsort(scores[rows])]
    for box, score in zip(
        decode(offsets[order], anchors[order], spec.variances), scores[order], strict=True
    ):
        before.boxes(box[None], RED if score >= SHOWN_SCORE else GRAY)
    boxes, kept, class_ids = decode_outputs(
        logits, offsets, anchors, spec.variances, SCORE_THRESHOLD, IOU_THRESHOLD, MAX_DETECTIONS
    )
    after = Panel(scene.pixels, f"{len(boxes)} left by NMS at IoU {IOU_THRESHOLD:g}")
    for box, score in zip(boxes[::-1], kept[::-1], strict=True):
        after.boxes(box[None], RED if score >= SHOWN_SCORE else GRAY)
    sure = Panel(scene.pixels, f"those of score {SHOWN_SCORE:g} or more", dim=0.9)
    for box, score, class_id in zip(boxes, kept, class_ids, strict=True):
        if score >= SHOWN_SCORE:
            sure.boxes(box[None], RED, 2)
            sure.label(f"{spec.class_names[class_id]} {score:.2f}", box, RED)
    return [before, after, sure]


def run_net(model: keras.Model, spec: DetectorSpec, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """logits (N, classes + 1) and offsets (N, 4) of one scene."""
    tensor = preprocess(resize(scene.pixels, spec.input_hw), spec)
    outputs = model.predict_on_batch(tensor)
    return outputs["logits"][0], outputs["offsets"][0]
