"""Pictures from disk, and the boxes of their annotations brought to the same pixels.

A camera may store a picture on its side with a note, the EXIF orientation, of how to turn it. Here
a picture is always turned upright: that is how nearly all labelling tools show it and how the
device's camera delivers it. A tool that ignored the note drew its boxes on the picture as stored;
the size in its annotation tells, and those boxes are turned along.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from edge_runtime.media.images import check_depth
from train.data.voc import VocAnnotation, VocObject
from train.placement import by, clip_box, describe_box, find_placement

_EXIF_ORIENTATION = 0x0112


class DataWarning(UserWarning):
    """A flaw in a data set that was worked around: which file, which box, what was done."""


def plain_warnings() -> None:
    """Print warnings as one line each: for commands, whose users did not write the code."""

    def one_line(message, *_args, **_kwargs) -> str:
        return f"warning: {message}\n"

    warnings.formatwarning = one_line


def read_header(path: Path) -> tuple[tuple[int, int], int]:
    """((width, height) as stored, EXIF orientation) of a picture; reads no more than its header.

    Raises: as `read_image`.
    """
    with _opened(path) as image:
        return image.size, _orientation(image)


@contextmanager
def _opened(path: str | Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as image:
            check_depth(image)
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
    placement = find_placement(annotation.size_wh, *read_header(image_path))
    if placement.contradicted:
        _warn(
            f"{annotation.path}: says {by(annotation.size_wh)}, but {image_path.name} is "
            f"{by(placement.size_wh)}; taking the picture's size"
        )
    boxes, kept = [], []
    for item in annotation.objects:
        flaw, box_px = clip_box(item.box_px, placement.drawn_wh)
        if flaw:
            said = describe_box(item, flaw, placement.drawn_wh)
            _warn(f"{annotation.path}: {said}; {'clipped' if box_px else 'skipped'}")
        if box_px:
            boxes.append(placement.fractions(box_px))
            kept.append(item)
    return placement.size_wh, np.array(boxes, np.float32).reshape(-1, 4), kept


def _warn(message: str) -> None:
    warnings.warn(message, DataWarning, stacklevel=2)
