"""Results as JSON lines, one a frame."""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path

from edge_runtime.arguments import positive_number, whole_number
from edge_runtime.frame import Result
from edge_runtime.sinks.base import Context, Sink, SinkClosedError

SYNC_SECONDS = 60.0  # what a power cut may cost; to sync each line wears a card out


def add_arguments(parser) -> None:
    """Add --jsonl and what belongs to it."""
    group = parser.add_argument_group("JSON lines")
    group.add_argument(
        "--jsonl", nargs="?", const="-", metavar="FILE", help="JSON lines, to stdout without FILE"
    )
    group.add_argument(
        "--jsonl-max-mb",
        type=positive_number,
        default=10.0,
        metavar="MB",
        help="of FILE, which then becomes FILE.1 and is begun again (default: %(default)g)",
    )
    group.add_argument(
        "--jsonl-keep",
        type=whole_number(0),
        default=5,
        metavar="N",
        help="old files, FILE.1 the newest (default: %(default)s)",
    )


def create(args, context: Context) -> Sink | None:
    """The sink that the flags ask for."""
    if args.jsonl is None:
        return None
    return JsonLines(args.jsonl, int(args.jsonl_max_mb * 1e6), args.jsonl_keep)


class JsonLines(Sink):
    """One JSON line a result, whole as soon as it is written: nothing waits in a buffer here.

    A file is appended to. One that was moved away by others, as logrotate does, is begun again.
    """

    name = "jsonl"

    def __init__(self, path: str, max_bytes: int = 10_000_000, keep: int = 5) -> None:
        """path: "-" for stdout. max_bytes: of the file. keep: how many old ones."""
        self._path = None if path == "-" else Path(path)
        self._max_bytes = max_bytes
        self._keep = keep
        self._file: int | None = None
        self._identity: tuple[int, int] | None = None  # None for what cannot rotate: a pipe, say
        self._size = 0
        self._torn = False  # whether the last line lacks its end
        self._synced: float | None = None  # since when there is something to sync

    def open(self) -> None:
        if self._path is None:
            # Not through sys.stdout: its buffer would try again what a gone reader did not take,
            # and its lock would hold up the exit while a reader takes nothing.
            sys.stdout.flush()
            self._file = os.dup(sys.stdout.fileno())
            return
        try:
            _check_content(self._path)
            self._open_file()
        except OSError as error:
            raise OSError(
                f"--jsonl: cannot write {self._path} ({error.strerror}); name another file or "
                "change the rights of its folder"
            ) from error

    def write(self, result: Result) -> None:
        line = json.dumps(result.to_dict()).encode() + b"\n"
        self._follow()
        if self._identity is not None and 0 < self._size > self._max_bytes - len(line):
            self._rotate()
        if self._file is None:
            self._open_file()
        try:
            if self._torn:
                self._write(b"\n")
            self._write(line)
        except BrokenPipeError as error:
            raise SinkClosedError from error
        self._sync(SYNC_SECONDS)

    def idle(self) -> None:
        with suppress(OSError):
            self._sync(SYNC_SECONDS)

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._sync(0.0)
            self._close_file()

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:  # a disk that fills takes a part of a line first
            written = os.write(self._file, rest)
            rest = rest[written:]
            self._size += written
            self._torn = bool(rest)
        if self._synced is None:
            self._synced = time.monotonic()

    def _open_file(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        status = os.fstat(self._file)
        regular = stat.S_ISREG(status.st_mode)
        self._identity = (status.st_dev, status.st_ino) if regular else None
        self._size = status.st_size
        self._torn = False
        if regular and self._size:
            with self._path.open("rb") as file:  # a power cut may have left half a line
                file.seek(-1, os.SEEK_END)
                self._torn = file.read() != b"\n"

    def _close_file(self) -> None:
        file, self._file = self._file, None
        self._identity = self._synced = None
        os.close(file)

    def _follow(self) -> None:
        """Let go of a file that is no longer the one of that name."""
        if self._identity is None or self._file is None:
            return
        try:
            status = self._path.stat()
            same = (status.st_dev, status.st_ino) == self._identity
        except FileNotFoundError:
            same = False
        if not same:
            self._close_file()

    def _rotate(self) -> None:
        """FILE.1 → FILE.2 and so on, the oldest goes; FILE → FILE.1."""
        self._sync(0.0)
        self._close_file()
        if self._keep == 0:
            self._path.unlink()
            return
        names = [self._path.with_name(f"{self._path.name}.{n}") for n in range(1, self._keep + 1)]
        for older, newer in zip(names[:0:-1], names[-2::-1], strict=True):
            with suppress(FileNotFoundError):
                newer.replace(older)
        self._path.replace(names[0])

    def _sync(self, after: float) -> None:
        if self._synced is None or time.monotonic() - self._synced < after:
            return
        self._synced = None
        if self._identity is not None:
            os.fsync(self._file)


def _check_content(path: Path) -> None:
    """Raises: ValueError for a file that holds something else, a model for one."""
    if not path.is_file():  # not there yet, or a pipe
        return
    with path.open("rb") as file:
        if file.read(1) not in (b"", b"{", b"\n", b" "):
            raise ValueError(f"--jsonl: a file of JSON lines or a new one expected, got {path}")
