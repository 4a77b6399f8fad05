"""The file of made splits: JSON that later trainings and benchmarks read again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.media.atomic import atomic_path
from train.data.splits.making import SPLITS, some

FILE_NAME = "splits.json"
_VERSION = 1
_ANEW = "delete the file to have the splits made anew"


@dataclass(frozen=True)
class StoredSplits:
    """splits: train and, where it was made, val and test → image ids. seed: they were made with."""

    splits: dict[str, tuple[str, ...]]
    seed: int


def splits_path(root: str | Path) -> Path:
    """Path of the made splits of a data set.

    splits.json in its folder if there is one or can be; else a file under build/splits, whose name
    holds the folder's name and 8 hex digits of its path.
    """
    root = Path(root)
    inside = root / FILE_NAME
    if inside.exists() or os.access(root, os.W_OK | os.X_OK):
        return inside
    resolved = root.resolve()
    digits = hashlib.blake2b(str(resolved).encode(), digest_size=4).hexdigest()
    return Path("build/splits") / f"{resolved.name}-{digits}.json"


def write_splits(path: str | Path, splits: Mapping[str, Sequence[str]], seed: int) -> None:
    """Write train, val and test, whole or not at all. The same splits give the same bytes.

    Raises: ValueError for what `read_splits` would refuse. OSError, naming the folder, where it
    cannot be written.
    """
    data = {
        "version": _VERSION,
        "made_by": "train.data.splits",
        "seed": seed,
        "splits": {name: list(ids) for name, ids in splits.items()},
    }
    _check(data, path)
    with atomic_path(path) as temporary:
        text = json.dumps(data, indent=1, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_splits(path: str | Path) -> StoredSplits:
    """Read and check a file of made splits.

    Raises: FileNotFoundError. ValueError, naming the file and what to do, for one that is not JSON,
    of another version, with other names than train, val and test, without train, with an empty
    split or an id in two places.
    """
    path = Path(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # of JSON or of the encoding
        raise ValueError(f"{path}: JSON expected ({error}); {_ANEW}") from error
    _check(data, path)
    splits = {name: tuple(data["splits"][name]) for name in SPLITS if name in data["splits"]}
    return StoredSplits(splits, data["seed"])


def _check(data: object, path: str | Path) -> None:
    if not isinstance(data, dict) or data.get("version") != _VERSION:
        got = repr(data.get("version")) if isinstance(data, dict) else type(data).__name__
        raise ValueError(f'{path}: expected "version": {_VERSION}, got {got}; {_ANEW}')
    seed, splits = data.get("seed"), data.get("splits")
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise ValueError(f'{path}: expected a whole number for "seed", got {seed!r}; {_ANEW}')
    if not isinstance(splits, dict):
        raise ValueError(f'{path}: expected an object for "splits", got {splits!r}; {_ANEW}')
    if "train" not in splits or not splits.keys() <= set(SPLITS):
        raise ValueError(
            f"{path}: expected the splits train, val and test, got {', '.join(splits) or 'none'}; "
            f"correct the names, or {_ANEW}"
        )
    places: dict[str, str] = {}
    for name, ids in splits.items():
        _check_ids(name, ids, places, path)


def _check_ids(name: str, ids: object, places: dict[str, str], path: str | Path) -> None:
    """Notes the place of each id in `places`."""
    if not isinstance(ids, list) or not all(isinstance(image_id, str) for image_id in ids):
        raise ValueError(f"{path}: expected a list of image ids for {name!r}, got others; {_ANEW}")
    if not ids:
        raise ValueError(f"{path}: expected image ids in {name!r}, got none; {_ANEW}")
    twice = []
    for image_id in ids:
        if image_id in places:
            twice.append(f"{image_id} ({places[image_id]} and {name})")
        places[image_id] = name
    if twice:
        raise ValueError(
            f"{path}: expected each image id once, got {some(twice)} twice; "
            f"take one of them out, or {_ANEW}"
        )
