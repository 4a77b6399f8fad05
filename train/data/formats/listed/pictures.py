"""Pictures that lists of labels name, found in a folder: by the end of the paths that they give."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from train.data.formats.files import FolderFiles, distance
from train.data.formats.image_ids import IMAGE_SUFFIXES, SPLIT_NAMES, plain_id, split_of
from train.data.formats.listed.content import ListedImage, ListFile, some


def file_split(files: FolderFiles, path: Path) -> str | None:
    """The one split that its name holds (instances_train2017.json), else that of its folders."""
    words = re.findall("[a-z]+", path.stem.lower())
    named = {SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES}
    return named.pop() if len(named) == 1 else split_of(files.parts(path))


def image_split(files: FolderFiles, label: Path, image: ListedImage) -> str | None:
    """The split of a list's entry: its own, else the file's."""
    return image.split or file_split(files, label)


class _Pictures:
    """Pictures of a folder by the end of their path, as far as a "file_name" gives it."""

    def __init__(self, files: FolderFiles) -> None:
        self._files = files
        self._by_name: dict[str, list[tuple[tuple[str, ...], Path]]] = defaultdict(list)
        for path in files.images:
            parts = _parts(files.relative(path))
            self._by_name[parts[-1]].append((parts, path))
            stem = PurePosixPath(parts[-1]).stem  # frames of a video are named without a suffix
            if PurePosixPath(stem).suffix not in IMAGE_SUFFIXES:
                self._by_name[stem].append(((*parts[:-1], stem), path))

    def whole(self, label: Path, image: ListedImage) -> list[Path]:
        """Those whose path ends with all of "file_name" and that another split has no claim on.

        The best fits: in the split's folder, near the label file, in folders like images/.
        """
        wanted, split = _parts(image.file_name), image_split(self._files, label, image)
        ranked = defaultdict(list)
        for parts, path in self._by_name.get(wanted[-1], ()):
            own = split_of(self._files.parts(path))
            if parts[-len(wanted) :] == wanted and (split is None or own in (None, split)):
                above = self._files.parts(path)[: len(parts) - len(wanted)]
                near = distance(self._files.parts(label), above)
                other = plain_id("/".join([*above, "x"])).count("/")
                exact = self._files.relative(path).endswith(image.file_name)
                ranked[own != split, near, other, not exact].append(path)
        return ranked[min(ranked)] if ranked else []

    def partial(self, label: Path, image: ListedImage, taken: Collection[Path]) -> list[Path]:
        """Those of the name that no "file_name" names in full; the longest common end of paths.

        None of another split or another folder than those of the label file and "file_name".
        """
        ranked = defaultdict(list)
        split = image_split(self._files, label, image)
        above = [*self._files.parts(label), *([split] if split else [])]
        for name in dict.fromkeys((image.file_name, unquote(image.file_name))):
            wanted = _parts(name)
            for parts, path in self._by_name.get(wanted[-1], ()):
                folders = [*above, *wanted[:-1]]
                if path not in taken and not self._files.belongs_elsewhere(folders, path):
                    ranked[_common_end(parts, wanted)].append(path)
        return ranked[max(ranked)] if ranked else []


def _parts(path: str) -> tuple[str, ...]:
    """The names of a path as a file system may hold them: in any case and Unicode form."""
    folded = unicodedata.normalize("NFC", path.replace("\\", "/")).casefold()
    return tuple(part for part in folded.split("/") if part not in ("", ".", ".."))


def _common_end(first: Sequence[str], second: Sequence[str]) -> int:
    count = 0
    for a, b in zip(reversed(first), reversed(second), strict=False):
        if a != b:
            break
        count += 1
    return count


def find_pictures(
    files: FolderFiles, lists: Sequence[ListFile], name_tag: str
) -> dict[int, tuple[Path | None, str]]:
    """`id` of an image → (its picture, "") or (None, why). name_tag: as `read_lists`."""
    pictures = _Pictures(files)
    images = [(file.path, image) for file in lists for image in file.images]
    fits = {id(image): pictures.whole(path, image) for path, image in images}
    taken = {path for fit in fits.values() if len(fit) == 1 for path in fit}
    wanted_by: dict[Path, set[str]] = defaultdict(set)
    for path, image in images:
        if not fits[id(image)]:
            fits[id(image)] = pictures.partial(path, image, taken)
            for picture in fits[id(image)]:
                wanted_by[picture].add(image.file_name)
    return {
        id(image): _only(files, image, fits[id(image)], wanted_by, name_tag) for _, image in images
    }


def _only(
    files: FolderFiles,
    image: ListedImage,
    fit: list[Path],
    wanted_by: dict[Path, set[str]],
    name_tag: str,
) -> tuple[Path | None, str]:
    if not fit:
        return None, f"has no picture {image.file_name}; add the picture"
    if len(fit) > 1:
        names = " and ".join(files.relative(path) for path in fit)
        return None, f"{names} fit both; rename one of them or name its folder in {name_tag}"
    others = sorted(wanted_by.get(fit[0], set()) - {image.file_name})
    if others:
        return None, (
            f"has no picture {image.file_name}; {files.relative(fit[0])} could be that of "
            f"{some(others)}, too: put the pictures into the folders that {name_tag} says"
        )
    return fit[0], ""
