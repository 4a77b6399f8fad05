"""Paths in a YOLO configuration: found although it was written on another computer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from train.data.formats.files import FolderFiles, path_parts
from train.data.formats.image_ids import IMAGE_SUFFIXES, SPLIT_NAMES, split_of
from train.data.formats.yolo.config import Config, Value


class Places:
    """Folders and files below a root, found by the longest end of a path that exists there."""

    def __init__(self, files: FolderFiles) -> None:
        self._root = files.root
        self._exact: dict[tuple[str, ...], Path] = {(): files.root}
        for folders in {files.parts(path) for path in files.paths}:
            for end in range(1, len(folders) + 1):
                self._exact[folders[:end]] = files.root.joinpath(*folders[:end])
        for path in files.paths:
            if path.suffix.lower() not in IMAGE_SUFFIXES:
                place = (*files.parts(path), path.name)
                self._exact[place] = path
        self._alike: dict[tuple[str, ...], Path] = {}
        for parts, path in self._exact.items():
            self._alike.setdefault(_alike(parts), path)

    def find(self, text: str, bases: Sequence[tuple[str, ...]]) -> tuple[Path | None, bool]:
        """The folder or file that a path names, and whether only its end was of use.

        bases: folders that it may start from, below the root. What is cut off must not end in the
        name of a split: valid/images is not images.
        """
        parts = self._below_root(text)
        for start in range(len(parts) + 1):
            if start and split_of([parts[start - 1]]) and not self._is_root(parts, start):
                continue
            if start and start == len(parts) and not self._is_root(parts, start):
                break
            for base in bases:
                wanted = *base, *parts[start:]
                found = self._exact.get(wanted) or self._alike.get(_alike(wanted))
                if found:
                    return found, start > 0
        return None, False

    def _below_root(self, text: str) -> list[str]:
        path = Path(text)
        if path.is_absolute():
            for root in (self._root.absolute(), self._root.resolve()):
                if path.is_relative_to(root):
                    return list(path.relative_to(root).parts)
        return path_parts(text)

    def _is_root(self, parts: Sequence[str], end: int) -> bool:
        """Whether a path up to there may be the root's own on another computer."""
        name = self._root.resolve().name
        return parts[end - 1] == name and name not in parts[end:]

    def parts(self, path: Path) -> tuple[str, ...]:
        """The names from the root to a folder or file; () for one that lies outside."""
        inside = path.is_relative_to(self._root)
        return path.relative_to(self._root).parts if inside else ()


def _alike(parts: Sequence[str]) -> tuple[str, ...]:
    """Case, and whether it is val or valid, make no difference where nothing fits better."""
    return tuple(SPLIT_NAMES.get(part.lower(), part.lower()) for part in parts)


def find_source(places: Places, config: Config, value: Value) -> tuple[Path | None, str]:
    """The folder or list of a source; a sentence for the screen where its path had to be cut.

    (None, why) where there is none.
    """
    own = places.parts(config.path)[:-1]
    bases = [own, ()]
    if config.base and path_parts(config.base.text):
        base, _ = places.find(config.base.text, [own, ()])
        if base:
            bases.insert(0, places.parts(base))
    where = f"{config.path}, line {value.line}"
    found, was_cut = places.find(value.text, bases)
    if found is None:
        return None, (
            f"{where}: expected a folder or list at {value.text}, got nothing there, nor does an "
            "end of that path exist in the folder; correct the path or add what it names"
        )
    if was_cut:
        shorter = "/".join(places.parts(found)) or "the folder itself"
        return found, f"{where}: {value.text} is not here; took {shorter}"
    return found, ""
