"""Survey of a VOC folder: everything that it holds, read once and without stopping at a flaw."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tqdm import tqdm

from edge_runtime.media.images import read_image
from train.data.geometry import Placement, find_placement, read_header
from train.data.lint.leaks import Leak, find_leaks
from train.data.lint.spelling import find_misspelt
from train.data.splits.near import pixel_digest
from train.data.voc import (
    MalformedXml,
    VocAnnotation,
    VocFlaw,
    check_layout,
    find_image,
    label_lines,
    picture_files,
    scan_annotation,
    split_lines,
    split_names,
)


@dataclass(frozen=True)
class StoredImage:
    """An image that decodes. stored_wh: pixels, as in the file; digest: of its upright pixels."""

    path: Path
    stored_wh: tuple[int, int]
    orientation: int
    digest: str


@dataclass(frozen=True)
class Usable:
    """An annotation and its image, of an entry that can be trained on, and how they fit."""

    annotation: VocAnnotation
    image: StoredImage
    placement: Placement


@dataclass(frozen=True)
class Entry:
    """One annotation file and its image.

    annotation: None where the file is malformed, see `malformed`. flaws: of objects that are not
    in the annotation. image_path: None where there is no image. image: None also where it cannot
    be decoded, see `undecodable`.
    """

    image_id: str
    path: Path
    annotation: VocAnnotation | None
    malformed: MalformedXml | None
    flaws: tuple[VocFlaw, ...]
    image_path: Path | None
    image: StoredImage | None
    undecodable: str | None

    @cached_property
    def usable(self) -> Usable | None:
        """Both halves of the entry; None where one is missing."""
        annotation, image = self.annotation, self.image
        if annotation is None or image is None:
            return None
        placement = find_placement(annotation.size_wh, image.stored_wh, image.orientation)
        return Usable(annotation, image, placement)

    @property
    def line(self) -> int:
        """The line on which the annotation starts, or its XML is malformed."""
        if self.malformed:
            return self.malformed.line
        return self.annotation.line if self.annotation else 0


@dataclass
class Survey:
    """splits: name → line number → image id. labels: line number → name, None without labels.txt.

    unannotated: pictures that belong to no annotation.
    """

    root: Path
    splits: dict[str, dict[int, str]]
    labels: dict[int, str] | None
    entries: dict[str, Entry] = field(default_factory=dict)
    unannotated: list[Path] = field(default_factory=list)

    def relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    @cached_property
    def used_ids(self) -> set[str]:
        """The ids that a split names."""
        return {image_id for lines in self.splits.values() for image_id in lines.values()}

    @cached_property
    def class_counts(self) -> Counter[str]:
        """Objects of each class name, as written, over all annotations."""
        objects = (r.annotation.objects for r in self.entries.values() if r.annotation)
        return Counter(item.name for items in objects for item in items)

    @property
    def listed(self) -> tuple[str, ...] | None:
        """The names of labels.txt, each once; None where there is no name to go by."""
        return tuple(dict.fromkeys((self.labels or {}).values())) or None

    @cached_property
    def corrections(self) -> dict[str, str]:
        """Misspelt class name → the right one."""
        return find_misspelt(self.class_counts, self.listed)

    @cached_property
    def leaks(self) -> list[Leak]:
        """Among pictures that can be trained on; the others have worse flaws."""
        splits = {
            split: [i for i in lines.values() if i in self.entries and self.entries[i].usable]
            for split, lines in self.splits.items()
        }
        return find_leaks(splits, self.digests)

    @cached_property
    def digests(self) -> dict[str, str]:
        """Image id → digest of the pixels, where they can be read."""
        entries = self.entries.values()
        return {entry.image_id: entry.image.digest for entry in entries if entry.image}


def survey_folder(root: str | Path) -> Survey:
    """Read all splits, annotations and annotated pictures of a VOC folder; decodes every picture.

    Raises: ValueError where it is no VOC folder. OSError where a file cannot be read.
    """
    root = Path(root)
    check_layout(root)
    splits = {split: split_lines(root, split) for split in split_names(root)}
    survey = Survey(root, splits, label_lines(root))
    paths = sorted((root / "Annotations").glob("*.xml"))
    images: dict[Path, StoredImage | str] = {}  # two annotations may name one file
    for path in tqdm(paths, desc="checking", unit="picture", disable=None):
        survey.entries[path.stem] = _read_entry(root, path, images)
    survey.unannotated = [path for path in picture_files(root) if path not in images]
    return survey


def _read_entry(root: Path, path: Path, images: dict[Path, StoredImage | str]) -> Entry:
    annotation: VocAnnotation | None = None
    malformed: MalformedXml | None = None
    flaws: list[VocFlaw] = []
    try:
        annotation, flaws = scan_annotation(path)
    except MalformedXml as error:
        malformed = error
    try:
        known = annotation or VocAnnotation(path, None, None, (), 1, 1)
        image_path = find_image(root, path.stem, known)
    except ValueError:
        return Entry(path.stem, path, annotation, malformed, tuple(flaws), None, None, None)
    if image_path not in images:
        images[image_path] = _read_image(image_path)
    found = images[image_path]
    image, undecodable = (None, found) if isinstance(found, str) else (found, None)
    return Entry(
        path.stem, path, annotation, malformed, tuple(flaws), image_path, image, undecodable
    )


def _read_image(path: Path) -> StoredImage | str:
    """The image, or why it cannot be decoded."""
    try:
        stored_wh, orientation = read_header(path)
        pixels = read_image(path)
    except ValueError as error:
        return str(error).removeprefix(f"{path}: ")
    return StoredImage(path, stored_wh, orientation, pixel_digest(pixels))
