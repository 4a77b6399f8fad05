"""Splits that folders give: train/images, images/val, test2017."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from train.data.formats.files import FolderFiles, split_of
from train.data.labeled_folder import GivenSplit


def folder_splits(files: FolderFiles, ids: dict[Path, str]) -> dict[str, GivenSplit]:
    """The splits whose names are among the pictures' folders, by name.

    ids: picture → image id; pictures that are not in it are in no split.
    """
    members: dict[str, list[str]] = defaultdict(list)
    folders: dict[str, Path] = {}
    for image, image_id in sorted(ids.items()):
        parts = files.parts(image)
        split = split_of(parts)
        if split:
            depth = next(at for at, part in enumerate(parts, 1) if split_of([part]))
            folders.setdefault(split, files.root.joinpath(*parts[:depth]))
            members[split].append(image_id)
    return {
        split: GivenSplit(folders[split], dict(enumerate(image_ids, 1)))
        for split, image_ids in members.items()
    }
