"""Files of a labelled folder: one walk, pictures found by name and path, splits by folder."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from edge_runtime.exports.base import UNPRINTABLE as UNPRINTABLE
from train.data.formats.image_ids import (
    IMAGE_SUFFIXES,
    SPLIT_NAMES,
    UNREAD_SUFFIXES,
    folders_above,
    says_layout,
    split_of,
)
from train.data.labeled_folder import GivenSplit

ARCHIVES = frozenset((".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"))
_ABSOLUTE = re.compile(r"[/\\~]|[A-Za-z][\w+.-]*:")  # of a system, a drive or an address
_IGNORED_FOLDERS = frozenset(("__MACOSX", "__pycache__", "node_modules"))


class FolderFiles:
    """All files under a folder, hidden ones and macOS's attribute files (._NAME) left out.

    Links to folders are followed, each folder visited once; links to nowhere are left out, and so
    are names that are not UTF-8, which no list and no label file could give.

    Attributes:
        config: the configuration file that was named along with the folder, if one was.
        notes: sentences for the screen on files that were left out.

    Raises: ValueError where `root` is no folder. OSError where it cannot be listed.
    """

    def __init__(self, root: str | Path, config: Path | None = None) -> None:
        self.root, self.config = Path(root), config
        if not self.root.is_dir():
            got, cure = "no such folder", "name the folder"
            if self.root.exists():
                got = "a file"
            if self.root.suffix.lower() in ARCHIVES:
                cure = "unpack it and name the folder"
            raise ValueError(f"{root}: expected a folder of labelled pictures, got {got}; {cure}")
        self._parts: dict[Path, tuple[str, ...]] = {}
        self._folders_with: dict[str, set[str]] = {}
        unreadable: list[bytes] = []
        self.paths = sorted(_walk(self.root, unreadable))
        self.notes = [*_name_notes(self.root, unreadable), *self._unread_notes()]
        self.images = [path for path in self.paths if path.suffix.lower() in IMAGE_SUFFIXES]

    def _unread_notes(self) -> list[str]:
        unread = self.with_suffix(*UNREAD_SUFFIXES)
        if not unread:
            return []
        return [
            f"{self.root}: {len(unread)} pictures are in formats that are not read, such as "
            f"{self.relative(unread[0])}; save them as JPEG or PNG, or move them out of the set"
        ]

    def with_suffix(self, *suffixes: str) -> list[Path]:
        """The files with one of the suffixes (lower case, with the dot), sorted."""
        return [path for path in self.paths if path.suffix.lower() in suffixes]

    def parts(self, path: Path) -> tuple[str, ...]:
        """The folders between the root and a file."""
        parts = self._parts.get(path)  # asked for often, and slow to make
        if parts is None:
            parts = self._parts[path] = path.relative_to(self.root).parts[:-1]
        return parts

    def relative(self, path: Path) -> str:
        """The path below the root, with slashes."""
        return path.relative_to(self.root).as_posix()

    def describe_folders(self, paths: Iterable[Path]) -> str:
        """The folders of files, for people: "annots/", "train/, valid/ and 3 more"."""
        folders = sorted({"/".join(self.parts(path)) for path in paths})
        names = [f"{folder}/" if folder else "the folder itself" for folder in folders]
        more = f" and {len(names) - 3} more" if len(names) > 4 else ""
        return ", ".join(names[: 3 if more else 4]) + more

    def folder_splits(self, placed: Iterable[tuple[str, Path]]) -> dict[str, GivenSplit]:
        """The splits that folders make: train/ valid/ test/, images/train and so on.

        Args:
            placed: (image id, a file in the folder that counts) of each picture.
        """
        found: dict[str, list[tuple[str, Path]]] = defaultdict(list)
        for image_id, path in placed:
            split = split_of(self.parts(path))
            if split:
                found[split].append((image_id, path))
        return {
            split: GivenSplit(
                _common_folder([path for _, path in found[split]]),
                {number: image_id for number, (image_id, _) in enumerate(found[split], 1)},
            )
            for split in ("train", "val", "test")
            if split in found
        }

    @cached_property
    def _by_stem(self) -> dict[str, list[Path]]:
        found = defaultdict(list)
        for path in self.images:
            found[_key(path.stem)].append(path)
        return found

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        found = defaultdict(list)
        for path in self.images:
            found[_key(path.name)].append(path)
        return found

    def find_image(self, label: Path, filename: str | None = None) -> tuple[Path | None, str]:
        """The picture of a label file that lies somewhere in the folder: (path, "").

        It has the label file's stem, and of several the one that `filename` names, wherever it
        lies: a mask beside the label file is not the picture; else the name in `filename`. The
        nearest counts: in the same folder, in one that differs in one name
        (annots/a/1.xml, images/a/1.jpg), further away only if nothing else fits. One that
        `belongs_elsewhere` never does.

        Returns: (None, why) where none or more than one fits.
        """
        wanted = picture_name(filename)
        named = self._by_name.get(_key(wanted), []) if wanted else []
        same_stem = self._by_stem.get(_key(label.stem), [])
        elsewhere = {  # in order
            path: None
            for path in dict.fromkeys([*same_stem, *named])
            if self.belongs_elsewhere(self.parts(label), path, label.suffix)
        }
        exact = [path for path in same_stem if _key(path.name) == _key(wanted)]
        for fitting in (exact, same_stem, named):
            candidates = [path for path in fitting if path not in elsewhere]
            nearest = self._nearest(label, candidates)
            if len(nearest) == 1:
                return nearest[0], ""
            if nearest:
                names = " and ".join(self.relative(path) for path in nearest)
                return None, f"{names} fit both; rename one of them or name it in the label file"
        also = f", nor one named {wanted}" if wanted else ""
        if elsewhere:
            also += f" ({self.relative(next(iter(elsewhere)))} belongs to another folder or split)"
        return None, f"has no picture {label.stem}.jpg (or .png and so on){also}; add the picture"

    def belongs_elsewhere(self, folders: Sequence[str], path: Path, suffix: str = "") -> bool:
        """Whether a picture's folders contradict those of a label, or those that it names.

        That is so where the splits differ; where the label's folder, as cam1/, holds pictures and
        is none of this picture's; and where both have folders of their own, of which the
        picture's holds label files, with `suffix`, too.
        """
        own = self.parts(path)
        splits = {split_of(folders[::-1]), split_of(own[::-1])} - {None}
        if len(splits) > 1:
            return True
        wanted, has = _telling(folders), _telling(own)
        missing, others = wanted - has, has - wanted
        if missing & self._folder_names:
            return True
        return bool(missing and suffix and others & self._label_folders(suffix))

    def _label_folders(self, suffix: str) -> set[str]:
        if suffix not in self._folders_with:
            folders = {self.parts(path) for path in self.with_suffix(suffix.lower())}
            self._folders_with[suffix] = {_folder_key(part) for parts in folders for part in parts}
        return self._folders_with[suffix]

    def has_image(self, name: str) -> bool:
        """Whether a picture of that name, with its suffix, lies anywhere in the folder."""
        return _key(name) in self._by_name

    @cached_property
    def _folder_names(self) -> set[str]:
        folders = {self.parts(path) for path in self.images}
        return {_folder_key(part) for parts in folders for part in parts}

    def find_path(
        self, text: str, origin: Path, split: str | None = None
    ) -> tuple[Path | None, str]:
        """The picture that a list or table names by a path, perhaps one of another machine.

        It has the name and the longest end of the path in common with it; of several the nearest
        to `origin`, the list, counts. A path that goes through another folder of this set, or
        another split than its own or `split`, is another picture's: images/cam1/0.jpg is not
        images/cam2/0.jpg. Without a picture's suffix the stem counts.

        Returns: (None, why) where none or more than one fits.
        """
        *folders, name = path_parts(text) or [""]
        candidates = self._by_name.get(_key(name), [])
        if not candidates and PurePosixPath(name).suffix.lower() not in IMAGE_SUFFIXES:
            candidates = self._by_stem.get(_key(name), [])
        wanted = [_folder_key(part) for part in folders]
        split = split_of(folders[::-1]) or split
        ranked = defaultdict(list)
        for path in candidates:
            own = [_folder_key(part) for part in self.parts(path)]
            own_split = split_of(own[::-1])
            common = 0
            while common < min(len(own), len(wanted)) and own[-1 - common] == wanted[-1 - common]:
                common += 1
            elsewhere = common < len(wanted) and (
                wanted[-1 - common] in self._folder_names or self._branches_off(text, wanted, own)
            )
            if not elsewhere and (not split or own_split in (None, split)):
                away = distance(self.parts(origin), self.parts(path))
                ranked[-common, away].append(path)
        nearest = ranked[min(ranked)] if ranked else []
        if len(nearest) == 1:
            return nearest[0], ""
        if nearest:
            names = " and ".join(self.relative(path) for path in nearest)
            return None, f"{names} fit both; write the path from the folder on"
        return None, f"there is no picture {text.strip()}; add it or remove the line"

    def _branches_off(self, text: str, wanted: Sequence[str], own: Sequence[str]) -> bool:
        """Whether a path and a picture's have a folder in common and others of their own below.

        Of a path that starts in the set, not at a drive, the set itself is such a folder.
        """
        start_a, start_b = 0, self._above
        shared = [part for part in wanted if part in own]
        if shared:
            start_a, start_b = wanted.index(shared[-1]) + 1, own.index(shared[-1]) + 1
        elif is_absolute(text):
            return False
        rest_a, rest_b = _telling(wanted[start_a:]), _telling(own[start_b:])
        return bool(rest_a - rest_b and rest_b - rest_a)

    @cached_property
    def _above(self) -> int:
        return folders_above([self.relative(path) for path in self.images])

    def rivals(self, path: Path, texts: Sequence[str]) -> dict[str, str]:
        """Of different paths that all led to one picture, those that mean another: path → why.

        cam1/0.jpg and cam2/0.jpg are not both 0.jpg: the only one that names the picture's folders
        keeps it; else nobody gets it. Those that `may_be_one` with the first go with it.
        """
        groups = [[text for text in texts if may_be_one(text, texts[0])]]
        groups += [[text] for text in texts if text not in groups[0]]
        if len(groups) == 1:
            return {}
        own = self.parts(path)
        owners = [group for group in groups if any(_leads_to(text, own) for text in group)]
        owner = owners[0] if len(owners) == 1 else None
        refused = [group for group in groups if group is not owner]
        return {
            text: f"there is no picture {text}; {self.relative(path)} could be that of "
            f"{next(other[0] for other in [owner, *groups] if other and other is not group)}, too: "
            "put the pictures into the folders that the paths say"
            for group in refused
            for text in group
        }

    def _nearest(self, label: Path, candidates: Iterable[Path]) -> list[Path]:
        ranked = defaultdict(list)
        for path in candidates:
            ranked[distance(self.parts(label), self.parts(path))].append(path)
        return ranked[min(ranked)] if ranked else []


def _common_folder(paths: Sequence[Path]) -> Path:
    return Path(os.path.commonpath([path.parent for path in paths]))


def _leads_to(text: str, folders: Sequence[str]) -> bool:
    """Whether a picture's folders end with all of those in a path, or it names all that tell."""
    wanted = [_folder_key(part) for part in path_parts(text)[:-1]]
    own = [_folder_key(part) for part in folders]
    telling = [[part for part in parts if not says_layout(part)] for parts in (own, wanted)]
    return _ends_with(own, wanted) or (bool(telling[0]) and _ends_with(telling[1], telling[0]))


