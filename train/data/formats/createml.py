"""CreateML JSON, Apple's: a list of pictures, each with boxes by their center, in pixels.

Also Roboflow's `_annotations.createml.json` in folders of splits, and labelImg's, one a picture.
Form: https://developer.apple.com/documentation/createml/building-an-object-detector-data-source
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from train.data.annotation import Flaw
from train.data.formats.base import Format, Recognized
from train.data.formats.files import UNPRINTABLE, FolderFiles
from train.data.formats.listed.content import ListedImage, ListFile
from train.data.formats.listed.folder import read_lists
from train.data.formats.listed.rectangles import listed_image
from train.data.formats.located_json import Element, Keys, first_of_list, read_list
from train.data.labeled_folder import LabeledFolder

_NAMES = ("image", "imagefilename")
_LISTS = ("annotations", "annotation")  # Apple's own pages have both


def recognize(files: FolderFiles) -> Recognized | None:
    """CreateML where there are JSON lists whose first picture has boxes with coordinates or none.

    A list of classes a picture, for classifiers, is none.
    """
    paths = [path for path in files.with_suffix(".json") if _is_createml(first_of_list(path))]
    if not paths:
        return None
    counts = [max(1, path.read_bytes().count(b'"image')) for path in paths]
    return Recognized(sum(counts), partial(_read, files, paths))


FORMAT = Format("CreateML", recognize)


def _is_createml(first: Any) -> bool:
    if not isinstance(first, dict) or not any(isinstance(first.get(key), str) for key in _NAMES):
        return False
    boxes = next((first[key] for key in _LISTS if isinstance(first.get(key), list)), None)
    with_box = (one for one in boxes or () if isinstance(one, dict) and "coordinates" in one)
    return boxes == [] or any(with_box)


def _read(files: FolderFiles, paths: Sequence[Path]) -> LabeledFolder:
    return read_lists(files, [read_createml_file(path) for path in paths], FORMAT.name, '"image"')


def read_createml_file(path: Path) -> ListFile:
    """One file; an entry without a picture's name is a flaw of the file.

    Raises: MalformedLabels, naming line and column, where it is no whole JSON list. OSError.
    """
    images: list[ListedImage] = []
    flaws: list[Flaw] = []
    for line, keys in read_list(path, _LISTS, _NAMES):
        name, boxes = _name(keys), _boxes(keys)
        if boxes is None or not name.strip("./\\") or UNPRINTABLE.search(name):
            message = (
                'entry expected an "image" of one line and a list "annotations", got '
                f"{ascii(name) if name else 'others'}; complete it"
            )
            flaws.append(Flaw("unknown-image", line, message, 0))
        else:
            images.append(listed_image(name, line, boxes, sides_key="coordinates", centered=True))
    return ListFile(path, tuple(images), (), tuple(flaws))


def _name(keys: Keys | None) -> str:
    found = [keys.values[key].value for key in _NAMES if key in keys.values] if keys else []
    return found[0].strip() if found and isinstance(found[0], str) else ""


def _boxes(keys: Keys | None) -> list[Element] | None:
    return next((keys.arrays[key] for key in _LISTS if key in keys.arrays), None) if keys else None
