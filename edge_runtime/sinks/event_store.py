"""The files of events in a folder: their names, what they take up, and that the oldest go first."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from edge_runtime.sinks.disk import missing_bytes

PICTURE, RECORD, RAW = ".jpg", ".json", ".raw.jpg"
MOST_NAME_BYTES = 120  # of class names; file systems take 255 in all
# Strict, since what matches may be deleted. The second is what a killed run left half written.
_OWN = re.compile(r"(event_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\.\d{3}_[\w+-]+)(\.jpg|\.json|\.raw\.jpg)")
_HALF = re.compile(r"\.event_\d{4}-\d\d-\d\d_[^/]+\.\w{8}\.(jpg|json)")
HALF_SECONDS = 60.0  # old enough that no other run is writing it


class EventStore:
    """Keeps the events in one folder below a size. Files of other names are never touched.

    Attributes:
        total_bytes: on disk, of all events.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Count what earlier runs left. Raises: OSError."""
        self._folder = folder
        self._max_bytes = max_bytes
        sizes: dict[str, int] = {}
        for path in folder.iterdir():
            if path.is_symlink() or not path.is_file():
                continue
            match = _OWN.fullmatch(path.name)
            if match:
                sizes[match[1]] = sizes.get(match[1], 0) + _bytes_on_disk(path)
            elif _HALF.fullmatch(path.name) and _age(path) > HALF_SECONDS:
                path.unlink(missing_ok=True)
        # Names begin with the time: their order is that of age.
        self._events = deque(sorted(sizes.items()))
        self.total_bytes = sum(sizes.values())

    def __len__(self) -> int:
        return len(self._events)

    def new_stem(self, moment: float, class_names: Sequence[str]) -> str:
        """A name that no event has: local time and classes.

        Args:
            moment: Unix time in seconds.
        """
        seconds, milliseconds = divmod(round(1000 * moment), 1000)
        date = time.strftime("%Y-%m-%d_%H-%M-%S", time.localtime(seconds))
        classes = "+".join(re.sub(r"[^\w-]+|_", "-", name) for name in class_names)
        classes = classes.encode()[:MOST_NAME_BYTES].decode(errors="ignore")
        stem = first = f"event_{date}.{milliseconds:03d}_{classes}"
        number = 1
        while any(path.exists() for path in self._paths(stem)):  # the clock was set back
            number += 1
            stem = f"{first}-{number}"
        return stem

    def add(self, stem: str) -> None:
        """Count an event whose files are written, and delete the oldest above the limit."""
        size = sum(_bytes_on_disk(path) for path in self._paths(stem))
        self._events.append((stem, size))
        self.total_bytes += size
        while self.total_bytes > self._max_bytes:
            self._delete_oldest()

    def discard(self, stem: str) -> None:
        """Delete what there is of an event."""
        for path in self._paths(stem):
            path.unlink(missing_ok=True)

    def make_room(self) -> None:
        """Keep the disk's reserve free at the expense of the oldest events.

        Raises: OSError where that would not do: then they stay.
        """
        while (missing := missing_bytes(self._folder)) > 0:
            if missing > self.total_bytes:
                raise OSError(
                    f"no picture is saved while the disk of {self._folder} is as good as full "
                    f"({missing / 1e6:.1f} MB too little); free some space"
                )
            self._delete_oldest()

    def _delete_oldest(self) -> None:
        stem, size = self._events.popleft()
        self.total_bytes -= size
        self.discard(stem)

    def _paths(self, stem: str) -> list[Path]:
        return [self._folder / f"{stem}{suffix}" for suffix in (PICTURE, RECORD, RAW)]


def _bytes_on_disk(path: Path) -> int:
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0
    return max(status.st_size, 512 * status.st_blocks)  # whole blocks; some systems say 0


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