def _ends_with(parts: Sequence[str], end: Sequence[str]) -> bool:
    return len(end) <= len(parts) and parts[len(parts) - len(end) :] == end


def may_be_one(first: str, second: str) -> bool:
    """Whether two paths can name one picture: one of them is the end of the other."""
    a, b = ([_folder_key(part) for part in path_parts(text)[:-1]] for text in (first, second))
    return _ends_with(a, b) or _ends_with(b, a)


def _telling(parts: Sequence[str]) -> set[str]:
    """The folders that say something about the pictures."""
    return {_folder_key(part) for part in parts if not says_layout(part)}


def _name_notes(root: Path, names: Sequence[bytes]) -> list[str]:
    if not names:
        return []
    first = ", ".join(repr(name) for name in sorted(names)[:3])
    return [
        f"{root}: names that are not UTF-8 are left out, {len(names)} of them, such as {first}; "
        "rename them"
    ]


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _walk(root: Path, unreadable: list[bytes]) -> Iterator[Path]:
    """The files; paths below the root whose names are not UTF-8 are added to `unreadable`."""
    seen = set()
    for folder, subfolders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(
            name for name in subfolders if name not in _IGNORED_FOLDERS and name[0] != "."
        )
        for kept in (subfolders, names):
            odd = [name for name in kept if name[0] != "." and not _is_text(name)]
            unreadable += [os.fsencode(Path(folder, name).relative_to(root)) for name in odd]
            kept[:] = [name for name in kept if name not in odd]
        for name in names:
            path = Path(folder, name)
            if name[0] != "." and path.exists():  # a link may point nowhere
                yield path


