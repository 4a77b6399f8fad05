"""Kept splits: those that were made of a labelled folder before, given to its copy as its own.

Made anew of a copy they could differ, and a model be measured on what it was trained on.
"""

from __future__ import annotations

from dataclasses import replace

from train.data.dataset import LabeledData
from train.data.labeled_folder import GivenSplit, LabeledFolder
from train.data.splits import splits_path


def with_kept_splits(data: LabeledData) -> LabeledFolder:
    """The folder with the splits of its splits file; as it is where there is no such file.

    Raises: ValueError where the file is needed and cannot be used.
    """
    folder = data.folder
    path, own = splits_path(folder.root), folder.splits.keys()
    unused = {"train", "val", "test"} <= own or (own and own.isdisjoint(("train", "trainval")))
    if unused or not path.exists():
        return folder
    if not data.made:
        raise ValueError(data.notes[-1])
    splits = {
        name: folder.splits[name]
        if name in own and tuple(folder.splits[name].lines.values()) == ids
        else GivenSplit(path, dict(enumerate(ids, 1)))
        for name, ids in data.splits.items()
    }
    return replace(folder, splits=splits)
