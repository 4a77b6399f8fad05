"""JSON lines sink: one line a frame, to stdout or to a file that rotates by size."""

from __future__ import annotations

import argparse
import errno
import json
import os
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path

from edge_runtime.arguments import local_path, positive_number, whole_number
from edge_runtime.frame import Result
from edge_runtime.sinks.base import Context, Sink, SinkClosedError
from edge_runtime.sinks.disk import with_cause
from edge_runtime.sinks.flags import STDOUT, SinkFlags
from edge_runtime.system.paths import told_of_pipe

SYNC_SECONDS = 60.0  # what a power cut may cost; to sync each line wears a card out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --jsonl and what belongs to it."""
    group = parser.add_argument_group("JSON lines")
    group.add_argument(
        "--jsonl",
        nargs="?",
        const=STDOUT,
        metavar="FILE",
        type=local_path,
        help="JSON lines, to stdout without FILE",
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


def create(args: argparse.Namespace) -> Sink:
    """The sink that the flags ask for."""
    return JsonLinesSink(args.jsonl, int(args.jsonl_max_mb * 1e6), args.jsonl_keep)


FLAGS = SinkFlags("--jsonl", add_arguments, create, writes=("--jsonl",))


class JsonLinesSink(Sink):
    """Writes one JSON line a result, whole as soon as it is written: nothing is buffered."""

    name = "jsonl"
    _output: RotatingFile | StandardOutput  # from `open` on

    def __init__(self, path: str, max_bytes: int = 10_000_000, keep: int = 5) -> None:
        """path: "-" for stdout. max_bytes: of the file. keep: how many old ones."""
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep

    def open(self, context: Context) -> None:
        if self._path == STDOUT:
            self._output = StandardOutput()
            return
        path = Path(self._path)
        try:
            _check_content(path)
            self._output = RotatingFile(path, self._max_bytes, self._keep)
        except OSError as error:
            raise with_cause(
                f"--jsonl: cannot write {path} ({error.strerror}); name another file or "
                "change the rights of its folder",
                error,
            ) from error

    def write(self, result: Result) -> None:
        line = json.dumps(result.to_dict()).encode() + b"\n"
        try:
            self._output.write(line)
        except BrokenPipeError as error:
            where = "stdout" if self._path == STDOUT else self._path
            raise SinkClosedError(f"nobody reads {where} any more: the run ends") from error
        self._output.sync(SYNC_SECONDS)

    def idle(self) -> None:
        with suppress(OSError):
            self._output.sync(SYNC_SECONDS)

    def close(self) -> None:
        self._output.close()


class LineWriter:
    """Writes lines to a file descriptor; what follows a torn one begins a line of its own.

    Attributes:
        size: bytes of the file, as far as this writer knows.
        torn: whether the last line lacks its end.
    """

    def __init__(self, descriptor: int, size: int = 0) -> None:
        self.descriptor = descriptor
        self.size = size
        self.torn = False

    def write(self, line: bytes) -> None:
        """Write a line and its end. Raises: OSError."""
        if self.torn:
            self._write(b"\n")
        self._write(line)

    def close(self) -> None:
        os.close(self.descriptor)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:  # a disk that fills takes a part of a line first
            written = os.write(self.descriptor, rest)
            rest = rest[written:]
            self.size += written
            self.torn = bool(rest)


class StandardOutput(LineWriter):
    """Lines to stdout.

    Not through sys.stdout: its buffer would try again what a gone reader did not take, and its
    lock would hold up the exit while a reader takes nothing.

    Raises: OSError where it is closed.
    """

    def __init__(self) -> None:
        sys.stdout.flush()
        descriptor = os.dup(sys.stdout.fileno())
        super().__init__(descriptor)
        try:
            os.write(descriptor, b"")
        except OSError as error:
            if error.errno != errno.EBADF:  # a full disk may have room again
                return
            self.close()
            raise OSError("stdout is closed; redirect it, or name a sink, say --web") from error

    def sync(self, after: float) -> None:
        """Nothing: whoever reads it keeps it."""


class RotatingFile:
    """Appends lines to a file; FILE becomes FILE.1, FILE.1 becomes FILE.2 where it would grow too
    large.

    A file that was moved away by others, as logrotate does, is begun again. What is no regular
    file, a pipe for one, does not rotate.
    """

    def __init__(self, path: Path, max_bytes: int, keep: int) -> None:
        """Open it. keep: how many old files. Raises: OSError."""
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._unsynced_since: float | None = None
        self._identity: tuple[int, int] | None = None  # None for what cannot rotate
        self._writer: LineWriter | None = None
        self._open()

    def write(self, line: bytes) -> None:
        """Append a line. Raises: OSError."""
        if self._identity is not None and not self._is_there():
            self._let_go()
        size = self._writer.size if self._writer is not None else 0
        if self._identity is not None and 0 < size > self._max_bytes - len(line):
            self._rotate()
        writer = self._writer or self._open()
        writer.write(line)
        if self._unsynced_since is None:
            self._unsynced_since = time.monotonic()

    def sync(self, after: float) -> None:
        """Have the disk keep what was written, where that waits for `after` seconds already.

        Raises: OSError.
        """
        since = self._unsynced_since
        if self._writer is None or since is None or time.monotonic() - since < after:
            return
        self._unsynced_since = None
        if self._identity is not None:
            os.fsync(self._writer.descriptor)

    def close(self) -> None:
        """Sync and close the file."""
        with suppress(OSError):
            self.sync(0.0)
        self._let_go()

    def _open(self) -> LineWriter:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with told_of_pipe(self._path):
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        status = os.fstat(descriptor)
        regular = stat.S_ISREG(status.st_mode)
        self._identity = (status.st_dev, status.st_ino) if regular else None
        self._writer = LineWriter(descriptor, status.st_size)
        if regular and status.st_size:
            with self._path.open("rb") as file:  # a power cut may have left half a line
                file.seek(-1, os.SEEK_END)
                self._writer.torn = file.read() != b"\n"
        return self._writer

    def _let_go(self) -> None:
        writer, self._writer = self._writer, None
        self._identity = self._unsynced_since = None
        if writer is not None:
            writer.close()

    def _is_there(self) -> bool:
        """True if the open file is still the one of that name."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return False
        return (status.st_dev, status.st_ino) == self._identity

    def _rotate(self) -> None:
        """FILE.1 → FILE.2 and so on, the oldest goes; FILE → FILE.1."""
        self.sync(0.0)
        self._let_go()
        if self._keep == 0:
            self._path.unlink()
            return
        names = [self._path.with_name(f"{self._path.name}.{n}") for n in range(1, self._keep + 1)]
        for older, newer in zip(names[:0:-1], names[-2::-1], strict=True):
            with suppress(FileNotFoundError):
                newer.replace(older)
        self._path.replace(names[0])


def _check_content(path: Path) -> None:
    """Refuse a file that holds something else, a model for one. Raises: ValueError."""
    if not path.is_file():  # not there yet, or a pipe
        return
    with path.open("rb") as file:
        if file.read(1) not in (b"", b"{", b"\n", b" "):
            raise ValueError(f"--jsonl: a file of JSON lines or a new one expected, got {path}")