def _key(name: str) -> str:
    """Names that a file system may hold in another form or case are one name."""
    return unicodedata.normalize("NFC", name).casefold()


def distance(first: Sequence[str], second: Sequence[str]) -> int:
    """Distance of two folders: 0 the same, 1 one name differs, 2 one lies in the other, 3."""
    if tuple(first) == tuple(second):
        return 0
    if len(first) == len(second) and sum(a != b for a, b in zip(first, second, strict=True)) == 1:
        return 1
    shorter, longer = sorted((first, second), key=len)
    rest = iter(longer)
    return 2 if all(part in rest for part in shorter) else 3


def same_name(first: str, second: str) -> bool:
    """Whether two names of files are one on some file system."""
    return _key(first) == _key(second)


def is_absolute(text: str) -> bool:
    """Whether a path, of any system, starts at a root, a drive or an address."""
    return _ABSOLUTE.match(text.strip()) is not None


def path_parts(text: str) -> list[str]:
    """The names in a path of any system or address, without drives, `.` and `..`."""
    names = text.strip().replace("\\", "/").split("/")
    return [name for name in names if name not in ("", ".", "..") and name[-1] != ":"]


def _folder_key(part: str) -> str:
    key = _key(part)
    return SPLIT_NAMES.get(key, key)


def picture_name(filename: str | None) -> str:
    """The name alone: a path from another machine, or one that climbs out, is no use here."""
    return (filename or "").replace("\\", "/").rsplit("/", 1)[-1].strip()
