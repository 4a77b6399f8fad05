"""Edge Impulse: bounding_boxes.labels, JSON of pictures and their boxes in pixels.

Form: https://docs.edgeimpulse.com/docs/edge-impulse-studio/data-acquisition/uploader
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from train.data.annotation import Flaw, MalformedLabels
from train.data.formats.base import OWN_FORM, Format, Recognized
from train.data.formats.files import UNPRINTABLE, FolderFiles
from train.data.formats.listed.content import ListedImage, ListFile
from train.data.formats.listed.folder import read_lists
from train.data.formats.listed.rectangles import listed_image
from train.data.formats.located_json import read_arrays_under
from train.data.labeled_folder import LabeledFolder

FILE_NAME = "bounding_boxes.labels"
_KEY = "boundingBoxes"
_BOXES = re.compile(rb"\[\s*\{")  # of a picture that has some


def recognize(files: FolderFiles) -> Recognized | None:
    """Edge Impulse where there are files of that one name, in training/ and testing/ or alone."""
    paths = [path for path in files.paths if path.name.lower() == FILE_NAME]
    if not paths:
        return None
    counts = [max(1, len(_BOXES.findall(path.read_bytes()))) for path in paths]
    return Recognized(sum(counts), partial(_read, files, paths))


FORMAT = Format("Edge Impulse", recognize, OWN_FORM)


def _read(files: FolderFiles, paths: Sequence[Path]) -> LabeledFolder:
    lists = [read_labels_file(path) for path in paths]
    return read_lists(files, lists, FORMAT.name, f'"{_KEY}"')


def read_labels_file(path: Path) -> ListFile:
    """One file; a picture without a list of boxes is a flaw of the file.

    Raises: MalformedLabels, naming line and column, where it is no whole JSON, names a picture
    twice or has no object of pictures. OSError.
    """
    keys = read_arrays_under(path, _KEY)
    if keys is None:
        reason = f'expected an object "{_KEY}" of pictures, got none; export the labels again'
        raise MalformedLabels(str(path), 1, reason)
    images: list[ListedImage] = []
    flaws: list[Flaw] = []
    for name, line in keys.lines.items():
        boxes = keys.arrays.get(name)
        if boxes is None or not name.strip().strip("./\\") or UNPRINTABLE.search(name):
            message = (
                f"{name!a} expected the name of a picture and a list of boxes, got others; "
                "correct it"
            )
            flaws.append(Flaw("unknown-image", line, message, 0))
        else:
            images.append(listed_image(name.strip(), line, boxes, sides_key=None, centered=False))
    return ListFile(path, tuple(images), (), tuple(flaws))
