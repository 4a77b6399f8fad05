"""Results of any detector, as COCO results JSON: a row of the benchmark that needs no model file.

    [{"image_id": 7, "category_id": 1, "bbox": [x, y, width, height], "score": 0.9}, …]

with boxes in pixels, or an object with that list under "results" and, each of them optional,
"name", "inference_ms", "end_to_end_ms", "peak_memory_mb", "size_mb" and "categories", a list of
{"id", "name"}. `edge-runtime detect --format coco` writes the list, and pycocotools reads it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convert.benchmark.class_names import key, some
from edge_runtime.exports.coco import plain_image_id
from train.data.dataset import Example
from train.data.geometry import warn
from train.evaluation.coco import PictureDetections

Id = int | str
LIST = "results"
FIGURES = ("inference_ms", "end_to_end_ms", "peak_memory_mb", "size_mb")
MOST = 1e9  # of a figure: no millisecond and no megabyte of a detector comes near
SHOWN = 60  # characters of a value in a message


@dataclass(frozen=True)
class ResultsFile:
    """A file of results, not yet matched with pictures and classes.

    Attributes:
        name: of the detector; the file's own without one.
        figures: those of FIGURES that the file has, in milliseconds and 10⁶ bytes.
        categories: id → name, as the file gives them; {} where it gives none.
        rows: (image id, category id, (x, y, width, height) in pixels, score in [0, 1]).
    """

    path: Path
    name: str
    figures: Mapping[str, float]
    categories: Mapping[Id, str]
    rows: Sequence[tuple[Id, Id, tuple[float, ...], float]]


@dataclass(frozen=True)
class Annotations:
    """What an annotation file's ids stand for: file name by image id, class name by category id."""

    images: Mapping[Id, str]
    categories: Mapping[Id, str]


def read_results(path: Path) -> ResultsFile:
    """Raises: ValueError for a file of another kind, naming the entry; OSError."""
    content = _load(path)
    head = content if isinstance(content, dict) else {}
    rows = head.get(LIST) if isinstance(content, dict) else content
    if not isinstance(rows, list):
        raise ValueError(
            f'{path}: a list of COCO results expected, or an object with one under "{LIST}", got '
            f"{_short(content)}; write [{{image_id, category_id, bbox, score}}, …]"
        )
    figures = {name: _figure(path, name, head[name]) for name in FIGURES if name in head}
    name = str(head.get("name") or path.stem)
    categories = _names(path, head.get("categories", []), "name")
    parsed = [_row(path, number, row) for number, row in enumerate(rows)]
    return ResultsFile(path, name, figures, categories, parsed)


def read_annotations(path: Path) -> Annotations:
    """The ids of a COCO annotation file. Raises: ValueError for another file; OSError."""
    content = _load(path)
    if not isinstance(content, dict) or not {"images", "categories"} <= set(content):
        raise ValueError(f'{path}: COCO annotations with "images" and "categories" expected')
    return Annotations(
        _names(path, content["images"], "file_name"), _names(path, content["categories"], "name")
    )


def match_results(
    results: ResultsFile,
    examples: Sequence[Example],
    class_names: Sequence[str],
    annotations: Annotations | None = None,
) -> list[PictureDetections]:
    """Detections in each picture: boxes xyxy in [0, 1], scores and class ids, best first.

    Pictures go by the annotations' file names, else by the number or the name of the file, or the
    data's own image id; classes by the names that the file or the annotations give, else, where
    category ids are names, by them, else by number, 1 being the first class. Results in other
    pictures and of other classes are left out; a DataWarning says how many.

    Raises: ValueError where no picture or no class fits.
    """
    places = _picture_places(results, examples, annotations)
    classes = _class_places(results, class_names, annotations)
    found: list[list[tuple[float, ...]]] = [[] for _ in examples]
    for image_id, category_id, (x, y, width, height), score in results.rows:
        place, class_id = places.get(image_id), classes.get(category_id)
        if place is None or class_id is None:
            continue
        size = np.asarray([examples[place].width, examples[place].height] * 2, np.float64)
        box = np.clip(np.asarray([x, y, x + width, y + height]) / size, 0, 1)
        found[place].append((*box.tolist(), score, class_id))
    return [_detections(rows) for rows in found]


def _detections(rows: Sequence[tuple[float, ...]]) -> PictureDetections:
    table = np.asarray(sorted(rows, key=lambda row: -row[4]), np.float64).reshape(-1, 6)
    return table[:, :4].astype(np.float32), table[:, 4].astype(np.float32), table[:, 5].astype(int)


def _picture_places(
    results: ResultsFile, examples: Sequence[Example], annotations: Annotations | None
) -> dict[Id, int]:
    wanted = {image_id for image_id, *_ in results.rows}
    if annotations is None:
        places = _by_name(examples)
    else:
        named = {i: name for i, name in annotations.images.items() if i in wanted}
        places = _by_path(results.path, examples, named)
    if wanted and not wanted & set(places):
        raise ValueError(
            f"{results.path}: results in the pictures of the split expected, got image ids such as "
            f"{some([str(i) for i in list(wanted)[:3]])}, which none of its {len(examples)} "
            "pictures has, or several; name the COCO file that the ids come from with "
            "--results-annotations"
        )
    others = len(wanted - set(places))
    if others:
        warn(
            f"{results.path.name}: results in {others} pictures that are not measured are left out"
        )
    return places


