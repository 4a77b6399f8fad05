"""Train, val and test of a labelled data set that has none or lacks some, whatever its format.

    splits = settle_splits(root, items, given).splits

`items` are its pictures with their class counts, `given` the splits that it has itself.
"""

from train.data.splits.file import StoredSplits, read_splits, splits_path, write_splits
from train.data.splits.making import MadeSplits, SplitItem, make_splits
from train.data.splits.settle import settle_splits

__all__ = [
    "MadeSplits",
    "SplitItem",
    "StoredSplits",
    "make_splits",
    "read_splits",
    "settle_splits",
    "splits_path",
    "write_splits",
]
