"""Events that wait for the broker: in memory for a moment, on disk while it is away."""

from __future__ import annotations

import logging
import os
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

log = logging.getLogger(__name__)

SYNC_SECONDS = 1.0
FRESH_BYTES = 256 * 1024
SEGMENTS = 16  # what overflows goes a sixteenth of the bound at a time
SEGMENT_BYTES = 1024 * 1024


class Outbox:
    """A queue in a folder: what is not acknowledged is still there after a restart.

    A message stays in memory for `SYNC_SECONDS`, and is written only if it was not acknowledged by
    then: while a broker answers, nothing is written, and an SD card lasts. A power cut costs at
    most the last `SYNC_SECONDS`. A message may be delivered twice, but never out of order.

    `append`, `sync` and `close` belong to one thread, `take`, `acknowledge` and `rewind` to
    another; neither waits for the other's disk.

    Attributes:
        waiting: messages that are not acknowledged.
        delivered: acknowledged since the start.
        overflowed: lost since the start: the oldest, where the bound was reached or the disk full.
        error: what the disk says, None while it works.
    """

    def __init__(
        self, folder: str | Path, limit: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """limit: bytes on disk.

        Raises: OSError for a folder that cannot be written, or that another process uses.
        """
        self.waiting = 0
        self.delivered = 0
        self.overflowed = 0
        self.error: str | None = None
        self._folder = Path(folder)
        self._limit = limit
        self._segment_bytes = min(limit // SEGMENTS, SEGMENT_BYTES)
        self._clock = clock
        self._due = self._note_due = clock()
        self._mutex = threading.Lock()
        self._fresh: dict[int, Message] = {}  # not on disk
        self._fresh_bytes = 0
        self._in_flight: dict[int, Message] = {}
        self._again: deque[Message] = deque()  # taken before, and not acknowledged
        self._segments: deque[Segment] = deque()
        self._writing = False  # whether the last segment is one of this run
        self._lock = lock_folder(self._folder)
        self._load()

    def append(self, topic: str, payload: str) -> None:
        """One more message. Never raises for a full disk: the oldest are lost, and counted."""
        with self._mutex:
            if not self._fresh:
                self._due = max(self._due, self._clock() + SYNC_SECONDS)
            message = Message(self._end, topic, payload)
            self._end += 1
            self._fresh[message.number] = message
            self._fresh_bytes += len(encode(message))
            self.waiting += 1
            full = self._fresh_bytes > FRESH_BYTES
        if full:
            self.sync(force=self.error is None)
            self._bound_fresh()

    def take(self) -> Message | None:
        """The oldest message that was not taken yet; None where there is none."""
        with self._mutex:
            while self._again and self._again[0].number not in self._in_flight:
                self._again.popleft()  # acknowledged after all
            message = self._again.popleft() if self._again else self._read()
            if message is not None:
                self._next = max(self._next, message.number + 1)
                self._in_flight[message.number] = message
            return message

    def acknowledge(self, number: int) -> None:
        """A taken message has arrived."""
        with self._mutex:
            if self._in_flight.pop(number, None) is None:
                return
            self._forget_fresh(number)
            self.waiting -= 1
            self.delivered += 1

    def rewind(self) -> None:
        """The connection is lost: `take` gives again what was not acknowledged, then the rest."""
        with self._mutex:
            self._again = deque(self._in_flight.values())

    def sync(self, force: bool = False) -> None:
        """Bring what has waited for `SYNC_SECONDS` to disk, and remove what was delivered.

        Call it every second or more often. Never raises.
        """
        written: list[Segment] = []
        try:
            with self._mutex:
                self._remove_delivered(force)
                if self._fresh and (force or self._clock() >= self._due):
                    self._due = self._clock() + SYNC_SECONDS
                    written = self._write_fresh()
            for segment in written:  # a card may take seconds: the other thread goes on meanwhile
                segment.sync()
        except OSError as error:
            self.error = str(error)
        else:
            self.error = None if written else self.error
        self._bound_fresh()

    def close(self) -> None:
        """Leave on disk what was not acknowledged."""
        self.sync(force=True)
        with self._mutex:
            if self._fresh:
                log.error("mqtt: %d events are lost: %s", len(self._fresh), self.error)
            for segment in self._segments:
                segment.close()
        self._lock.close()

    def _load(self) -> None:
        acknowledged = read_number(self._folder / "acknowledged")
        self._noted = acknowledged
        damaged = 0
        for path in find_segments(self._folder):
            try:
                segment, lines = Segment.load(path, acknowledged)
            except OSError as error:
                log.error("%s cannot be read and is left alone: %s", path, error)
                continue
            damaged += lines
            self.waiting += segment.unread
            self._segments.append(segment)
        if damaged:
            log.warning("%s: %d torn or damaged messages are left out", self._folder, damaged)
        self._next = acknowledged + 1
        self._end = max([acknowledged, *(segment.last for segment in self._segments)]) + 1

    def _read(self) -> Message | None:
        for segment in [segment for segment in self._segments if segment.unread]:
            try:
                message = segment.read(self._next)
            except OSError as error:
                log.error("%s cannot be read: %s", segment.path, error)
                message = None
            if message is not None:
                segment.unread -= 1
                return message
            self._lose(segment.unread)  # the disk has forgotten them
            segment.unread = 0
        return next((m for m in self._fresh.values() if m.number >= self._next), None)

    def _write_fresh(self) -> list[Segment]:
        """Move all fresh messages to disk. Returns: the segments that need a sync."""
        touched: list[Segment] = []
        while self._fresh:
            if not self._writing or self._segments[-1].size >= self._segment_bytes:
                first = next(iter(self._fresh))
                self._segments.append(Segment.create(self._folder, first))
                self._writing = True
            segment, batch, size = self._segments[-1], [], 0
            for message in self._fresh.values():
                batch.append(message)
                size += len(encode(message))
                if segment.size + size >= self._segment_bytes:
                    break
            try:
                segment.append(batch)
            except FileNotFoundError:  # somebody has cleaned up; the next attempt begins anew
                self._writing = False
                raise
            segment.unread += sum(message.number >= self._next for message in batch)
            touched.append(segment)
            for message in batch:
                self._forget_fresh(message.number)
        self._drop_oldest()
        return [segment for segment in touched if segment in self._segments]

    def _drop_oldest(self) -> None:
        while len(self._segments) > 1 and sum(s.size for s in self._segments) > self._limit:
            segment = self._segments.popleft()
            self._lose(segment.unread)
            segment.remove()

    def _remove_delivered(self, force: bool) -> None:
        acknowledged = min(self._in_flight, default=self._next) - 1
        old = [segment for segment in self._segments if segment.last <= acknowledged]
        for segment in old:  # first: on a full disk it makes the room that the note needs
            self._segments.remove(segment)
            segment.remove()
        due = force or self._clock() >= self._note_due
        if acknowledged > self._noted and (old or (self._segments and due)):
            write_number(self._folder / "acknowledged", acknowledged)
            self._noted = acknowledged
            self._note_due = self._clock() + SYNC_SECONDS
        self._writing = self._writing and bool(self._segments)

    def _bound_fresh(self) -> None:
        """Where the disk takes nothing, memory stays bounded."""
        with self._mutex:
            while self._fresh_bytes > FRESH_BYTES:
                number = next((n for n in self._fresh if n >= self._next), None)
                if number is None:
                    break
                self._forget_fresh(number)
                self._lose(1)

    def _forget_fresh(self, number: int) -> None:
        message = self._fresh.pop(number, None)
        if message is not None:
            self._fresh_bytes -= len(encode(message))

    def _lose(self, count: int) -> None:
        self.overflowed += count
        self.waiting -= count


try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_SUFFIX = ".log"


@dataclass(frozen=True)
class Message:
    """One event on its way to the broker.

    Attributes:
        number: counts up over all messages of an outbox, also over restarts.
        topic: without spaces.
        payload: one line of text.
    """

    number: int
    topic: str
    payload: str


def encode(message: Message) -> bytes:
    """A line: checksum, number, topic, payload."""
    return _checked(f"{message.number} {message.topic} {message.payload}")


def decode(line: bytes) -> Message | None:
    """The message of a line; None for one that is torn or damaged."""
    text = _unchecked(line)
    parts = [] if text is None else text.split(" ", 2)
    if len(parts) != 3 or not parts[0].isdecimal():
        return None
    return Message(int(parts[0]), parts[1], parts[2])


class Segment:
    """One file of messages in rising order of their numbers.

    Attributes:
        path: named after its first number, so that names sort as the messages do.
        size: bytes.
        last: number of the newest message, -1 where it holds none.
        unread: messages that were not handed out yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.last = -1
        self.unread = 0
        self._torn = False
        self._reader: BinaryIO | None = None

    @classmethod
    def create(cls, folder: Path, first: int) -> Segment:
        """An empty one, to be appended to. Raises: OSError."""
        path = folder / f"{first:020d}{_SUFFIX}"
        folder.mkdir(parents=True, exist_ok=True)
        path.open("wb").close()
        _sync_folder(folder)
        return cls(path)

    @classmethod
    def load(cls, path: Path, acknowledged: int) -> tuple[Segment, int]:
        """One that an earlier run left; messages up to the number `acknowledged` are old.

        Returns: it, and how many lines are torn or damaged. Raises: OSError.
        """
        segment, damaged = cls(path), 0
        with path.open("rb") as file:
            for line in file:
                segment.size += len(line)
                message = decode(line)
                if message is None:
                    damaged += 1
                    continue
                segment.last = message.number
                segment.unread += message.number > acknowledged
        return segment, damaged

    def append(self, messages: list[Message]) -> None:
        """All of them or none. Raises: OSError, for a full disk say."""
        lines = b"".join(encode(message) for message in messages)
        # What a failed attempt left behind `size` is written over; a reader must not have seen it.
        if self._torn:
            self.close()
        self._torn = True
        with self.path.open("r+b") as file:
            file.seek(self.size)
            file.write(lines)
            file.truncate()
        self._torn = False
        self.size += len(lines)
        self.last = messages[-1].number

    def sync(self) -> None:
        """Wait until it would survive a power cut. Raises: OSError."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())

    def read(self, first: int) -> Message | None:
        """The next message from the number `first` on; None where no more is there yet.

        Raises: OSError.
        """
        if self._reader is None:
            self._reader = self.path.open("rb")
        while self._reader.tell() < self.size:
            message = decode(self._reader.readline())
            if message is not None and message.number >= first:
                return message
        return None

    def close(self) -> None:
        """Let go of the file; it may be read again, from its beginning."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def remove(self) -> None:
        """Raises: OSError."""
        self.close()
        self.path.unlink(missing_ok=True)


def find_segments(folder: Path) -> list[Path]:
    """Paths of all segments in a folder, the oldest first."""
    return sorted(path for path in folder.glob(f"*{_SUFFIX}") if path.stem.isdecimal())


def write_number(path: Path, number: int) -> None:
    """Note a number in a small file, in place: a torn one reads as 0. Raises: OSError."""
    path.write_bytes(_checked(f"{number:020d}"))


def read_number(path: Path) -> int:
    """The number that was noted, or 0."""
    try:
        text = _unchecked(path.read_bytes())
    except OSError:
        return 0
    return int(text) if text is not None and text.isdecimal() else 0


def lock_folder(folder: Path) -> BinaryIO:
    """A file that keeps other processes out until it is closed; the folder is made.

    Raises: OSError for a folder that cannot be written, or that another process has locked.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("wb")
    except OSError as error:
        raise OSError(
            error.errno,
            f"cannot write into {folder} ({error.strerror}); name another --state-dir or change "
            "its rights",
        ) from error
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise OSError(
            error.errno, f"{folder} is used by another process; give this one another --mqtt-name"
        ) from error
    return file


def _checked(text: str) -> bytes:
    data = text.encode()
    return b"%08x %b\n" % (zlib.crc32(data), data)


def _unchecked(line: bytes) -> str | None:
    checksum, _, data = line.removesuffix(b"\n").partition(b" ")
    if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(data):
        return None
    return data.decode(errors="replace")


def _sync_folder(folder: Path) -> None:
    if not hasattr(os, "O_DIRECTORY"):  # Windows has no such thing
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
