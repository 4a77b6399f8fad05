"""Survey of a VOC folder: everything that it holds, read once and without stopping at a flaw."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tqdm import tqdm

from edge_runtime.media.images import read_header, read_image
from train.data.annotation import Annotation
from train.data.dataset import LabeledData, open_data
from train.data.geometry import Placement, find_placement
from train.data.labeled_folder import Item, LabeledFolder
from train.data.lint.leaks import Leak, find_leaks
from train.data.lint.spelling import find_misspelt
from train.data.splits.near import pixel_digest


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

    annotation: Annotation
    image: StoredImage
    placement: Placement


@dataclass(frozen=True)
class Entry(Item):
    """One item of the folder with its decoded image.

    image: None where there is none or it cannot be decoded, see `undecodable`.
    """

    image: StoredImage | None = None
    undecodable: str | None = None

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
    """A labelled folder, its splits and all its images, decoded once."""

    data: LabeledData
    entries: dict[str, Entry] = field(default_factory=dict)

    @property
    def folder(self) -> LabeledFolder:
        return self.data.folder

    @property
    def root(self) -> Path:
        return self.folder.root

    @cached_property
    def splits(self) -> dict[str, dict[int, str]]:
        """Name → line number → image id: the given ones as they are given, and those made."""
        given = {name: split.lines for name, split in self.folder.splits.items()}
        made = {name: dict(enumerate(ids, 1)) for name, ids in self.data.splits.items()}
        return made if self.data.made else given

    def split_file(self, split: str) -> str:
        """The file or folder that gives a split; of a made one the root."""
        given = self.folder.splits.get(split)
        return self.relative(given.path if given else self.root)

    def split_line(self, split: str, line: int) -> int:
        """A line of `splits` as a finding's: 0 where no list gives the split."""
        given = self.folder.splits.get(split)
        return line if given and given.is_list else 0

    @property
    def labels(self) -> dict[int, str] | None:
        """Number in the folder's list of classes → name; None without a list."""
        classes = self.folder.classes
        return None if classes is None else dict(enumerate(classes.names, 1))

    def relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    @cached_property
    def used_ids(self) -> set[str]:
        """The ids that a split names."""
        return {image_id for lines in self.splits.values() for image_id in lines.values()}

    @property
    def class_counts(self) -> Counter[str]:
        """Objects of each class name, as written, over all annotations."""
        return self.folder.class_counts

    @property
    def listed(self) -> tuple[str, ...] | None:
        """The names of the folder's list, each once; None where there is no name to go by."""
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
    """Read a labelled folder and decode all its labelled images.

    Raises: ValueError where no format fits. OSError where a file cannot be read.
    """
    survey = Survey(open_data(root, write=False))
    images: dict[Path, StoredImage | str] = {}  # two annotations may name one file
    items = survey.folder.items.values()
    for item in tqdm(items, desc="checking", unit="picture", disable=None):
        survey.entries[item.image_id] = _decode(item, images)
    return survey


def _decode(item: Item, images: dict[Path, StoredImage | str]) -> Entry:
    path = item.image_path
    if path is None:
        return Entry(**vars(item))
    if path not in images:
        images[path] = _read_image(path)
    found = images[path]
    image, undecodable = (None, found) if isinstance(found, str) else (found, None)
    return Entry(**vars(item), image=image, undecodable=undecodable)


def _read_image(path: Path) -> StoredImage | str:
    """The image, or why it cannot be decoded."""
    try:
        stored_wh, orientation = read_header(path)
        pixels = read_image(path)
    except ValueError as error:
        return str(error).removeprefix(f"{path} ")
    return StoredImage(path, stored_wh, orientation, pixel_digest(pixels))
