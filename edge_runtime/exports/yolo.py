"""YOLO export: a text file a picture, and classes.txt with the names."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.exports.base import (
    CLASS_CURE,
    Job,
    Label,
    Picture,
    Writer,
    check_characters,
    plan_label_files,
)
from edge_runtime.media.atomic import atomic_path

CLASSES = "classes.txt"  # a class name a line, in the order of the class ids


class YoloWriter(Writer):
    """NAME.txt in the job's folder: `class_id cx cy w h` a line, in [0, 1] of the upright picture.

    No score: what trains on such files refuses a sixth column. A picture without objects gets an
    empty file, which means that there are none.
    """

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        check_characters(job.class_names, CLASS_CURE)
        for image in job.images:
            if f"{Path(image).stem}.txt".casefold() == CLASSES:
                raise ValueError(f"{CLASSES} is for the class names; rename the picture {image}")
        self._targets = plan_label_files(job, "yolo", ".txt")
        _write_classes(self._targets[0].with_name(CLASSES), job.class_names)

    def write(self, picture: Picture) -> None:
        lines = [_line(label, picture.width, picture.height) for label in picture.labels()]
        with atomic_path(self._targets[picture.number]) as temporary:
            temporary.write_text("".join(lines), encoding="utf-8")


def _line(label: Label, width: int, height: int) -> str:
    x_min, y_min, x_max, y_max = label.box
    center = (x_min + x_max) / 2 / width, (y_min + y_max) / 2 / height
    size = (x_max - x_min) / width, (y_max - y_min) / height
    numbers = " ".join(f"{value:.6f}" for value in (*center, *size))
    return f"{label.class_id} {numbers}\n"


def _write_classes(path: Path, names: tuple[str, ...]) -> None:
    """Raises: ValueError where the file of another detector is there: its ids mean other things."""
    text = "".join(f"{name}\n" for name in names)
    if path.exists():
        if path.read_text(encoding="utf-8") != text:
            raise ValueError(
                f"{path} has other classes than this model, {', '.join(names)}; "
                "name another folder, or one model for all of it"
            )
        return
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
