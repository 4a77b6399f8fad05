"""Files of a data set under build/, by a name that no other data set and no other process has."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

TAKEN = ("digits", "digits_256")  # by `make train` and `make convert`, even if they come later
LONGEST_NAME = 60  # characters: longer ones of files are made of it, and some systems take 143


@dataclass(frozen=True)
class MineFiles:
    """The files of one data set in a folder, by its name."""

    folder: Path
    name: str

    @property
    def model(self) -> Path:
        return self.folder / f"{self.name}.keras"

    @property
    def state(self) -> Path:
        """Of an interrupted training, see `train.training.checkpoint.TrainingFiles`."""
        return self.model.with_suffix(".resume.npz")

    @property
    def verdict(self) -> Path:
        return self.folder / f"{self.name}_verdict.txt"

    @property
    def claim(self) -> Path:
        """Number and path of the data set, so that another of its name finds its own place."""
        return self.folder / f"{self.name}.data"

    @property
    def converted(self) -> Path:
        return self.folder / self.name

    @property
    def report(self) -> Path:
        """What a conversion writes last."""
        return self.converted / "report.json"

    @property
    def made(self) -> bool:
        """Whether there is anything of a training, or a folder where a conversion would write."""
        return any(path.exists() for path in (self.model, self.state, self.converted))

    @property
    def int8(self) -> Path:
        return self.converted / f"{self.name}_int8.tflite"


def plain_name(data: Path) -> str:
    """Name of a data set's folder in letters that shells, make and scp take as they are."""
    return plain(data.parent.name if data.is_file() else data.name)  # a data.yaml is named, too


def plain(name: str) -> str:
    """A name of such letters alone."""
    kept = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)
    return kept.lstrip("._-")[:LONGEST_NAME] or "mine"


@contextmanager
def claimed(data: Path, name: str, folder: Path) -> Iterator[tuple[MineFiles, TextIO]]:
    """The files of a data set, and the open claim, locked for this process and its children.

    Where `name` belongs to another data set, to files that are no data set's, or to the digits, a
    digest of the path is added.

    Raises: ValueError where another process is at work on them; OSError.
    """
    digest = hashlib.blake2b(os.fsencode(data), digest_size=4).hexdigest()
    for each in (*([] if name in TAKEN else [name]), f"{name}-{digest}"):
        files = MineFiles(folder, each)
        folder.mkdir(parents=True, exist_ok=True)
        with files.claim.open("a+", encoding="utf-8", errors="surrogateescape") as claim:
            is_free = _lock(claim)
            claim.seek(0)
            number, _, owner = claim.read().removesuffix("\n").partition(" ")
            if owner == str(data) and not is_free:
                raise ValueError(
                    f"another `make mine` is at work on {data}, and has locked {files.claim}; "
                    "wait for it, or end it"
                )
            has_moved = not Path(owner).exists() and number == _number(data)
            if is_free and (owner == str(data) or (has_moved if owner else not files.made)):
                _take(claim, files, owner, data)
                try:
                    yield files, claim
                finally:
                    if not files.made:  # such as of a folder that is no data set
                        files.claim.unlink(missing_ok=True)
                return
        if is_free and not owner:  # else it is of one that begins at this moment
            files.claim.unlink(missing_ok=True)
    raise ValueError(
        f"{folder}/{name}-{digest}.*: files of {data} expected, got others; give another NAME="
    )


def _lock(claim: TextIO) -> bool:
    """Whether nobody else has it; a file system without locks has nobody."""
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _number(data: Path) -> str:
    """Of the folder in its file system: it keeps it when it gets another name or place there."""
    return str(data.stat().st_ino)


def _take(claim: TextIO, files: MineFiles, owner: str, data: Path) -> None:
    if owner not in ("", str(data)):  # numbers are given again, to what may be other pictures
        print(
            f"{files.model} is of {owner}, which is no longer there: {data} is taken for the same "
            "pictures at their new place; NAME=other keeps them apart"
        )
    claim.truncate(0)
    claim.write(f"{_number(data)} {data}\n")
    claim.flush()
