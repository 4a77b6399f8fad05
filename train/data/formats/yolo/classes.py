"""Class names of a YOLO set: label files hold numbers only, so one of several files must name them.

data.yaml or obj.data come first, then *.names, *.labels (Roboflow's _darknet.labels), classes.txt
and labels.txt, last notes.json (Label Studio).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from train.data.formats.class_names import read_class_list
from train.data.formats.files import FolderFiles
from train.data.formats.text import clean_name, read_text
from train.data.formats.yolo.config import Config, names_paths, read_config
from train.data.formats.yolo.places import Places, find_source
from train.data.labeled_folder import ClassList


@dataclass(frozen=True)
class NumberedNames:
    """names: class number → (line, name) in the order of the numbers, which may have gaps."""

    path: Path
    names: dict[int, tuple[int, str]]

    def class_list(self) -> ClassList:
        return ClassList(self.path, tuple(self.names.values()))


def find_names(files: FolderFiles, places: Places, config: Config | None) -> NumberedNames:
    """The names of a set's classes.

    Raises: ValueError where no file gives them, or several of a kind do and differ. OSError.
    """
    if config and config.names:
        return NumberedNames(config.path, config.names)
    if config and config.names_file:
        path, _ = find_source(places, config, config.names_file)
        if path is None or not path.is_file():
            raise ValueError(
                f"{config.path}, line {config.names_file.line}: expected a file of class names, "
                f"got {config.names_file.text}, which is not here; add it, a class name a line"
            )
        return _numbered(read_class_list(path))
    for path in names_paths(files):
        names = read_config(path).names
        if names:
            return NumberedNames(path, names)
    for paths in _class_files(files):
        if paths:
            return _agreed([_numbered(read_class_list(path)) for path in paths])
    notes = [path for path in files.with_suffix(".json") if path.name.lower() == "notes.json"]
    if notes:
        return _agreed([_read_notes(path) for path in notes])
    raise ValueError(
        f"{files.root}: expected the names of the classes, which YOLO's label files give as "
        "numbers only, got no data.yaml, obj.names, classes.txt or notes.json; add classes.txt, "
        "a class name a line, that of class 0 first"
    )


def _class_files(files: FolderFiles) -> Iterable[list[Path]]:
    yield files.with_suffix(".names")
    yield files.with_suffix(".labels")
    for name in ("classes.txt", "labels.txt"):
        yield [path for path in files.with_suffix(".txt") if path.name.lower() == name]


def _numbered(classes: ClassList) -> NumberedNames:
    return NumberedNames(classes.path, dict(enumerate(classes.lines)))


def _agreed(candidates: list[NumberedNames]) -> NumberedNames:
    """The one nearest to the root. Raises: ValueError where another names a class differently."""
    first, *others = sorted(candidates, key=lambda names: (len(names.path.parts), names.path))
    named = {number: name for number, (_, name) in first.names.items()}
    for other in others:
        if {number: name for number, (_, name) in other.names.items()} != named:
            raise ValueError(
                f"{first.path} and {other.path}: expected the same class names, got different "
                "ones, so a number means two classes; keep the right one, or write a data.yaml "
                "with names"
            )
    return first


def _read_notes(path: Path) -> NumberedNames:
    """Label Studio's notes.json: {"categories": [{"id": 0, "name": "cat"}]}."""
    try:
        content = json.loads(read_text(path))
        names = {int(one["id"]): (0, clean_name(one["name"])) for one in content["categories"]}
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path}, line {error.lineno}: expected JSON, got {error.msg}; correct the file"
        ) from error
    except (RecursionError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f'{path}: expected {{"categories": [{{"id": 0, "name": "cat"}}]}}, got something '
            f"else ({type(error).__name__}); correct it or add classes.txt, a class name a line"
        ) from error
    if not names:
        raise ValueError(f"{path}: expected categories, got none; add classes.txt")
    return NumberedNames(path, dict(sorted(names.items())))
