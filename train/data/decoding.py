"""Decoding check: pictures of a split that cannot be decoded are left out before the long work.

A training meets its last picture in the first epoch, but one that breaks on the disk only when it
is read again, and a benchmark after minutes: so every picture is decoded once, and what decoded is
remembered until the file changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import PIL
from tqdm import tqdm

from edge_runtime.detector.interpreter import available_cores
from edge_runtime.media.atomic import atomic_path
from edge_runtime.media.images import read_image
from train.data.dataset import DataWarning, DetectionDataset, Example

FOLDER = Path("build/decoded")
MOST_BAD = 0.1  # share of a split; beyond it not some pictures are broken, but the copy of the set
NAMED = 10  # warnings of one picture each, before a last one that counts the rest

# Path below the data folder → (bytes, time of the last change in ns) of a file that decoded.
Decoded: TypeAlias = dict[str, tuple[int, int]]


def drop_undecodable(dataset: DetectionDataset, most_bad: float = MOST_BAD) -> DetectionDataset:
    """The same split without the pictures that cannot be decoded, each said by a DataWarning.

    Every picture is decoded once, in threads. Those that decoded are remembered by name, size and
    time of change in `cache_path`, so that the next run only looks at what is new; a cache that is
    damaged or cannot be written costs that time and nothing else.

    Args:
        most_bad: share of the split, 0 to 1, that may be bad; 1 for a few drawn ones.

    Raises: ValueError where more are bad.
    """
    cache = cache_path(dataset.root)
    known = _read_cache(cache)
    stamps = [_stamp(example.image_path) for example in dataset]
    names = [os.path.relpath(example.image_path, dataset.root) for example in dataset]
    unseen = [
        index
        for index, (name, stamp) in enumerate(zip(names, stamps, strict=True))
        if stamp is None or known.get(name) != stamp
    ]
    if not unseen:
        return dataset
    flaws = dict(zip(unseen, _flaws([dataset[index] for index in unseen]), strict=True))
    bad = {index: flaw for index, flaw in flaws.items() if flaw is not None}
    fresh = {names[i]: stamp for i in unseen if i not in bad and (stamp := stamps[i])}
    if fresh:
        _write_cache(cache, {**known, **fresh})
    if not bad:
        return dataset
    left = [example for index, example in enumerate(dataset) if index not in bad]
    check_share(dataset, list(bad.values()), most_bad)
    _warn(dataset, len(left), list(bad.values()))
    return replace(dataset, examples=left)


def cache_path(root: Path) -> Path:
    """File that remembers the decoded pictures of a data folder."""
    where = Path(root).resolve()
    digest = hashlib.sha256(str(where).encode(errors="surrogateescape")).hexdigest()[:8]
    return FOLDER / f"{where.name}-{digest}.json"


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _flaws(examples: Sequence[Example]) -> Iterator[str | None]:
    """Of each picture, in order, why it cannot be decoded; None where it can."""
    pool = ThreadPoolExecutor(available_cores(), thread_name_prefix="decoding")
    try:
        found = pool.map(_flaw, examples)
        yield from tqdm(found, "decoding", len(examples), unit="picture", leave=False, disable=None)
    finally:  # Ctrl-C does not wait for the rest
        pool.shutdown(cancel_futures=True)


def _flaw(example: Example) -> str | None:
    try:
        read_image(example.image_path)
    except (ValueError, OSError) as error:
        return str(error)
    return None


def check_share(
    dataset: DetectionDataset, flaws: Sequence[str], most_bad: float = MOST_BAD
) -> None:
    """Raises: ValueError where a larger share of a split's pictures cannot be decoded.

    Args:
        flaws: why, of each of them.
    """
    if len(flaws) <= most_bad * len(dataset) and (len(flaws) < len(dataset) or most_bad == 1):
        return
    raise ValueError(
        f"{dataset.root}: pictures that can be decoded expected, got {len(flaws)} of the "
        f"{len(dataset)} of split {dataset.split!r} that cannot, which looks like a broken copy of "
        f"the set; copy or unpack it again, or mend it with `python -m train.data check DIR --fix "
        f"OUT`; the first: {flaws[0]}"
    )


def _warn(dataset: DetectionDataset, left: int, flaws: Sequence[str]) -> None:
    rest = f"left out: {left} of {len(dataset)} pictures of split {dataset.split!r} are left"
    for flaw in flaws[:NAMED]:
        # At this level, so that a second look at the same folder does not repeat it.
        warnings.warn(f"{flaw}; {rest}", DataWarning, stacklevel=1)
    if len(flaws) > NAMED:
        warnings.warn(
            f"{len(flaws) - NAMED} more pictures cannot be decoded, all named by `python -m "
            f"train.data check`; {rest}",
            DataWarning,
            stacklevel=1,
        )


def _read_cache(path: Path) -> Decoded:
    """Remembered pictures; none where the file is missing, damaged or of another Pillow."""
    try:
        content = json.loads(path.read_text("utf-8"))
        if content["pillow"] != PIL.__version__:
            return {}  # it may read other formats
        return {name: (int(size), int(time)) for name, (size, time) in content["decoded"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _write_cache(path: Path, decoded: Decoded) -> None:
    content = {"pillow": PIL.__version__, "decoded": decoded}
    try:
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(content), "utf-8")
    except OSError:
        pass  # the next run decodes again
