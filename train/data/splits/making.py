"""Making train, val and test for a labelled data set that lacks some of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from train.data.splits.near import group_pictures
from train.data.splits.stratify import BACKGROUND, Group, stratify

SPLITS = ("train", "val", "test")
_SHARE = 15  # per cent of the pictures for each of val and test,
_SMALL_SHARE, _FEW = 20, 10  # and in a small set up to 20, until it has 10 pictures
_TELLING = 30  # pictures below which a score of a split is little more than chance
_SOME = 5  # names that a note spells out


@dataclass(frozen=True)
class SplitItem:
    """A labelled picture. class_counts: boxes of each class; {} for background."""

    image_id: str
    image_path: Path
    class_counts: Mapping[str, int]


@dataclass(frozen=True)
class MadeSplits:
    """splits: name → image ids, all names that there are now. notes: sentences for the screen."""

    splits: dict[str, tuple[str, ...]]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Task:
    """Task of making splits: which of them, of which pictures.

    source: the given split that is divided; None: all pictures in no given val or test. pool: its
    ids. wanted: of val and test, those to be made. fixed: ids of the given val and test.
    """

    source: str | None
    pool: tuple[str, ...]
    wanted: tuple[str, ...]
    fixed: frozenset[str]


def make_splits(
    items: Sequence[SplitItem], given: Mapping[str, Sequence[str]], seed: int = 0
) -> MadeSplits:
    """Train, val and test, as far as `given`, the data set's own splits, lacks them.

    Without any the shares are 70, 15 and 15 %, in small sets up to 20 % for val and test. A missing
    val or test is taken from train, or from trainval where that stands for it; a missing train is
    what no split has. Given val and test are kept as they are, and so are splits of other names.
    Classes are stratified, and identical or near-identical pictures stay on one side of a cut.
    The result depends on the seed, ids, labels and pixels, not on the order or place of the files.

    Raises: ValueError for ids that come twice or without a picture, an empty given split, and too
    few pictures.
    """
    by_id = index_items(items)
    check_given(given, by_id)
    task = _plan(by_id, given)
    splits = {name: tuple(ids) for name, ids in given.items()}
    notes = left_out(by_id, given) if task.source else []
    if "train" in given and not task.wanted:
        return MadeSplits(splits, tuple(notes))
    if not task.pool:
        raise ValueError(
            f"expected pictures for train, got none besides the {len(task.fixed)} of "
            f"{' and '.join(name for name in given if name in SPLITS)}; add pictures to it"
        )
    groups: list[tuple[str, ...]] = [(image_id,) for image_id in task.pool]
    if task.wanted or task.source is None:
        paths = {i: by_id[i].image_path for i in {*task.pool, *task.fixed}}
        groups, group_notes = group_pictures(paths)
        notes += group_notes
    made = _divide(task, groups, by_id, seed)
    return _assemble(task, made, splits, notes, by_id)


def index_items(items: Sequence[SplitItem]) -> dict[str, SplitItem]:
    """Image id → item. Raises: ValueError where an id comes twice or there is no item."""
    by_id = {item.image_id: item for item in items}
    if len(by_id) != len(items):
        counts = Counter(item.image_id for item in items)
        twice = [image_id for image_id, count in counts.items() if count > 1]
        raise ValueError(
            f"expected different image ids, got {some(twice)} more than once; rename the pictures"
        )
    if not items:
        raise ValueError("expected labelled pictures to make splits of, got none; check the folder")
    return by_id


def some(names: Collection[str]) -> str:
    """A few of the names, sorted, and how many more there are."""
    shown = ", ".join(sorted(names)[:_SOME])
    return f"{shown} and {len(names) - _SOME} more" if len(names) > _SOME else shown


def pictures(count: int) -> str:
    """ "1 picture", "2 pictures"."""
    return f"{count} picture{'s' * (count != 1)}"


def check_given(given: Mapping[str, Sequence[str]], by_id: Mapping[str, SplitItem]) -> None:
    """Raises: ValueError for an empty split of the data set's own, or ids without a picture."""
    for name in (*SPLITS, "trainval"):
        if name in given and not given[name]:
            raise ValueError(
                f"the data set's own split {name!r}: expected image ids, got none; fill it, or "
                "delete it to have it made"
            )
        unknown = [image_id for image_id in given.get(name, ()) if image_id not in by_id]
        if unknown:
            raise ValueError(
                f"the data set's own split {name!r}: got {some(unknown)}, expected ids of its "
                "labelled pictures; add the pictures or take the ids out"
            )


