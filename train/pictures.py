"""Pictures from disk, and the boxes of their annotations brought to the same pixels.

A camera may store a picture on its side with a note, the EXIF orientation, of how to turn it. Here
a picture is always turned upright: that is how nearly all labelling tools show it and how the
device's camera delivers it. A tool that ignored the note drew its boxes on the picture as stored;
the size in its annotation tells, and those boxes are turned along.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from train.voc import VocAnnotation, VocObject

Turn = Callable[[float, float], tuple[float, float]]
_EXIF_ORIENTATION = 0x0112
# Orientations that swap width and height: where a stored point (x, y) in [0, 1] comes to lie.
_TURNS: dict[int, Turn] = {
    5: lambda x, y: (y, x),
    6: lambda x, y: (1 - y, x),
    7: lambda x, y: (1 - y, 1 - x),
    8: lambda x, y: (y, 1 - x),
}


class DataWarning(UserWarning):
    """A flaw in a data set that was worked around: which file, which box, what was done."""


def read_image(path: str | Path) -> np.ndarray:
    """The picture, upright, as (H, W, 3) uint8 RGB.

    Raises: ValueError where it cannot be decoded. FileNotFoundError where it is missing.
    """
    with _opened(path) as image:
        if _orientation(image) != 1:
            image = ImageOps.exif_transpose(image)
        return np.array(image.convert("RGB"))


def _read_header(path: Path) -> tuple[tuple[int, int], int]:
    """((width, height) as stored, EXIF orientation) of a picture; reads no more than its header.

    Raises: as `read_image`.
    """
    with _opened(path) as image:
        return image.size, _orientation(image)


@contextmanager
def _opened(path: str | Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as image:
            yield image
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{path}: expected a picture that Pillow can decode, got: {error}; "
            "replace the file or remove it from the split"
        ) from error


def _orientation(image: Image.Image) -> int:
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # asking Pillow further would decode all of it
    return image.getexif().get(_EXIF_ORIENTATION, 1)


def place_boxes(
    annotation: VocAnnotation, image_path: Path
) -> tuple[tuple[int, int], np.ndarray, list[VocObject]]:
    """The upright picture's (width, height), its boxes and the objects that they belong to.

    boxes: (N, 4) float32 xyxy in [0, 1]. Objects without an area or outside the picture are
    skipped and others clipped to it, each with a DataWarning.

    Raises: as `read_image`.
    """
    stored_wh, orientation = _read_header(image_path)
    turn = _TURNS.get(orientation)
    size_wh = stored_wh[::-1] if turn else stored_wh
    if annotation.size_wh in (None, size_wh):
        turn, drawn_wh = None, size_wh
    elif turn and annotation.size_wh == stored_wh:
        drawn_wh = stored_wh
    else:
        turn, drawn_wh = None, size_wh
        _warn(
            f"{annotation.path}: says {_by(annotation.size_wh)}, but {image_path.name} is "
            f"{_by(size_wh)}; taking the picture's size"
        )
    boxes, kept = [], []
    for item in annotation.objects:
        box = _clean_box(item, drawn_wh, annotation.path)
        if box is not None:
            boxes.append(_turn_box(box, turn) if turn else box)
            kept.append(item)
    return size_wh, np.array(boxes, np.float32).reshape(-1, 4), kept


def _clean_box(item: VocObject, size_wh: tuple[int, int], path: Path) -> list[float] | None:
    """The box in [0, 1], clipped, or None where nothing of it is left."""
    width, height = size_wh
    x_min, y_min, x_max, y_max = item.box_px
    where = f"{path}: box {item.name} ({x_min:g}, {y_min:g}, {x_max:g}, {y_max:g})"
    if x_min >= x_max or y_min >= y_max:
        _warn(f"{where} has no area; skipped")
        return None
    clipped = (max(x_min, 0), max(y_min, 0), min(x_max, width), min(y_max, height))
    if clipped[0] >= clipped[2] or clipped[1] >= clipped[3]:
        _warn(f"{where} is outside the {_by(size_wh)} picture; skipped")
        return None
    if clipped != item.box_px:
        _warn(f"{where} leaves the {_by(size_wh)} picture; clipped")
    return [clipped[0] / width, clipped[1] / height, clipped[2] / width, clipped[3] / height]


def _turn_box(box: list[float], turn: Turn) -> list[float]:
    (x_a, y_a), (x_b, y_b) = turn(box[0], box[1]), turn(box[2], box[3])
    return [min(x_a, x_b), min(y_a, y_b), max(x_a, x_b), max(y_a, y_b)]


def _by(size_wh: tuple[int, int]) -> str:
    return f"{size_wh[0]}x{size_wh[1]}"


def _warn(message: str) -> None:
    warnings.warn(message, DataWarning, stacklevel=2)
