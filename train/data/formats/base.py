"""Recognition of a format: what a format's file offers to `train.data.formats.registry`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from train.data.formats.files import FolderFiles
from train.data.labeled_folder import LabeledFolder


@dataclass(frozen=True)
class Recognized:
    """A folder that a format can read.

    Attributes:
        labels: label files, of a table or JSON file its pictures: the format with most is taken.
        read: reads all of it, without stopping at a flaw. Raises: ValueError for a folder of
            this format that is of no use as a whole (its list of classes cannot be read); OSError.
    """

    labels: int
    read: Callable[[], LabeledFolder]


# Weight of a tool's own form: its files often lie beside what was exported from them, which knows
# the splits.
OWN_FORM = 0.5


@dataclass(frozen=True)
class Format:
    """A row of the registry.

    Attributes:
        name: for people, as `LabeledFolder.format`.
        recognize: quick, looks at names and beginnings of files; None where it is another format.
        weight: what a label counts beside one of another format.
    """

    name: str
    recognize: Callable[[FolderFiles], Recognized | None]
    weight: float = 1
