"""Events sink: an image with boxes and its record, only when something is seen."""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from edge_runtime.arguments import local_path, positive_number
from edge_runtime.frame import Result
from edge_runtime.media.atomic import atomic_path
from edge_runtime.media.draw import draw_detections
from edge_runtime.media.images import write_image
from edge_runtime.sinks.base import Context, Sink, whole_image
from edge_runtime.sinks.disk import check_writable, missing_bytes, with_cause
from edge_runtime.sinks.flags import SinkFlags

IMAGE, RECORD, RAW = ".jpg", ".json", ".raw.jpg"
MOST_NAME_BYTES = 120  # of class names; file systems take 255 in all
HALF_SECONDS = 60.0  # old enough that no other run is writing it

# Strict, since what matches may be deleted. The second is what a killed run left half written.
_OWN = re.compile(r"(event_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\.\d{3}_[\w+-]+)(\.jpg|\.json|\.raw\.jpg)")
_HALF = re.compile(r"\.event_\d{4}-\d\d-\d\d_[^/]+\.\w{8}\.(jpg|json)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --save-events and what belongs to it."""
    group = parser.add_argument_group("events")
    group.add_argument(
        "--save-events",
        metavar="DIR",
        type=local_path,
        help="a picture with boxes, and the same as .json, when something is seen",
    )
    group.add_argument(
        "--events-interval",
        type=positive_number,
        default=1.0,
        metavar="S",
        help="seconds between pictures while no further class appears (default: %(default)g)",
    )
    group.add_argument(
        "--events-max-mb",
        type=positive_number,
        default=500.0,
        metavar="MB",
        help="of all events in DIR, the oldest go first; one that is renamed stays "
        "(default: %(default)g)",
    )
    group.add_argument(
        "--events-raw", action="store_true", help="the picture without boxes too, to train with"
    )


def create(args: argparse.Namespace) -> Sink:
    """The sink that the flags ask for."""
    max_bytes = int(args.events_max_mb * 1e6)
    return EventsSink(args.save_events, args.events_interval, max_bytes, args.events_raw)


FLAGS = SinkFlags("--save-events", add_arguments, create, fills=("--save-events",))


class EventsSink(Sink):
    """Saves at most one event in an interval, and one more for each class that appears in it."""

    name = "events"
    needs_image = True
    _context: Context  # from `open` on
    _store: EventStore

    def __init__(
        self,
        folder: str | Path,
        interval: float = 1.0,
        max_bytes: int = 500_000_000,
        raw: bool = False,
    ) -> None:
        """interval: in seconds. max_bytes: of all events. raw: whether to keep the image without
        boxes too."""
        self._folder = Path(folder)
        self._interval = interval
        self._max_bytes = max_bytes
        self._raw = raw
        self._since: float | None = None
        self._saved: set[str] = set()  # classes in images since then

    def open(self, context: Context) -> None:
        self._context = context
        try:
            check_writable(self._folder)
            self._store = EventStore(self._folder, self._max_bytes)
        except OSError as error:
            raise with_cause(
                f"--save-events: cannot write into {self._folder} ({error.strerror}); name another "
                "folder or change its rights",
                error,
            ) from error

    def write(self, result: Result) -> bool:
        classes = set(result.detections.names)
        if not classes:
            return False
        moment = self._context.moment(result.frame)
        # A clock that goes back is that of a recording which began again.
        fresh = self._since is None or not 0 <= moment - self._since < self._interval
        if not fresh and classes <= self._saved:
            return False
        self._save(result)
        if fresh:
            self._since, self._saved = moment, set()
        self._saved |= classes
        return True

    def _save(self, result: Result) -> None:
        """Save image and record of one event.

        Raises: OSError; then nothing of the event is left, and the next frame is tried.
        """
        self._store.make_room()
        image, detections = whole_image(result.frame), result.detections
        stem = self._store.new_stem(result.frame.time, sorted(set(detections.names)))
        try:
            write_image(self._folder / f"{stem}{IMAGE}", draw_detections(image, detections))
            if self._raw:
                write_image(self._folder / f"{stem}{RAW}", image)
            record = {"picture": f"{stem}{IMAGE}"} | result.to_dict()
            with atomic_path(self._folder / f"{stem}{RECORD}") as temporary:
                temporary.write_text(json.dumps(record) + "\n")
        except OSError:
            self._store.discard(stem)
            raise
        self._store.add(stem)


class EventStore:
    """Events in one folder, kept below a size. Files of other names are never touched.

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
        """Name of a new event, which no other has: local time and classes.

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
        """Count an event whose files are written; delete the oldest ones above the limit."""
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
        return [self._folder / f"{stem}{suffix}" for suffix in (IMAGE, RECORD, RAW)]


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
