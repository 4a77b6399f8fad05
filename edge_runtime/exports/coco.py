"""COCO export: one JSON list of results, with the ids of an annotation file if one is given."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from edge_runtime.exports.base import Job, Picture, Writer, check_different
from edge_runtime.media.atomic import atomic_path

FILE_NAME = "detections.json"
MOST_BYTES = 1 << 30  # COCO's own largest file has 470 MB
_SHOWN = 60  # characters of a value in a message

Id: TypeAlias = "int | str"


class CocoWriter(Writer):
    """[{"image_id", "category_id", "bbox": [x, y, w, h], "score"}, …], as COCO's tools load it.

    To FILE_NAME in the job's folder, else to stdout, after the last picture.
    """

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        if job.coco_annotations is None:
            image_ids = [plain_image_id(image) for image in job.images]
            category_ids: list[Id] = list(range(1, len(job.class_names) + 1))
        else:
            file = _AnnotationFile(job.coco_annotations)
            image_ids = [file.image_id(image) for image in job.images]
            category_ids = [file.category_id(name) for name in job.class_names]
        check_different(job.images, image_ids, "one image id")
        self._image_ids, self._category_ids = image_ids, category_ids
        self._results: list[dict[str, Any]] = []

    def write(self, picture: Picture) -> None:
        for label in picture.labels():
            x_min, y_min, x_max, y_max = label.box
            size = round(x_max - x_min, 2), round(y_max - y_min, 2)
            result = {
                "image_id": self._image_ids[picture.number],
                "category_id": self._category_ids[label.class_id],
                "bbox": [x_min, y_min, *size],
                "score": round(label.score, 6),
            }
            self._results.append(result)

    def finish(self) -> None:
        text = json.dumps(self._results)
        if self.job.folder is None:
            print(text, flush=True)
            return
        with atomic_path(self.job.folder / FILE_NAME) as temporary:
            temporary.write_text(f"{text}\n", encoding="utf-8")


def plain_image_id(image: str) -> Id:
    """The number that a file is named by, as COCO's own are, else its name."""
    path = Path(image)
    number = path.stem.isascii() and path.stem.isdecimal()
    return int(path.stem) if number else path.name


class _AnnotationFile:
    """Ids of images by file name and of categories by name. Raises: ValueError, OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.is_file():
            raise FileNotFoundError(f"no COCO annotations at {path}; check the path")
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"{path}: {MOST_BYTES >> 20} MiB at most expected; check the path")
        try:
            content = json.loads(path.read_text(encoding="utf-8-sig"))
        except MemoryError as error:
            raise ValueError(
                f"{path}: too little memory for its {path.stat().st_size >> 20} MiB; keep the "
                "images that are looked at, or work on a larger machine"
            ) from error
        except ValueError as error:
            raise ValueError(
                f"{path}: expected COCO annotations in JSON, got {error}; check the path"
            ) from error
        except RecursionError as error:
            raise ValueError(
                f"{path}: expected COCO annotations in JSON, got lists or objects nested too deep; "
                "check the path"
            ) from error
        self._images: defaultdict[str, list[tuple[str, Id]]] = defaultdict(list)
        for name, image_id in self._rows(content, "images", "file_name"):
            name = name.replace("\\", "/")
            self._images[name.rpartition("/")[2]].append((name, image_id))
        categories = self._rows(content, "categories", "name")
        self._categories = dict(categories)
        if len(self._categories) < len(categories):
            raise ValueError(f"{path}: two categories have one name; rename or remove one")

    def _rows(self, content: Any, table: str, key: str) -> Sequence[tuple[str, Id]]:
        try:
            rows = [(str(row[key]), row["id"]) for row in content[table]]
        except (KeyError, TypeError) as error:
            raise ValueError(
                f'{self._path}: expected COCO annotations with "{table}", each with "id" and '
                f'"{key}", got none ({type(error).__name__}: {error}); name an annotation file'
            ) from error
        for name, row_id in rows:
            if isinstance(row_id, bool) or not isinstance(row_id, int | str):
                raise ValueError(
                    f'{self._path}: expected a whole number or text as "id" in "{table}", got '
                    f"{json.dumps(row_id)[:_SHOWN]} for {name[:_SHOWN]}; correct the file"
                )
        return rows

    def image_id(self, image: str) -> Id:
        """By file name; folders in it decide only where several images are named alike."""
        path = Path(image).absolute().as_posix()
        found = self._images.get(Path(image).name, [])
        if len(found) > 1:
            found = [row for row in found if path.endswith(f"/{row[0]}")] or found
        if len(found) != 1:
            got = f"{len(found)} of that name" if found else "none"
            raise ValueError(
                f"{self._path}: expected an image with the file_name of {image}, got {got}; "
                "leave the picture out or add it to the file"
            )
        return found[0][1]

    def category_id(self, name: str) -> Id:
        if name not in self._categories:
            known = ", ".join(self._categories) or "none"
            raise ValueError(
                f"{self._path}: expected a category {name!r}, as the model has, got {known}; "
                "add it to the file or name the file that the model was trained on"
            )
        return self._categories[name]
