"""Messages on disk: files that are only appended to, and thrown away whole."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

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