def _plan(by_id: Mapping[str, SplitItem], given: Mapping[str, Sequence[str]]) -> _Task:
    source = next((name for name in ("train", "trainval") if name in given), None)
    fixed = frozenset(i for name in ("val", "test") for i in given.get(name, ()))
    ids = given[source] if source else by_id
    # A picture of train that the given test has too is the data set's own fault, and stays there.
    pool = ids if source == "train" else [image_id for image_id in ids if image_id not in fixed]
    wanted = tuple(name for name in ("val", "test") if name not in given)
    return _Task(source, tuple(sorted(set(pool))), wanted, fixed)


def left_out(by_id: Mapping[str, SplitItem], given: Mapping[str, Sequence[str]]) -> list[str]:
    """A note on the pictures that no given split has, if any."""
    known = {image_id for ids in given.values() for image_id in ids}
    out = [image_id for image_id in by_id if image_id not in known]
    if not out:
        return []
    names = ", ".join(sorted(given))
    return [f"Left out, for being in no split of the data set ({names}): {pictures(len(out))}."]


def _divide(
    task: _Task, groups: list[tuple[str, ...]], by_id: Mapping[str, SplitItem], seed: int
) -> dict[str, list[str]]:
    """Split → sorted ids of the pool.

    "" holds those that look like a given val or test: in no split, or in a given train.
    """
    pool = set(task.pool)
    inside = [[i for i in group if i in pool] for group in groups]
    held = [not task.fixed.isdisjoint(group) for group in groups]
    parts: dict[str, list[str]] = {name: [] for name in ("train", *task.wanted, "")}
    kept: list[list[str]] = []
    dealt: list[Group] = []
    for ids, is_held in zip(inside, held, strict=True):
        if is_held:
            parts[""] += ids
        if ids and not (is_held and task.source is None):
            kept.append(ids)
            dealt.append(_to_group(ids, is_held, by_id, seed))
    sizes = _sizes(sum(map(len, kept)), task.wanted)
    for ids, split in zip(kept, stratify(dealt, sizes), strict=True):
        parts[split] += ids
    _check_parts(task, parts, len(kept))
    return {name: sorted(ids) for name, ids in parts.items()}


def _to_group(ids: list[str], held: bool, by_id: Mapping[str, SplitItem], seed: int) -> Group:
    labels: Counter[str] = Counter()
    for image_id in ids:
        counts = by_id[image_id].class_counts
        labels.update([name for name, count in counts.items() if count] or [BACKGROUND])
    # A hash rather than a random generator: the order of other pictures does not matter to it.
    key = hashlib.blake2b(f"{seed} {min(ids)}".encode()).hexdigest()
    return Group(len(ids), labels, key, held)


