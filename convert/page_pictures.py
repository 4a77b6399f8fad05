"""Pictures of report.html: what two models see in one, side by side."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from convert.benchmark.agreement import NONE, PictureMatch
from edge_runtime.detector.detections import Detections
from edge_runtime.media.draw import draw_detections
from train.data.dataset import read_image
from train.evaluation.coco import PictureDetections

LONGER_SIDE = 640  # pixels: enough to zoom in on a phone
JPEG_QUALITY = 80
TOLD = 3  # pairs of a picture, those furthest apart


def show_picture(
    match: PictureMatch, class_names: Sequence[str], variants: tuple[str, str], shown: float
) -> dict:
    """A picture for the page's template.

    Args:
        shown: draw detections with a score >= it.

    Returns: "image_id", "difference", "truth" (number of true boxes), "sides" (for each model
        "variant", "count" and "source", a data: address of a JPEG) and "told" (sentences on what
        differs most).
    """
    frame = read_image(match.example.image_path)
    scale = LONGER_SIDE / max(frame.shape[:2])
    size_wh = tuple(max(1, round(side * scale)) for side in frame.shape[1::-1])
    small = np.asarray(Image.fromarray(frame).resize(size_wh, Image.Resampling.BICUBIC))
    sides = []
    for variant, found in zip(variants, match.found, strict=True):
        detections = _shown(found, size_wh, class_names, shown)
        source = _data_address(draw_detections(small, detections))
        sides.append({"variant": variant, "count": len(detections), "source": source})
    return {
        "image_id": match.example.image_id,
        "difference": match.difference,
        "truth": len(match.example.boxes),
        "sides": sides,
        "told": _tell(match, class_names, variants),
    }


def _shown(
    found: PictureDetections, size_wh: tuple[int, int], class_names: Sequence[str], shown: float
) -> Detections:
    boxes, scores, class_ids = found
    keep = scores >= shown
    pixels = boxes[keep] * np.asarray([*size_wh, *size_wh], np.float32)
    return Detections(pixels, scores[keep], class_ids[keep], tuple(class_names))


def _data_address(frame: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _tell(match: PictureMatch, class_names: Sequence[str], variants: tuple[str, str]) -> list[str]:
    told = []
    for place in np.argsort(-match.costs, kind="stable")[:TOLD]:
        side = 0 if match.rows[place, 0] != NONE else 1
        name = class_names[match.found[side][2][match.rows[place, side]]]
        scores = [
            f"{variant} {'no trace' if row == NONE else f'{score:.2f}'}"
            for variant, row, score in zip(
                variants, match.rows[place], match.scores[place], strict=True
            )
        ]
        overlap = "" if NONE in match.rows[place] else f", IoU {match.ious[place]:.2f}"
        told.append(f"{name}: {', '.join(scores)}{overlap}")
    return told
