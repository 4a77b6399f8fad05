"""Shared frames: memory in common with a camera's process, a few slots of one frame each."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_runtime.frame import Frame

SLOTS = 4  # one that is written, the newest, one that is read, and one to spare


@dataclass(frozen=True)
class Layout:
    """Layout of a slot; the same for every frame of a camera.

    Attributes:
        hw: (height, width) of the whole image.
        has_image: whether the image itself is in the slot, first.
        small_hw: (height, width) of the small image behind it, or None.
        slots: how many.
    """

    hw: tuple[int, int]
    has_image: bool
    small_hw: tuple[int, int] | None
    slots: int = SLOTS

    @classmethod
    def of(cls, frame: Frame) -> Layout:
        """The layout that holds frames like this one."""
        height, width = map(int, frame.hw)
        small_hw = None
        if frame.small is not None:
            small_hw = (frame.small.shape[0], frame.small.shape[1])
        return cls((height, width), frame.image is not None, small_hw)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Layout:
        """From what `dataclasses.asdict` became on its way through JSON."""
        small_hw = values["small_hw"]
        return cls(
            tuple(values["hw"]),
            values["has_image"],
            None if small_hw is None else tuple(small_hw),
            values["slots"],
        )

    @property
    def slot_bytes(self) -> int:
        return _bytes(self.hw if self.has_image else None) + _bytes(self.small_hw)

    @property
    def total_bytes(self) -> int:
        return self.slots * self.slot_bytes

    def views(self, memory: mmap.mmap, slot: int) -> tuple[np.ndarray | None, np.ndarray | None]:
        """(image, small) of a slot: (h, w, 3) uint8 in the shared memory itself, or None."""
        image_hw = self.hw if self.has_image else None
        start = slot * self.slot_bytes
        return (
            _view(memory, start, image_hw),
            _view(memory, start + _bytes(image_hw), self.small_hw),
        )


def _bytes(hw: tuple[int, int] | None) -> int:
    return 0 if hw is None else 3 * hw[0] * hw[1]


def _view(memory: mmap.mmap, start: int, hw: tuple[int, int] | None) -> np.ndarray | None:
    if hw is None:
        return None
    return np.frombuffer(memory, np.uint8, _bytes(hw), start).reshape(*hw, 3)
