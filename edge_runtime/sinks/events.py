"""Pictures with boxes, only when something was seen."""

from __future__ import annotations

import json
import os
from pathlib import Path

from edge_runtime.arguments import positive_number
from edge_runtime.frame import Result
from edge_runtime.media.atomic import atomic_path
from edge_runtime.media.draw import draw_detections
from edge_runtime.media.images import write_image
from edge_runtime.sinks.base import Context, Sink
from edge_runtime.sinks.event_store import PICTURE, RAW, RECORD, EventStore


def add_arguments(parser) -> None:
    """Add --save-events and what belongs to it."""
    group = parser.add_argument_group("events")
    group.add_argument(
        "--save-events",
        metavar="DIR",
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


def create(args, context: Context) -> Sink | None:
    """The sink that the flags ask for."""
    if args.save_events is None:
        return None
    max_bytes = int(args.events_max_mb * 1e6)
    return Events(args.save_events, context, args.events_interval, max_bytes, args.events_raw)


class Events(Sink):
    """At most one picture in an interval, and one more for each class that appears meanwhile."""

    name = "events"
    needs_picture = True

    def __init__(
        self,
        folder: str | Path,
        context: Context,
        interval: float = 1.0,
        max_bytes: int = 500_000_000,
        raw: bool = False,
    ) -> None:
        """interval: in seconds. max_bytes: of all events. raw: whether to keep the picture without
        boxes too."""
        self._folder = Path(folder)
        self._context = context
        self._interval = interval
        self._max_bytes = max_bytes
        self._raw = raw
        self._since: float | None = None
        self._saved: set[str] = set()  # classes in pictures since then

    def open(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if not os.access(self._folder, os.W_OK | os.X_OK):
                raise PermissionError
            self._store = EventStore(self._folder, self._max_bytes)
        except OSError as error:
            raise OSError(
                f"--save-events: cannot write into {self._folder} "
                f"({error.strerror or 'no right to'}); name another folder or change its rights"
            ) from error

    def write(self, result: Result) -> None:
        classes = set(result.detections.names)
        if not classes:
            return
        moment = self._context.moment(result.frame)
        # A clock that goes back is that of a recording which began again.
        fresh = self._since is None or not 0 <= moment - self._since < self._interval
        if not fresh and classes <= self._saved:
            return
        self._save(result)
        if fresh:
            self._since, self._saved = moment, set()
        self._saved |= classes

    def _save(self, result: Result) -> None:
        """Raises: OSError; then nothing of the event is left, and the next frame is tried."""
        self._store.make_room()
        picture, detections = result.frame.picture, result.detections
        stem = self._store.new_stem(result.frame.time, sorted(set(detections.names)))
        try:
            write_image(self._folder / f"{stem}{PICTURE}", draw_detections(picture, detections))
            if self._raw:
                write_image(self._folder / f"{stem}{RAW}", picture)
            record = {"picture": f"{stem}{PICTURE}"} | result.to_dict()
            with atomic_path(self._folder / f"{stem}{RECORD}") as temporary:
                temporary.write_text(json.dumps(record) + "\n")
        except OSError:
            self._store.discard(stem)
            raise
        self._store.add(stem)
