"""A PASCAL VOC folder as pictures, boxes and class ids, without TensorFlow.

python -m train.data check DIR                  # what is wrong with it
python -m train.data check DIR --fix OUT        # a repaired copy
python -m train.data check DIR --report set.png # classes, box sizes, samples
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_runtime.media.images import read_image
from train.data.geometry import DataWarning, place_boxes, plain_warnings
from train.data.voc import (
    VocAnnotation,
    check_class_names,
    check_layout,
    find_class_names,
    find_image,
    read_annotation,
    read_split,
)

__all__ = [
    "DataWarning",
    "Example",
    "VocDataset",
    "load_voc",
    "plain_warnings",
    "read_image",
]


@dataclass(frozen=True, eq=False)
class Example:
    """One annotated picture.

    width, height: pixels. boxes: (N, 4) float32 xyxy in [0, 1] of the picture, each with an area.
    class_ids: (N,) int64, index into the data set's class_names. difficult: (N,) bool. image_id:
    the stem that the split file names.
    """

    image_path: Path
    width: int
    height: int
    boxes: np.ndarray
    class_ids: np.ndarray
    difficult: np.ndarray
    image_id: str


@dataclass(frozen=True, eq=False)
class VocDataset:
    """One split of a VOC folder, in the order of its split file."""

    root: Path
    split: str
    class_names: tuple[str, ...]
    examples: list[Example]

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Example:
        return self.examples[index]

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)

    @property
    def box_count(self) -> int:
        return sum(len(example.boxes) for example in self.examples)

    def class_counts(self) -> dict[str, int]:
        """Boxes of each class, in the order of class_names, zeros included."""
        counts = np.zeros(len(self.class_names), np.int64)
        for example in self.examples:
            counts += np.bincount(example.class_ids, minlength=len(counts))
        return dict(zip(self.class_names, counts.tolist(), strict=True))


def load_voc(root: str | Path, split: str, class_names: Sequence[str] | None = None) -> VocDataset:
    """Read the annotations of one split; pictures stay on disk, see `read_image`.

    class_names: None takes `labels.txt` in the root (a name a line), else the sorted names found
    in all annotations of the folder, so that every split numbers its classes alike.

    Box numbers are corners in pixels (x / width, with no +1; see train/data/voc.py). Boxes without
    an area or wholly outside the picture are skipped, others clipped to it, each with a
    DataWarning. Where the size in the XML contradicts the picture, the picture's counts, with a
    DataWarning.

    Raises: ValueError for a folder that is no VOC folder, a missing or empty split, a malformed
    annotation, a missing picture, a class that class_names lacks.
    """
    root = Path(root)
    check_layout(root)
    image_ids = read_split(root, split)
    names = find_class_names(root) if class_names is None else check_class_names(class_names)
    examples = []
    for image_id in image_ids:
        xml_path = root / "Annotations" / f"{image_id}.xml"
        if not xml_path.is_file():
            raise ValueError(
                f"{xml_path}: expected an annotation for {image_id!r} of the split {split!r}, got "
                "no such file; add it or remove the line from the split file"
            )
        examples.append(_to_example(root, image_id, read_annotation(xml_path), names))
    return VocDataset(root, split, names, examples)


def _to_example(
    root: Path, image_id: str, annotation: VocAnnotation, class_names: tuple[str, ...]
) -> Example:
    for item in annotation.objects:
        if item.name not in class_names:
            raise ValueError(
                f"{annotation.path}: got the class {item.name!r}, expected one of "
                f"{', '.join(class_names)}; correct the name or the list of classes"
            )
    image_path = find_image(root, image_id, annotation)
    (width, height), boxes, kept = place_boxes(annotation, image_path)
    return Example(
        image_path,
        width,
        height,
        boxes,
        np.array([class_names.index(item.name) for item in kept], np.int64),
        np.array([item.difficult for item in kept], bool),
        image_id,
    )
