"""Iterative stratification: groups of pictures to splits that have the classes in like shares.

After Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data" (2011): the
label with the fewest groups left goes first, each of its groups to the split that lacks it most.
Here whole groups are dealt out, and last passes move some: so that no split lacks a class that it
can have, and since pictures of many classes fill the wants of a split with few pictures, so that
the splits have their sizes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

BACKGROUND = ""  # the label of pictures without boxes; no class is named so
_ENOUGH = 3  # groups of a class from which on every split is to have one


@dataclass(frozen=True)
class Group:
    """Pictures that stay together. labels: label → pictures with it. key: breaks ties.

    held: it has to stay in train.
    """

    size: int
    labels: Mapping[str, int]
    key: str
    held: bool = False


def stratify(groups: Sequence[Group], sizes: Mapping[str, int]) -> list[str]:
    """A split for each group, in their order.

    sizes: split → pictures that it should have, with "train" first; together those of all groups.
    Every label of a group comes into train; one with 3 groups or more into all splits, where that
    takes no label from train.
    """
    deal = _Deal(groups, sizes)
    for index, group in enumerate(groups):
        if group.held:
            deal.put(index, "train")
    while deal.open:
        left = Counter(label for index in deal.open for label in groups[index].labels)
        label = min(left, key=lambda name: (left[name], name))
        members = [index for index in deal.open if label in groups[index].labels]
        for index in sorted(members, key=lambda i: (-groups[i].size, groups[i].key)):
            deal.put(index, deal.neediest(label))
    deal.repair()
    while deal.level():
        pass
    return [deal.places[index] for index in range(len(groups))]


class _Deal:
    """Places of the groups so far. Needs are whole numbers, so that equal ones are equal."""

    def __init__(self, groups: Sequence[Group], sizes: Mapping[str, int]) -> None:
        self.groups, self.splits = groups, tuple(sizes)
        self.open = dict.fromkeys(range(len(groups)))  # an ordered set
        self.places: dict[int, str] = {}
        self.pictures: Counter[str] = Counter()
        for group in groups:
            self.pictures.update(group.labels)
        self.total = sum(sizes.values())
        # pictures still wanted, times total
        self.room = {split: size * self.total for split, size in sizes.items()}
        self.need = {
            split: {label: size * count for label, count in self.pictures.items()}
            for split, size in sizes.items()
        }
        self.spread = Counter(label for group in groups for label in group.labels)

    def put(self, index: int, split: str) -> None:
        group, before = self.groups[index], self.places.get(index)
        self.open.pop(index, None)
        self.places[index] = split
        for place, sign in ((split, -1), (before, 1)):
            if place:
                self.room[place] += sign * group.size * self.total
                for label, count in group.labels.items():
                    self.need[place][label] += sign * count * self.total

    def neediest(self, label: str) -> str:
        return max(self.splits, key=lambda split: (self.need[split][label], self.room[split]))

    def repair(self) -> None:
        """Move groups so that train has all labels, no split is empty and few labels lack."""
        labels = sorted(self.spread, key=lambda label: (self.spread[label], label))
        for label in labels:
            self._supply("train", label)
        for split in self.splits[1:]:
            if split not in self.places.values():
                self._supply(split, None)
            for label in labels:
                if self.spread[label] >= _ENOUGH:
                    self._supply(split, label)

    def level(self) -> bool:
        """Move the group that upsets the shares of its labels least from the fullest split."""
        source = min(self.splits, key=lambda split: self.room[split])
        to = max(self.splits, key=lambda split: self.room[split])
        most = min(-self.room[source], self.room[to])
        fitting = [
            index
            for index, split in self.places.items()
            if split == source and self.groups[index].size * self.total <= most
        ]

        def upset(index: int) -> tuple[float, str]:
            group, change = self.groups[index], 0.0
            for label, count in sorted(group.labels.items()):
                moved = count * self.total
                excess = self.need[source][label] - self.need[to][label] + moved
                change += moved * excess / self.pictures[label] ** 2
            return change / group.size, group.key

        best = next((i for i in sorted(fitting, key=upset) if self._can_leave(i, "")), None)
        if best is not None:
            self.put(best, to)
        return best is not None

    def _supply(self, split: str, label: str | None) -> None:
        """Move the smallest suitable group with the label, or with any, if the split has none."""
        with_label = [
            index for index in self.places if label is None or label in self.groups[index].labels
        ]
        if any(self.places[index] == split for index in with_label):
            return
        free = [index for index in with_label if self._can_leave(index, split)]
        if free:
            best = min(free, key=lambda i: (self.groups[i].size, self.groups[i].key))
            self.put(best, split)

    def _can_leave(self, index: int, to: str) -> bool:
        """Whether a group's own split can do without it; train's wants go before all others'."""
        group, source = self.groups[index], self.places[index]
        if group.held:
            return False
        others = [
            self.groups[other].labels
            for other, split in self.places.items()
            if split == source and other != index
        ]
        owed = (lab for lab in group.labels if source == "train" or self.spread[lab] >= _ENOUGH)
        keeps = bool(others) and all(any(lab in labels for labels in others) for lab in owed)
        return keeps or to == "train"
