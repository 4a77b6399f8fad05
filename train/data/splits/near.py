"""Near-duplicates: groups of pictures that show the same, which no cut may part."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from edge_runtime.media.images import read_image

_READ = 256  # pixels a side from which a JPEG is not decoded any smaller
_HASH = 16  # rows and columns of the difference hash
_THUMBNAIL, _COARSE = 32, 8  # cells a side
_BLOCK = 512  # pictures whose distances to all are in memory at once
_PAIRS = 1024  # pairs whose thumbnails are compared at once
# Brightness levels by which the thumbnail of a picture has to vary for its likeness to tell
# anything: dark and blank pictures all look alike.
_FLAT = 6.0
_FOG = 1.6  # difference of alike thumbnails in contrasts, where that is less than the level's
_LARGEST_PART, _LARGEST_FEW = 3, 3  # a group is too large above a third, but never up to 3
_MOST_VERSIONS = 12  # nor one of augmented copies up to so many
_ROBOFLOW = re.compile(r"(.+)[._](?:jpe?g|png|bmp|webp|tiff?)\.rf\.[0-9A-Za-z]+$", re.IGNORECASE)


@dataclass(frozen=True)
class _Level:
    """Likeness of the pictures of a group: bits of the hash, levels of the thumbnail that differ.

    by_name: augmented copies of a picture are alike. bits: None compares no looks.
    """

    by_name: bool
    bits: int | None = None
    difference: float = 0.0


# From the usual one to the last resort, identical pixels. The usual one joins a photograph with
# its copy saved at quality 10, made 15 % brighter or halved in size, but not one cropped by 1 %.
# Photographs of their own differ by 90 bits and 58 levels or more. Those of one chessboard differ
# by 2 bits or more, so that only the thumbnails tell its positions apart.
_LEVELS = (
    _Level(True, 40, 32.0),
    _Level(True, 16, 10.0),
    _Level(True),
    _Level(False),
)


@dataclass(frozen=True, eq=False)
class _Print:
    """Print of a picture, by which it is compared.

    digest: of its pixels, those of a large JPEG at reduced size. bits: (256,) bool, difference
    hash. thumbnail: (32·32·3,) uint8.
    """

    digest: str
    bits: np.ndarray
    thumbnail: np.ndarray


def pixel_digest(pixels: np.ndarray) -> str:
    """A text of 32 hex digits that tells the pixels and the shape of a picture."""
    digest = hashlib.blake2b(pixels.tobytes(), digest_size=16)
    digest.update(repr(pixels.shape).encode())
    return digest.hexdigest()


def group_pictures(paths: Mapping[str, Path]) -> tuple[list[tuple[str, ...]], list[str]]:
    """Groups of identical and near-identical pictures, and notes on them for the screen.

    paths: image id → picture. Near-identical are pictures that were saved anew, scaled or made
    brighter, neighbouring frames of a video, and Roboflow's augmented copies by their names
    (NAME_jpg.rf.HASH.jpg). Alike goes on from one to the next; a group above a third of all is
    taken apart by stricter comparison. A picture that cannot be read is alike to none.

    Returns: sorted groups of sorted ids, each id in one; notes.
    """
    ids = sorted(paths)
    prints = _take_prints([paths[image_id] for image_id in ids])
    keys = [_roboflow_key(paths[image_id]) for image_id in ids]
    comparison = _Comparison(prints, keys)
    groups = list(comparison.divide(np.arange(len(ids))))
    named = sorted(tuple(ids[index] for index in group) for group in groups)
    return named, _notes(named, comparison, prints)


def _take_prints(paths: Sequence[Path]) -> list[_Print | None]:
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # Pillow decodes outside Python's lock
        found = pool.map(_take_print, paths)
        bar = tqdm(found, "comparing", total=len(paths), unit="picture", disable=None)
        return list(bar)


def _take_print(path: Path) -> _Print | None:
    """None where the picture cannot be read."""
    try:
        pixels = read_image(path, at_least=_READ)
    except (ValueError, OSError):
        return None
    image = Image.fromarray(pixels)
    box = Image.Resampling.BOX
    grey = np.asarray(image.convert("L").resize((_HASH + 1, _HASH), box))
    thumbnail = np.asarray(image.resize((_THUMBNAIL, _THUMBNAIL), box)).ravel()
    return _Print(pixel_digest(pixels), (grey[:, 1:] > grey[:, :-1]).ravel(), thumbnail)


def _roboflow_key(path: Path) -> str | None:
    """The name of the photograph of which Roboflow made a copy; None for other names."""
    match = _ROBOFLOW.match(path.stem)
    return match[1] if match else None


class _Comparison:
    """Pictures by number. broken: sizes of groups that were too large, by the level after them."""

    def __init__(self, prints: Sequence[_Print | None], keys: Sequence[str | None]) -> None:
        self.prints, self.keys = prints, keys
        self.broken: Counter[int] = Counter()
        blank = np.zeros(_HASH * _HASH, bool), np.zeros(_THUMBNAIL**2 * 3, np.uint8)
        self.bits = np.stack([p.bits if p else blank[0] for p in prints])
        self.thumbnails = np.stack([p.thumbnail if p else blank[1] for p in prints])
        cells = _COARSE, _THUMBNAIL // _COARSE
        grid = self.thumbnails.reshape(-1, *cells, *cells, 3)
        self.coarse = grid.mean(axis=(2, 4), dtype=np.float32).reshape(len(prints), -1)
        self.means = self.thumbnails.mean(axis=1, dtype=np.float32)
        self.contrasts = self.thumbnails.std(axis=1, dtype=np.float32)

    def divide(self, members: np.ndarray, level: int = 0) -> Iterator[np.ndarray]:
        """Groups of the members at a level, too large ones taken apart at the next."""
        for group in self._alike(members, _LEVELS[level]):
            last = level == len(_LEVELS) - 1
            if last or len(group) <= self._largest(level + 1):
                yield group
            else:
                self.broken[level + 1] += len(group)
                yield from self.divide(group, level + 1)

    def _largest(self, next_level: int) -> int:
        few = _LARGEST_FEW if _LEVELS[next_level].by_name else _MOST_VERSIONS
        return max(len(self.prints) // _LARGEST_PART, few)

    def _alike(self, members: np.ndarray, level: _Level) -> list[np.ndarray]:
        parents = {int(index): int(index) for index in members}
        self._join_equal(parents, {i: p.digest for i in parents if (p := self.prints[i])})
        if level.by_name:
            self._join_equal(parents, {i: key for i in parents if (key := self.keys[i])})
        if level.bits is not None:
            for one, other in self._pairs(members, level):
                parents[_root(parents, other)] = _root(parents, one)
        groups: dict[int, list[int]] = {}
        for index in parents:
            groups.setdefault(_root(parents, index), []).append(index)
        return [np.array(group) for group in groups.values()]

    def _join_equal(self, parents: dict[int, int], keys: Mapping[int, Hashable]) -> None:
        first: dict[Hashable, int] = {}
        for index, key in keys.items():
            parents[_root(parents, index)] = _root(parents, first.setdefault(key, index))

    def _pairs(self, members: np.ndarray, level: _Level) -> Iterator[tuple[int, int]]:
        """Pairs of members that look alike."""
        telling = members[self.contrasts[members] >= _FLAT]
        signs = self.bits[telling].astype(np.float32) * 2 - 1  # their product counts equal bits
        for start in range(0, len(telling), _BLOCK):
            block = signs[start : start + _BLOCK]
            different = (_HASH * _HASH - block @ signs.T) / 2
            rows, columns = np.nonzero(different <= level.bits)
            later = columns > rows + start
            one, other = telling[rows[later] + start], telling[columns[later]]
            for at in range(0, len(one), _PAIRS):
                pair = one[at : at + _PAIRS], other[at : at + _PAIRS]
                for thumbnails in (self.coarse, self.thumbnails):  # means differ no more than all
                    scale = np.sqrt(self.contrasts[pair[0]] * self.contrasts[pair[1]])
                    allowed = np.minimum(level.difference, _FOG * scale)
                    same = self._differences(*pair, thumbnails) <= allowed
                    pair = pair[0][same], pair[1][same]
                yield from zip(pair[0].tolist(), pair[1].tolist(), strict=True)

    def _differences(
        self, one: np.ndarray, other: np.ndarray, thumbnails: np.ndarray
    ) -> np.ndarray:
        """(N,) largest difference of two thumbnails, in levels, once both are equally bright.

        The largest, not the mean: an object that moved before a fixed camera fills few of them.
        """
        contrast = self.contrasts[one], self.contrasts[other]
        scale = np.sqrt(contrast[0] * contrast[1])
        first, second = (
            (thumbnails[index] - self.means[index, None]) * (scale / own)[:, None]
            for index, own in zip((one, other), contrast, strict=True)
        )
        return np.abs(first - second).max(axis=1)


def _root(parents: dict[int, int], index: int) -> int:
    while parents[index] != index:
        parents[index] = parents[parents[index]]
        index = parents[index]
    return index


def _notes(
    groups: list[tuple[str, ...]], comparison: _Comparison, prints: Sequence[_Print | None]
) -> list[str]:
    notes = []
    several = [group for group in groups if len(group) > 1]
    if several:
        count = sum(map(len, several))
        notes.append(
            f"{count} pictures are identical or near-identical to others: {len(several)} "
            f"group{'s' * (len(several) != 1)}, each kept together."
        )
    if comparison.broken:
        _, count = min(comparison.broken.items())
        hardest = max(comparison.broken)
        still = ("", "more alike ones", "copies of one photograph", "identical ones")[hardest]
        notes.append(
            f"{count} of {len(prints)} pictures look alike one after the other, as frames of a "
            f"fixed camera do; of these only {still} are kept together. If they are frames, split "
            "by recording yourself: scores on neighbouring frames flatter."
        )
    unreadable = sum(found is None for found in prints)
    if unreadable:
        notes.append(f"Not compared, since unreadable: {unreadable} of {len(prints)} pictures.")
    return notes
