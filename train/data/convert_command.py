"""`python -m train.data convert`: a labelled folder in another format."""

from __future__ import annotations

from pathlib import Path

from train.atomic_folder import check_free
from train.data.dataset import open_data
from train.data.formats.registry import read_folder
from train.data.formats.writers import WRITERS
from train.data.formats.writers.kept_splits import with_kept_splits
from train.data.formats.writers.selection import LOG_NAME
from train.data.splits import splits_path
from train.data.systematic import find_systematic


def convert(root: Path, out: Path, to: str) -> str:
    """Read a labelled folder in any format and write it into a new one.

    Splits that were made of it and kept in a file are written as given ones; none are made.

    Args:
        to: a key of `WRITERS`.

    Returns: what was recognised, written and not kept, for the screen.
    Raises: ValueError where `root` or its splits file cannot be read, `out` holds something, or
        nothing is of use, or most boxes are wrong in one way. OSError.
    """
    check_free(out, root)  # before the work, not after it
    folder = read_folder(root)
    notes = [folder.describe(), *folder.notes]
    if splits_path(folder.root).exists():
        data = open_data(folder.root, write=False)
        folder, notes = with_kept_splits(data), list(data.notes)
    systematic = find_systematic(folder)
    if systematic is not None:
        raise ValueError(f"{root}: {systematic.message}")
    kept = WRITERS[to](folder, out)
    lines = [*notes, f"{out}: written as {to}, {kept.describe()}"]
    if kept.not_kept:
        losses = kept.describe_losses()
        lines.append(f"not kept as it was: {losses}; each is listed in {out / LOG_NAME}")
    return "\n".join(lines)
