"""Export interface: what a writer of a file format is given, and what it must do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge_runtime.detector.detections import Detections
from edge_runtime.detector.spec import UNPRINTABLE

NAMED = 5  # files in a message

CLASS_CURE = "rename the class in the data set and train again"


@dataclass(frozen=True)
class Job:
    """A call of `detect`, as known before the first picture.

    Attributes:
        images: paths as given.
        class_names: of the detector; a class id is an index into it.
        folder: for files; None to write to stdout.
        coco_annotations: a COCO file whose ids are to be used.
    """

    images: Sequence[str]
    class_names: tuple[str, ...]
    folder: Path | None = None
    coco_annotations: Path | None = None


class Label(NamedTuple):
    """A detection for a file: its box lies within the picture, and has an area.

    box: xyxy in pixels of the upright picture, with at most two decimals.
    """

    name: str
    class_id: int
    score: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture and what was found in it.

    Attributes:
        number: its index in the job's images.
        path: as given.
        pixels: (h, w, 3) RGB uint8, upright; smaller than the picture where that is large.
        detections: in pixels of the picture.
        ms: milliseconds of each step of the detector.
        hw: (height, width) of the picture; None for that of `pixels`.
    """

    number: int
    path: str
    pixels: np.ndarray
    detections: Detections
    ms: Mapping[str, float]
    hw: tuple[int, int] | None = None

    @property
    def width(self) -> int:
        return int(self.hw[1] if self.hw else self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.hw[0] if self.hw else self.pixels.shape[0])

    def detections_in_pixels(self) -> Detections:
        """The detections in pixels of `pixels`."""
        height, width = self.pixels.shape[:2]
        scale = np.array([width / self.width, height / self.height] * 2, np.float32)
        return replace(self.detections, boxes=self.detections.boxes * scale)

    def labels(self) -> list[Label]:
        """The detections, best first, clipped to the picture; those wholly outside are left out."""
        found = self.detections
        most = np.array([self.width, self.height] * 2, np.float64)
        boxes = np.clip(found.boxes.astype(np.float64), 0, most).round(2)
        rows = zip(found.names, found.class_ids, found.scores, boxes.tolist(), strict=True)
        return [
            Label(name, int(class_id), float(score), (x_min, y_min, x_max, y_max))
            for name, class_id, score, (x_min, y_min, x_max, y_max) in rows
            if x_min < x_max and y_min < y_max
        ]


class Writer(ABC):
    """Writes the detections of a job's pictures in one file format.

    Making one checks all that can be checked before the first picture.
    Raises: ValueError, OSError.
    """

    def __init__(self, job: Job) -> None:
        self.job = job

    @abstractmethod
    def write(self, picture: Picture) -> None:
        """Take the next picture. Raises: OSError, ValueError where its file cannot be written."""

    def finish(self) -> None:  # noqa: B027  (most have nothing left to do)
        """Write what stands at the end of all pictures. Raises: OSError."""


def number_text(value: float) -> str:
    """A number of pixels as it is written: whole ones without a point, at most 12 digits."""
    return f"{value:.12g}"


def plan_label_files(job: Job, name: str, suffix: str) -> list[Path]:
    """The label file of each picture: its stem with `suffix`, in the job's folder.

    name: of the format, for messages.

    Raises: ValueError without a folder, where two pictures would share a file, or where one is
        there already: it may hold what somebody corrected by hand.
    """
    if job.folder is None:
        raise ValueError(f"--format {name} writes a file a picture; name their folder with --out")
    stems = [Path(image).stem.casefold() for image in job.images]  # as some file systems see them
    check_different(job.images, stems, f"one {suffix} file")
    targets = [job.folder / f"{Path(image).stem}{suffix}" for image in job.images]
    there = [str(target) for target in targets if target.exists()]
    if there:
        names = ", ".join(there[:NAMED]) + (", …" if len(there) > NAMED else "")
        raise ValueError(
            f"label files are there already and may hold corrections: {names}; "
            "move them away or name another folder"
        )
    return targets


def check_different(images: Sequence[str], keys: Iterable[Hashable], shared: str) -> None:
    """Refuse pictures that the output could not tell apart, by a key for each.

    Raises: ValueError, naming the first two.
    """
    taken: dict[Hashable, str] = {}
    for image, key in zip(images, keys, strict=True):
        if key in taken:
            raise ValueError(
                f"{taken[key]} and {image} would share {shared}; "
                "rename one, or detect in them by two calls with different folders"
            )
        taken[key] = image


def check_characters(names: Iterable[str], cure: str) -> None:
    """Raises: ValueError for a name that would break a line or an XML file."""
    for name in names:
        if UNPRINTABLE.search(name):
            raise ValueError(f"names without control characters expected, got {name!r}; {cure}")
