"""Contact sheet of validation images: objects found, missed and made up."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from edge_runtime.media.atomic import atomic_path
from edge_runtime.media.draw import text_mask
from edge_runtime.media.images import read_image
from train.data.dataset import Example
from train.evaluation.coco import PictureDetections
from train.evaluation.matching import NONE, match_detections

SCORE_THRESHOLD = 0.5  # what a user of the detector sees by default
IOU_THRESHOLD = 0.5  # of a detection that counts as right, as in AP50
PICTURES = 12
COLUMNS = 4
# In pixels. Drawn with Pillow: a training draws a sheet for each best epoch, and Matplotlib takes
# ten times as long.
PICTURE_WH, TITLE, GAP, LINE, DASH = (420, 340), 22, 10, 2, 7
FOUND, MISSED, WRONG = "#30d060", "#ffd000", "#ff3030"
PAPER, INK, RIM = "#ffffff", "#444444", "#000000"
TEXT_PX, LABEL_PX = 13, 11
LEGEND = {
    FOUND: f"found (score >= {SCORE_THRESHOLD}, IoU >= {IOU_THRESHOLD})",
    MISSED: "missed",
    WRONG: "not in the annotations",
}


def outcome(
    example: Example, detections: PictureDetections
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort detections into right and wrong ones, and find the objects that were missed.

    The best detection takes the object of its class that it overlaps most, then the next best.

    Args:
        detections: boxes (K, 4) xyxy in [0, 1], scores (K,), class_ids (K,), in any order.

    Returns: rows of the detections that are right and of those that are wrong, best first, and
        rows of the example's boxes that were missed. A difficult one is never missed, and a
        detection of it is neither right nor wrong.
    """
    scores = detections[1]
    partners, _ = match_detections(detections, example.boxes, example.class_ids, IOU_THRESHOLD)
    shown = np.argsort(-scores, kind="stable")[: int((scores >= SCORE_THRESHOLD).sum())]
    matched = partners[shown]
    difficult = np.append(example.difficult, False)  # NONE is the last
    right = shown[(matched != NONE) & ~difficult[matched]]
    free = np.ones(len(example.boxes), bool)
    free[matched[matched != NONE]] = False
    return right, shown[matched == NONE], np.flatnonzero(free & ~example.difficult)


class Tally(NamedTuple):
    """Objects found and missed, and detections that are wrong, see `outcome`."""

    found: int
    missed: int
    wrong: int


def count_outcomes(examples: Sequence[Example], detections: Sequence[PictureDetections]) -> Tally:
    """Of all pictures together."""
    rows = [outcome(*pair) for pair in zip(examples, detections, strict=True)]
    found, wrong, missed = (sum(len(each[part]) for each in rows) for part in range(3))
    return Tally(found, missed, wrong)


def draw_contact_sheet(
    examples: Sequence[Example],
    detections: Sequence[PictureDetections],
    class_names: Sequence[str],
    path: Path,
) -> None:
    """Write up to PICTURES pictures, spread evenly over the split, as one JPEG."""
    shown = np.linspace(0, len(examples) - 1, min(PICTURES, len(examples))).round().astype(int)
    columns = min(COLUMNS, len(shown))
    rows = math.ceil(len(shown) / columns)
    width, height = PICTURE_WH[0] + GAP, PICTURE_WH[1] + TITLE + GAP
    sheet = Image.new("RGB", (columns * width + GAP, rows * height + GAP + TITLE), PAPER)
    for place, number in enumerate(shown):
        row, column = divmod(place, columns)
        cell = _draw_picture(examples[number], detections[number], class_names)
        sheet.paste(cell, (GAP + column * width, GAP + row * height))
    _draw_legend(sheet, rows * height + GAP)
    with atomic_path(path) as temporary:
        sheet.save(temporary, format="jpeg", quality=90, subsampling=0)  # thin lines stay clear


