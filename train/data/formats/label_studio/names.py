"""Names of pictures in Label Studio's tasks, which are addresses, and those of the files."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from train.data.formats.files import UNPRINTABLE, FolderFiles, picture_name
from train.data.formats.image_ids import IMAGE_SUFFIXES
from train.data.formats.listed.content import ListedImage

_PREFIX = re.compile(r"[0-9a-f]{8}-(?=.)")  # put before the name of an uploaded picture


def picture_path(data: Mapping[str, Any]) -> str | None:
    """The path of a task's picture; None where no value, or more than one, names a picture.

    data: the task's variables, whose names are up to its author.
    """
    texts = [value for value in data.values() if isinstance(value, str)]
    paths = dict.fromkeys(_path(text.strip()) for text in texts)
    found = [
        path
        for path in paths
        if PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES and not UNPRINTABLE.search(path)
    ]
    return found[0] if len(found) == 1 else None


def _path(text: str) -> str:
    """s3://bucket/a.jpg, https://host/a.jpg?sign=1, /data/local-files/?d=cam1/a.jpg → the path."""
    if text.startswith(("data:", "\\")):
        return ""
    try:
        address = urlsplit(text)
    except ValueError:
        return text
    if "local-files" in address.path:
        return parse_qs(address.query).get("d", [""])[0]
    if address.scheme and address.netloc:
        return unquote(address.path)
    return text


def match_names(files: FolderFiles, images: Sequence[ListedImage]) -> None:
    """Set the names of images to those of files, which may have the prefix where tasks have none.

    A name without its prefix that two tasks would get stays as it is: nobody knows whose it is.
    """
    with_prefix: dict[str, list[str]] = defaultdict(list)
    for path in files.images:
        with_prefix[_PREFIX.sub("", path.name, count=1)].append(path.name)
    wanted: dict[str, set[str]] = defaultdict(set)
    renamed = {image.file_name: _name(files, image.file_name, with_prefix) for image in images}
    for given, name in renamed.items():
        wanted[name].add(picture_name(given))
    for image in images:
        name = renamed[image.file_name]
        if len(wanted[name]) == 1:
            start = image.file_name[: len(image.file_name) - len(picture_name(image.file_name))]
            image.file_name = start + name


def _name(files: FolderFiles, path: str, with_prefix: Mapping[str, Sequence[str]]) -> str:
    given = picture_name(path)
    plain = _PREFIX.sub("", given, count=1)
    for name in (given, unquote(given), plain, unquote(plain)):
        if files.has_image(name):
            return name
    longer = dict.fromkeys(with_prefix.get(given, ()))
    return next(iter(longer)) if len(longer) == 1 else given
