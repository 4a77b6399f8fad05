"""Settled splits: made once, kept in a file, and the same in every training and benchmark since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from train.data.splits.file import StoredSplits, read_splits, splits_path, write_splits
from train.data.splits.making import (
    SPLITS,
    MadeSplits,
    SplitItem,
    check_given,
    in_order,
    index_items,
    left_out,
    make_splits,
    overlaps,
    pictures,
    some,
    without_test,
)
from train.data.splits.near import group_pictures


def settle_splits(
    root: Path,
    items: Sequence[SplitItem],
    given: Mapping[str, Sequence[str]],
    seed: int = 0,
    write: bool = True,
) -> MadeSplits:
    """The splits of a data set folder: its own, and those made of the rest, see `make_splits`.

    What is made is kept in the file at `splits_path(root)` and read from there from then on; the
    file of a set that lacks nothing is neither read nor written. Pictures that came since go to
    train, those near-identical to one of a made val or test to that; pictures that are gone are
    left out but stay in the file, and so find their place again.

    Raises: ValueError as in `make_splits` and `read_splits`, where the data set's own splits
    contradict the file, and where a split has no picture left. OSError where a new file cannot be
    written; `write` False leaves all files as they are.
    """
    path = splits_path(root)
    if all(name in given for name in SPLITS):
        made = make_splits(items, given, seed)
        unused = (f"{path} is not used: the data set has train, val and test.",)
        return MadeSplits(made.splits, made.notes + unused * path.exists())
    if path.exists():
        return _reuse(path, items, given, seed, write)
    made = make_splits(items, given, seed)
    if not write:
        return made
    write_splits(path, _to_keep(made.splits, given), seed)
    return MadeSplits(made.splits, (*made.notes, f"Kept in {path} for later runs."))


def _to_keep(
    splits: Mapping[str, Sequence[str]], given: Mapping[str, Sequence[str]]
) -> dict[str, Sequence[str]]:
    """Train and what was made: the data set keeps the rest itself."""
    names = ("train", *(name for name in SPLITS[1:] if name not in given))
    return {name: splits[name] for name in names}


def _reuse(
    path: Path,
    items: Sequence[SplitItem],
    given: Mapping[str, Sequence[str]],
    seed: int,
    write: bool,
) -> MadeSplits:
    stored = read_splits(path)
    by_id = index_items(items)
    check_given(given, by_id)
    _check_names(path, stored, given)
    notes = [f"Splits as in {path}."]
    if stored.seed != seed:
        notes.append(f"It was made with seed {stored.seed}, not {seed}; delete it for new splits.")
    source = next((given[name] for name in ("train", "trainval") if name in given), by_id)
    fixed = {i for name in SPLITS[1:] for i in given.get(name, ())}
    pool = dict.fromkeys(i for i in source if "train" in given or i not in fixed)
    known = {i for ids in stored.splits.values() for i in ids}
    gone = [i for i in known if i not in pool]
    if gone:
        notes.append(f"In it, but no longer in the data set: {pictures(len(gone))}.")
    new = sorted(i for i in pool if i not in known)
    grown = stored.splits
    if new:
        grown, added = _add(stored.splits, new, by_id, given)
        notes += [*added, *(_write_again(path, grown, stored.seed) if write else ())]
    splits = {name: tuple(ids) for name, ids in given.items()}
    splits |= {name: tuple(i for i in ids if i in pool) for name, ids in grown.items()}
    _check_full(path, splits)
    if "trainval" in given:
        splits["trainval"] = without_test(splits["trainval"], grown.get("test", ()))
    if "train" in given or "trainval" in given:
        notes += left_out(by_id, given)
    return MadeSplits(in_order(splits), (*notes, *overlaps(splits)))


def _check_names(path: Path, stored: StoredSplits, given: Mapping[str, Sequence[str]]) -> None:
    """The file has to hold just what the data set lacks, and none of what it has."""
    expected = {"train", *(name for name in SPLITS[1:] if name not in given)}
    if stored.splits.keys() != expected:
        own = ", ".join(name for name in SPLITS if name in given) or "none"
        raise ValueError(
            f"{path}: expected {', '.join(sorted(expected))}, since the data set's own splits are "
            f"{own}, got {', '.join(stored.splits)}; the data set's splits have changed: delete "
            "the file to have the others made anew"
        )
    made = {i: name for name, ids in stored.splits.items() for i in ids}
    for name in (name for name in SPLITS[1:] if name in given):
        own_train = given.get("train", ())
        # An id of both its own train and its own test is the data set's fault, not a change.
        moved = [i for i in given[name] if made.get(i, "train") != "train" or i not in own_train]
        moved = [i for i in moved if i in made]
        if moved:
            raise ValueError(
                f"{path}: got {some(moved)} in {made[moved[0]]}, but the data set's own {name} has "
                "it; its splits have changed: delete the file to have the others made anew"
            )


def _add(
    splits: Mapping[str, tuple[str, ...]],
    new: Sequence[str],
    by_id: Mapping[str, SplitItem],
    given: Mapping[str, Sequence[str]],
) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """The stored splits with the new ids, and notes on where these went."""
    judges = {i: name for name in ("val", "test") for i in (given.get(name) or splits[name])}
    present = [i for i in judges if i in by_id]
    paths = {i: by_id[i].image_path for i in {*present, *new}}
    groups, notes = group_pictures(paths)
    added: dict[str, list[str]] = {name: [] for name in splits}
    out: list[str] = []
    for group in groups:
        near = sorted({judges[i] for i in group if i in judges})  # test before val
        made_near = [name for name in near if name in added]
        newcomers = [i for i in group if i not in judges]
        if near and not made_near and not ("train" in given or "trainval" in given):
            out += newcomers
        else:
            added[made_near[0] if made_near else "train"] += newcomers
    parts = [f"{name} {len(ids)}" for name, ids in added.items() if ids]
    if parts:
        notes.append(f"New since it was written: {', '.join(parts)}.")
    if added.keys() - {"train"} and any(added[name] for name in added if name != "train"):
        notes.append("New ones in val or test look like pictures there.")
    if out:
        notes.append(
            f"Left out, for looking like one of the given val or test: {pictures(len(out))}."
        )
    return {name: (*ids, *sorted(added[name])) for name, ids in splits.items()}, notes


def _write_again(path: Path, splits: Mapping[str, Sequence[str]], seed: int) -> list[str]:
    """Notes, one if the file cannot be written: the next run then adds the same pictures."""
    try:
        write_splits(path, splits, seed)
    except OSError as error:
        return [f"{path} stays without the new ones: {error.strerror or error}."]
    return []


def _check_full(path: Path, splits: Mapping[str, Sequence[str]]) -> None:
    for name in SPLITS:
        if not splits[name]:
            raise ValueError(
                f"{path}: expected pictures of {name} in the data set, got none of those that the "
                "file names; delete the file to have the splits made anew, or check the data folder"
            )