def _by_name(examples: Sequence[Example]) -> dict[Id, int]:
    """Picture by number, name and stem of its file, where no other has them, and by image id."""
    found: dict[Id, set[int]] = {}
    for place, example in enumerate(examples):
        name = example.image_path.name
        for image_id in (plain_image_id(name), name, example.image_path.stem):
            found.setdefault(image_id, set()).add(place)
    places = {image_id: next(iter(of)) for image_id, of in found.items() if len(of) == 1}
    return places | {example.image_id: place for place, example in enumerate(examples)}


def _by_path(path: Path, examples: Sequence[Example], named: Mapping[Id, str]) -> dict[Id, int]:
    """Picture by the annotations' file name; folders in it decide where several are named alike.

    Raises: ValueError where they do not.
    """
    by_name: dict[str, list[int]] = {}
    for place, example in enumerate(examples):
        by_name.setdefault(example.image_path.name, []).append(place)
    places: dict[Id, int] = {}
    for image_id, file_name in named.items():
        whole = file_name.replace("\\", "/")
        found = by_name.get(whole.rpartition("/")[2], [])
        if len(found) > 1:
            ends = [
                p for p in found if f"/{examples[p].image_path.as_posix()}".endswith(f"/{whole}")
            ]
            if len(ends) != 1:
                raise ValueError(
                    f"{path}: one picture for {file_name!r} of the annotations expected, got "
                    f"{len(found)} of that name; give file names with their folders"
                )
            found = ends
        if found:
            places[image_id] = found[0]
    return places


def _class_places(
    results: ResultsFile, class_names: Sequence[str], annotations: Annotations | None
) -> dict[Id, int]:
    by_key = {key(name): place for place, name in enumerate(class_names)}
    names = dict(results.categories) or dict(annotations.categories if annotations else {})
    used = {category_id for _, category_id, *_ in results.rows}
    if not names:
        names = {i: i for i in used if isinstance(i, str)}
        if not names:
            names = dict(enumerate(class_names, 1))
            warn(
                f"{results.path.name} does not say what its category ids mean: taken as "
                f"{some([f'{i} {name}' for i, name in names.items()])}"
            )
    places = {i: by_key[key(name)] for i, name in names.items() if key(name) in by_key}
    if used and not used & set(places):
        raise ValueError(
            f"{results.path}: results of the classes {some(class_names)} expected, got category "
            f"ids {some([str(i) for i in sorted(used, key=str)])}; add "
            '"categories": [{"id", "name"}] to the file, or name --results-annotations'
        )
    lost = sum(category_id not in places for _, category_id, *_ in results.rows)
    if lost:
        warn(f"{results.path.name}: {lost} results of classes that the data do not have left out")
    return places


def _row(path: Path, number: int, row: Any) -> tuple[Id, Id, tuple[float, ...], float]:
    try:
        box = tuple(float(side) for side in row["bbox"])
        image_id, category_id, score = row["image_id"], row["category_id"], float(row["score"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"{path}: entry {number} with image_id, category_id, bbox and score expected, got "
            f"{_short(row)} ({type(error).__name__}: {error})"
        ) from error
    finite = all(map(math.isfinite, box)) and len(box) == 4 and not isinstance(row["bbox"], str)
    if not finite or min(box[2:]) < 0 or not 0 <= score <= 1:
        raise ValueError(
            f"{path}: entry {number} with a bbox [x, y, width, height] in pixels and a score in "
            f"[0, 1] expected, got {_short(row)}"
        )
    for name, value in (("image_id", image_id), ("category_id", category_id)):
        _check_id(path, f"{name} of entry {number}", value)
    return image_id, category_id, box, score


def _check_id(path: Path, what: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"{path}: a whole number or text expected as {what}, got {_short(value)}")


def _figure(path: Path, name: str, value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value < MOST:
        raise ValueError(
            f'{path}: a number above 0 and below {MOST:g} expected as "{name}", got {_short(value)}'
        )
    return float(value)


def _names(path: Path, rows: Any, name_key: str) -> dict[Id, str]:
    """Name by id, of a list of {"id", name_key}."""
    names: dict[Id, str] = {}
    try:
        for row in rows:
            _check_id(path, f"id of {_short(row)}", row["id"])
            names[row["id"]] = str(row[name_key])
    except (KeyError, TypeError) as error:
        raise ValueError(
            f'{path}: a list of {{"id", "{name_key}"}} expected, got {_short(rows)}'
        ) from error
    return names


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"no file {path}; check the path") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: JSON expected, got {_short(str(error))}") from error


def _short(value: Any) -> str:
    return f"{value!r}"[:SHOWN]