def _sizes(count: int, wanted: tuple[str, ...]) -> dict[str, int]:
    small = min(_FEW, count * _SMALL_SHARE // 100)
    each = max(round(count * _SHARE / 100), small, 1)
    return {"train": count - each * len(wanted), **dict.fromkeys(wanted, each)}


def _check_parts(task: _Task, parts: Mapping[str, list[str]], groups: int) -> None:
    empty = [name for name, ids in parts.items() if name and not ids]
    if not empty:
        return
    names = ", ".join(("train", *task.wanted))
    if not task.wanted:
        raise ValueError(
            "expected pictures for train that do not look like one of the given val and test, got "
            f"none among {pictures(len(task.pool))}; add others"
        )
    why = (
        "which is too few"
        if groups <= len(task.wanted)
        else "of which too many hold the only boxes of a class, or look like a given val or test"
    )
    raise ValueError(
        f"expected enough different pictures for {names}, got {pictures(len(task.pool))} in "
        f"{groups} groups of identical or near-identical ones, {why}: {' and '.join(empty)} would "
        "be empty; add pictures, or write the splits yourself"
    )


def _assemble(
    task: _Task,
    made: dict[str, list[str]],
    splits: dict[str, tuple[str, ...]],
    notes: list[str],
    by_id: Mapping[str, SplitItem],
) -> MadeSplits:
    taken = {image_id for name in task.wanted for image_id in made[name]}
    if task.source == "train":  # in its own order
        splits["train"] = tuple(i for i in dict.fromkeys(splits["train"]) if i not in taken)
    else:
        splits["train"] = tuple(made["train"])
    splits |= {name: tuple(made[name]) for name in task.wanted}
    if "trainval" in splits:
        splits["trainval"] = without_test(splits["trainval"], made.get("test", ()))
    notes = [_what_of_what(task, made), *notes, *overlaps(splits)]
    if made[""]:
        what = "Left out, for" if task.source is None else f"In {task.source} in spite of"
        notes.append(
            f"{what} looking like one of the given val or test: {pictures(len(made['']))}."
        )
    notes += _weak(task, made, by_id)
    return MadeSplits(in_order(splits), tuple(notes))


def in_order(splits: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Train, val and test first, then others as they were."""
    return {name: splits[name] for name in (*(n for n in SPLITS if n in splits), *splits)}


def without_test(trainval: Sequence[str], test: Collection[str]) -> tuple[str, ...]:
    """A given trainval without what was taken from it for test."""
    lost = set(test)
    return tuple(image_id for image_id in trainval if image_id not in lost)


def overlaps(splits: Mapping[str, Sequence[str]]) -> list[str]:
    """A note for each split of another name, kept as it is, of which val or test has pictures."""
    notes = []
    for name in splits:
        for judge in ("val", "test"):
            common = set(splits[name]) & set(splits.get(judge, ()))
            if name not in (*SPLITS, "trainval") and common and judge not in name:
                notes.append(
                    f"{name} is kept as it is and has {pictures(len(common))} of {judge}: "
                    f"nothing trained on {name} can be judged by {judge}."
                )
    return notes


def _what_of_what(task: _Task, made: Mapping[str, list[str]]) -> str:
    sizes = ", ".join(f"{name} {len(made[name])}" for name in ("train", *task.wanted))
    if task.source == "train":
        names = " and ".join(task.wanted)
        return f"The data set has no {names}: made from its train, leaving {sizes}."
    origin = "its trainval" if task.source else "its pictures"
    if task.fixed:
        origin += " outside the given splits"
    return f"Splits made from {origin}: {sizes}."


def _weak(task: _Task, made: Mapping[str, list[str]], by_id: Mapping[str, SplitItem]) -> list[str]:
    """Notes on made splits that are small or lack a class."""
    names = {name: _classes(made[name], by_id) for name in ("train", *task.wanted)}
    every = set().union(*names.values())
    notes = []
    for name in task.wanted:
        count = len(made[name])
        if count < _TELLING:
            notes.append(f"A score on {pictures(count)} of {name} is a rough one: add pictures.")
        lacking = every - names[name]
        if lacking:
            notes.append(f"{name} has no box of {some(lacking)}: too few pictures have one.")
    return notes


def _classes(ids: Sequence[str], by_id: Mapping[str, SplitItem]) -> set[str]:
    return {name for i in ids for name, count in by_id[i].class_counts.items() if count}
