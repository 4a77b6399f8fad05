"""Slow and obvious versions of what the package does with whole arrays."""

from __future__ import annotations

import math


def iou(one, other) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (sum(areas) - width * height)


def nms(boxes, scores, class_ids, iou_threshold, max_detections) -> list[int]:
    """Kept row numbers, best first; of equal scores the earlier row first."""
    kept: list[int] = []
    for row in sorted(range(len(scores)), key=lambda row: (-scores[row], row)):
        suppressed = False
        for better in kept:
            same_class = class_ids[better] == class_ids[row]
            if same_class and iou(boxes[better], boxes[row]) > iou_threshold:
                suppressed = True
        if not suppressed:
            kept.append(row)
    return kept[:max_detections]


def vote(boxes, scores, class_ids, kept, iou_threshold, vote_iou=0.75):
    """The box of each kept row, moved to the weighted mean of those that agree with it."""
    result = []
    for row in kept:
        sums, total = [0.0] * 4, 0.0
        for other, box in enumerate(boxes):
            overlap = iou(boxes[row], box)
            agrees = overlap >= vote_iou and overlap > iou_threshold
            if other == row or (agrees and class_ids[other] == class_ids[row]):
                weight = scores[other] ** 2
                total += weight
                sums = [s + weight * side for s, side in zip(sums, box, strict=True)]
        result.append([s / total for s in sums] if total else list(boxes[row]))
    return result


def anchors(spec) -> list[tuple[float, float, float, float]]:
    """(cx, cy, w, h) of every anchor, in the order of the network's rows."""
    input_height, input_width = spec.input_hw
    result = []
    for level in spec.levels:
        rows = math.ceil(input_height / level.stride)
        columns = math.ceil(input_width / level.stride)
        for row in range(rows):
            for column in range(columns):
                for size, ratio in zip(level.sizes, level.aspect_ratios, strict=True):
                    side = size * min(input_height, input_width)
                    width, height = side * math.sqrt(ratio), side / math.sqrt(ratio)
                    center = ((column + 0.5) / columns, (row + 0.5) / rows)
                    result.append((*center, width / input_width, height / input_height))
    return result


def decode(offsets, anchor, variances) -> tuple[float, float, float, float]:
    """One (ty, tx, th, tw) and one anchor → xyxy."""
    ty, tx, th, tw = offsets
    cx, cy, width, height = anchor
    cx += tx * variances[0] * width
    cy += ty * variances[0] * height
    width *= math.exp(tw * variances[1])
    height *= math.exp(th * variances[1])
    return cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2


def softmax(logits) -> list[float]:
    powers = [math.exp(value - max(logits)) for value in logits]
    return [power / sum(powers) for power in powers]


def decode_outputs(logits, offsets, anchors, variances, score_threshold, iou_threshold, most):
    """Lists of boxes, scores and class ids; every anchor and class looked at by itself."""
    boxes, scores, class_ids = [], [], []
    for row, anchor in enumerate(anchors):
        box = [min(max(side, 0.0), 1.0) for side in decode(offsets[row], anchor, variances)]
        for class_id, score in enumerate(softmax(logits[row])[1:]):
            if score >= score_threshold and box[2] > box[0] and box[3] > box[1]:
                boxes.append(box)
                scores.append(score)
                class_ids.append(class_id)
    kept = nms(boxes, scores, class_ids, iou_threshold, most)
    voted = vote(boxes, scores, class_ids, kept, iou_threshold)
    return [voted, *([values[row] for row in kept] for values in (scores, class_ids))]
