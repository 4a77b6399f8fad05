"""Leaks: images that two splits share although one is to judge what was learnt from the other."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_ROLES = ("test", "val", "trainval", "train")
# Where a leaked picture stays: with the split that must be clean, before those that can do without.
_RANKS = {"test": 0, "val": 1, "trainval": 3, "train": 4}  # 2: splits of another name

Splits = Mapping[str, Iterable[str]]


@dataclass(frozen=True)
class Leak:
    """A picture of one split that another split has as well, where it should stay.

    implied: it follows from a leak of a split that this one unites, as train in trainval.
    """

    split: str
    image_id: str
    kept_split: str
    kept_id: str
    implied: bool = False


def find_leaks(splits: Splits, digests: Mapping[str, str]) -> list[Leak]:
    """The lines to drop so that no picture is in two splits, by split and id.

    splits: name → image ids. digests: image id → what tells the picture's pixels; an id without
    one is known by its name alone. Splits that are parts of each other are no leak: trainval is
    train and val, a per-class file cat_train or a small test_100 belongs to its train or test,
    and folds are not compared with other folds.
    """
    ids = {split: dict.fromkeys(names) for split, names in splits.items()}  # ordered sets
    parts = {split: _parts(split, ids) for split in ids}
    places: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for split, names in ids.items():
        for image_id in names:
            key = digests.get(image_id, f"id {image_id}")
            places[key].append((_rank(split), split, image_id))
    leaks: dict[tuple[str, str], Leak] = {}
    for group in places.values():
        group.sort()
        for rank, split, image_id in group:
            for kept_rank, kept_split, kept_id in group:
                better = (kept_rank, kept_split) < (rank, split)
                if better and _comparable(split, kept_split, parts):
                    implied = any(image_id in ids[part] for part in parts[split])
                    leak = Leak(split, image_id, kept_split, kept_id, implied)
                    leaks[split, image_id] = leak
                    break
    _add_implied(leaks, ids, parts)
    return sorted(leaks.values(), key=lambda leak: (leak.split, leak.image_id))


def _add_implied(
    leaks: dict[tuple[str, str], Leak],
    ids: Mapping[str, dict[str, None]],
    parts: Mapping[str, set[str]],
) -> None:
    """Add leaks of united splits: such a split loses what all its parts lose."""
    for split, names in ids.items():
        for image_id in names:
            inside = [part for part in parts[split] if image_id in ids[part]]
            lost = [leaks[part, image_id] for part in inside if (part, image_id) in leaks]
            if lost and len(lost) == len(inside) and (split, image_id) not in leaks:
                kept_split, kept_id = lost[0].kept_split, lost[0].kept_id
                leaks[split, image_id] = Leak(split, image_id, kept_split, kept_id, implied=True)


def _role_and_family(split: str) -> tuple[str | None, str]:
    """("train", "cat") of cat_train; (None, whole name) where no part of the name is a role."""
    words = re.split(r"[^a-z0-9]+", split.lower())
    roles = [word for word in words if word in _ROLES]
    if len(roles) != 1:
        return None, split
    return roles[0], " ".join(word for word in words if word != roles[0])


def _rank(split: str) -> int:
    role, _ = _role_and_family(split)
    return _RANKS.get(role or "", 2)


def _parts(split: str, ids: Mapping[str, dict[str, None]]) -> set[str]:
    """The splits that this one unites: by its name, or since it holds two or more of them whole."""
    role, family = _role_and_family(split)
    if role == "trainval":
        wanted = (("train", family), ("val", family))
        return {other for other in ids if _role_and_family(other) in wanted}
    if role is not None:
        return set()
    own = ids[split].keys()
    inside = {other for other in ids if other != split and ids[other] and ids[other].keys() < own}
    return inside if len(inside) > 1 else set()


def _comparable(one: str, other: str, parts: Mapping[str, set[str]]) -> bool:
    if other in parts[one] or one in parts[other]:
        return False
    (role, family), (other_role, other_family) = _role_and_family(one), _role_and_family(other)
    if role is None or other_role is None:
        return one != other
    if {role, other_role} in ({"trainval", "train"}, {"trainval", "val"}):
        return False
    return role != other_role and (family == other_family or not family or not other_family)


def main_splits(splits: Splits) -> list[str]:
    """The splits that make up a set: without those that unite others or are a part of their role.

    Of trainval, train, val, test, cat_train and cat_val these are test, train and val.
    """
    ids = {split: dict.fromkeys(names) for split, names in splits.items()}
    chosen = []
    for split in ids:
        role, family = _role_and_family(split)
        if not _parts(split, ids) and not (role and family and role in ids):
            chosen.append(split)
    order = {"train": 0, "val": 1, "test": 2}
    return sorted(chosen, key=lambda split: (order.get(split, 3), split))