def _draw_picture(
    example: Example, detections: PictureDetections, class_names: Sequence[str]
) -> Image.Image:
    """A cell of the sheet: the picture with its boxes, and a line of counts above it."""
    image = Image.fromarray(read_image(example.image_path))
    scale = min(PICTURE_WH[0] / image.width, PICTURE_WH[1] / image.height)
    image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    boxes, scores, class_ids = detections
    right, wrong, missed = outcome(example, detections)
    for row in right:
        _draw_box(image, boxes[row], FOUND)
    for row in missed:
        name = class_names[example.class_ids[row]]
        _draw_box(image, example.boxes[row], MISSED, name, dashed=True)
    for row in wrong:
        name, score = class_names[class_ids[row]], f" {scores[row]:.2f}"
        _draw_box(image, boxes[row], WRONG, name, score)
    cell = Image.new("RGB", (PICTURE_WH[0], PICTURE_WH[1] + TITLE), PAPER)
    counts = f": {len(right)} found, {len(missed)} missed, {len(wrong)} wrong"
    _write(cell, (0, 0), _shortened(example.image_id, counts), TEXT_PX, INK)
    cell.paste(image, ((PICTURE_WH[0] - image.width) // 2, TITLE))
    return cell


def _shortened(name: str, counts: str) -> str:
    """Name and counts in the width of a picture: of a long name the end, which tells them apart."""
    while len(name) > 1 and text_mask(name + counts, TEXT_PX).width > PICTURE_WH[0]:
        name = "…" + name[2:]
    return name + counts


def _label(name: str, score: str, width: int) -> str:
    """Name and score in so many pixels: of a long name the beginning, else it hides the objects."""
    while len(name) > 2 and text_mask(name + score, LABEL_PX).width > width:
        name = f"{name[:-2]}…"
    return name + score


def _draw_box(
    image: Image.Image,
    box: np.ndarray,
    color: str,
    name: str = "",
    score: str = "",
    dashed: bool = False,
) -> None:
    """A box, corners in [0, 1], with a dark rim that shows it on any ground, and a label on it."""
    corners = np.clip(np.array(box) * (image.size * 2), 0, np.array(image.size * 2) - 1)
    left, top, right, bottom = (int(corner) for corner in corners)
    canvas = ImageDraw.Draw(image)
    canvas.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=RIM, width=LINE + 2)
    for start in range(0, 2 * (right - left + bottom - top), 2 * DASH) if dashed else (0,):
        stop = start + DASH if dashed else math.inf
        _draw_outline(canvas, (left, top, right, bottom), start, stop, color)
    if name:
        text = _label(name, score, image.width // 2)
        height = text_mask(text, LABEL_PX).height
        _write(image, (left, max(0, top - height)), text, LABEL_PX, RIM, color)


def _draw_outline(
    canvas: ImageDraw.ImageDraw,
    box: tuple[int, int, int, int],
    start: float,
    stop: float,
    color: str,
) -> None:
    """The part of a rectangle's outline between two distances from its top left, clockwise."""
    left, top, right, bottom = box
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    for begin, end in itertools.pairwise(corners):
        length = abs(end[0] - begin[0]) + abs(end[1] - begin[1])
        first, last = max(start, 0), min(stop, length)
        if first < last:
            points = [_between(begin, end, at / length) for at in (first, last)]
            canvas.line([*points[0], *points[1]], fill=color, width=LINE)
        start, stop = start - length, stop - length


def _between(begin: tuple[int, int], end: tuple[int, int], share: float) -> tuple[float, float]:
    return begin[0] + (end[0] - begin[0]) * share, begin[1] + (end[1] - begin[1]) * share


def _draw_legend(sheet: Image.Image, top: int) -> None:
    x = GAP
    for color, meaning in LEGEND.items():
        ImageDraw.Draw(sheet).line((x, top + TITLE // 2, x + 24, top + TITLE // 2), color, 2 * LINE)
        x += 30 + _write(sheet, (x + 30, top), meaning, TEXT_PX, INK) + 3 * GAP


def _write(
    image: Image.Image, place: tuple[int, int], text: str, height: int, ink: str, ground: str = ""
) -> int:
    """Letters at a top left corner, moved into the image. Returns: their width in pixels."""
    mask = text_mask(text, height)
    x, y = max(0, min(place[0], image.width - mask.width)), place[1]
    if ground:
        image.paste(ground, (x, y, x + mask.width, y + mask.height))
    image.paste(ink, (x, y), mask)
    return mask.width
