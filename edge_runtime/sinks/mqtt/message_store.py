"""MQTT message store: one SQLite table of what the broker has not acknowledged yet."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

FILE = "outbox.db"
PAGE_BYTES = 4096
LOG_BYTES = 1024 * 1024  # of SQLite's write-ahead log at most; a quarter of a smaller bound
ROWS_AT_A_TIME = 64  # of the oldest, where room is made
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS messages (number INTEGER PRIMARY KEY, topic TEXT NOT NULL, "
    "payload TEXT NOT NULL, checksum INTEGER NOT NULL)"
)


class DamageError(OSError):
    """The file is no longer the database that it was: damaged, or gone."""


class Message(NamedTuple):
    """One event on its way to the broker.

    Attributes:
        number: counts up over all messages of an outbox, also over restarts.
    """

    number: int
    topic: str
    payload: str

    @property
    def size(self) -> int:
        """Bytes, about as many as on disk."""
        return len(self.topic) + len(self.payload.encode()) + 32

    @property
    def checksum(self) -> int:
        """SQLite itself does not notice a byte that has changed in a text."""
        return zlib.crc32(f"{self.number} {self.topic} {self.payload}".encode())


class MessageStore:
    """Messages on disk, in rising order of their numbers.

    The file is made by the first `write`: as long as nothing has to wait, the card is spared. With
    its write-ahead log it stays within the limit; `synchronous=FULL` makes each `write` survive a
    power cut. `write`, `set_aside` and `close` belong to one thread; `read`, which another may
    call, waits for none of its writing.

    Attributes:
        count, first, last: messages, the oldest and the newest number; 0, 0 and -1 for none.
        batch_bytes: of messages in one `write` at most, for the log to keep its bound.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        """limit: bytes on disk. Raises: OSError; a damaged file is set aside, and that is said."""
        self._path = folder / FILE
        log_bytes = min(limit // 4, LOG_BYTES)
        self.batch_bytes = log_bytes // 4
        self._data_bytes = limit - log_bytes - self.batch_bytes
        self._log_pages = max(log_bytes // 4 // PAGE_BYTES, 1)
        self._reading = threading.Lock()  # the reader is not closed under a read
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self.count, self.first, self.last = 0, 0, -1
        _name_older(folder)
        if self._path.exists():
            try:
                self._open()
            except DamageError as error:
                log.error("%s", error)
                self.set_aside()

    def write(
        self,
        messages: Sequence[Message],
        delivered: Sequence[int],
        make_room: Callable[[list[int]], list[int]],
    ) -> None:
        """Add messages and remove delivered numbers: all of it or nothing.

        make_room: where the bound is reached, is given the oldest numbers and says which may go.

        Raises: OSError, for a full disk say; DamageError.
        """
        with _errors_of(self._path):
            if self._writer is not None and not self._path.exists():
                raise DamageError(errno.ENOENT, f"{self._path} was removed")
            writer = self._open()
            writer.execute("BEGIN IMMEDIATE")
            try:
                writer.executemany("DELETE FROM messages WHERE number = ?", zip(delivered))
                writer.executemany(
                    "INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?)",
                    ((*message, message.checksum) for message in messages),
                )
                self._drop_oldest(writer, make_room)
                writer.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite has rolled back itself, at a full disk
                    writer.execute("ROLLBACK")
                raise

    def read(self, first: int) -> tuple[Message | None, list[int]]:
        """The oldest message from the number `first` on, and the numbers of damaged ones before it.

        Raises: OSError; DamageError for a damaged file.
        """
        damaged: list[int] = []
        with self._reading, _errors_of(self._path):
            if self._reader is None:
                return None, damaged
            rows = self._reader.execute(
                "SELECT number, topic, payload, checksum FROM messages WHERE number >= ? "
                "ORDER BY number",
                (first,),
            )
            try:
                for number, topic, payload, checksum in rows:
                    message = Message(number, str(topic), str(payload))
                    if message.checksum == checksum:
                        return message, damaged
                    damaged.append(number)
            finally:
                rows.close()  # an open one would keep the log from being emptied
        return None, damaged

    def numbers_from(self, first: int) -> int:
        """Count of messages with the number `first` or a higher one. Raises: OSError."""
        if self._writer is None:
            return 0
        with _errors_of(self._path):
            query = "SELECT count(*) FROM messages WHERE number >= ?"
            return int(self._writer.execute(query, (first,)).fetchone()[0])

    def set_aside(self) -> None:
        """Put a damaged file aside as outbox.damaged; what can be read of it goes into a new one.

        Raises: OSError where that cannot be written.
        """
        self.close()
        aside = self._path.with_suffix(".damaged")
        with suppress(FileNotFoundError):
            self._path.replace(aside)
        for suffix in ("-wal", "-shm"):
            self._path.with_name(FILE + suffix).unlink(missing_ok=True)
        self.count, self.first, self.last = 0, 0, -1
        rescued = _rescue(aside) if aside.exists() else []
        for start in range(0, len(rescued), ROWS_AT_A_TIME):
            self.write(rescued[start : start + ROWS_AT_A_TIME], (), lambda oldest: oldest)
        if rescued:
            self.count, self.first, self.last = len(rescued), rescued[0].number, rescued[-1].number
        log.error("%s: %d messages of a damaged file could be read", self._path, len(rescued))

    def close(self) -> None:
        """Let go of the file."""
        with self._reading:
            for connection in (self._reader, self._writer):
                if connection is not None:
                    with suppress(sqlite3.Error):
                        connection.close()
            self._reader = self._writer = None

    def _open(self) -> sqlite3.Connection:
        if self._writer is not None:
            return self._writer
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with _errors_of(self._path):
            writer = _connect(self._path)
            try:
                writer.execute(f"PRAGMA page_size = {PAGE_BYTES}")
                writer.execute("PRAGMA journal_mode = WAL")
                writer.execute("PRAGMA synchronous = FULL")
                writer.execute(f"PRAGMA wal_autocheckpoint = {self._log_pages}")
                writer.execute(SCHEMA)
                (verdict,) = writer.execute("PRAGMA quick_check(1)").fetchone()
                if verdict != "ok":
                    raise sqlite3.DatabaseError(verdict)
                bounds = "SELECT count(*), min(number), max(number) FROM messages"
                count, first, last = writer.execute(bounds).fetchone()
                reader = _connect(self._path)
            except BaseException:
                writer.close()
                raise
        if count:
            self.count, self.first, self.last = count, first, last
        self._writer, self._reader = writer, reader
        return writer

    def _drop_oldest(
        self, writer: sqlite3.Connection, make_room: Callable[[list[int]], list[int]]
    ) -> None:
        query = "SELECT number FROM messages WHERE number > ? ORDER BY number LIMIT ?"
        last = -1
        while self._used_bytes(writer) > self._data_bytes:
            oldest = [number for (number,) in writer.execute(query, (last, ROWS_AT_A_TIME))]
            if not oldest:
                return  # all that is left is on its way
            lost, last = make_room(oldest), oldest[-1]
            writer.executemany("DELETE FROM messages WHERE number = ?", zip(lost))

    def _used_bytes(self, writer: sqlite3.Connection) -> int:
        pages, free = (
            int(writer.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count")
        )
        return PAGE_BYTES * (pages - free)


def _connect(path: Path) -> sqlite3.Connection:
    # One thread writes and one reads; the store keeps them apart where it must.
    return sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    """SQLite's errors as those of a file."""
    try:
        yield
    except sqlite3.OperationalError as error:  # full, read-only, out of reach
        raise OSError(errno.EIO, f"{path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise DamageError(errno.EIO, f"{path} is damaged: {error}") from error


def _rescue(path: Path) -> list[Message]:
    """Messages that can still be read of a damaged file."""
    found: list[Message] = []
    connection = _connect(path)
    with suppress(sqlite3.Error):
        for number, topic, payload, checksum in connection.execute(
            "SELECT number, topic, payload, checksum FROM messages ORDER BY number"
        ):
            message = Message(number, str(topic), str(payload))
            if message.checksum == checksum:
                found.append(message)
    connection.close()
    return found


def _name_older(folder: Path) -> None:
    """Say of files in the form of earlier versions that they are not delivered."""
    older = [path for path in folder.glob("*.log") if path.stem.isdecimal()]
    if older:
        log.warning(
            "%s holds events of an earlier version in %d files, which are not delivered; they may "
            "be deleted",
            *(folder, len(older)),
        )


def lock_folder(folder: Path) -> BinaryIO:
    """A file that keeps other processes out until it is closed; the folder is made. On a read-only
    disk without messages there is nothing to keep them from.

    Raises: OSError for a folder that cannot be written, or that another process has locked.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("wb")
    except OSError as error:
        if error.errno == errno.EROFS and not (folder / FILE).exists():
            log.error("%s is on a read-only disk: events wait in memory alone", folder)
            return Path(os.devnull).open("wb")
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


def is_locked(folder: Path) -> bool:
    """True if another process uses the folder of an outbox, or where that cannot be known."""
    if fcntl is None:
        return True
    try:
        with (folder / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False
