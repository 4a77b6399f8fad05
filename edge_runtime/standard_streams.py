"""Standard streams: text that every locale can show, a stdout whose errors nobody misses, and a
stderr whose errors stop no work."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from contextlib import suppress

# What messages have beyond ASCII; a locale such as en_US.iso88591 has not all of it.
_PLAIN = str.maketrans({"…": "...", "→": "->", "\N{MULTIPLICATION SIGN}": "x", "°": " degrees "})
_LEGIBLE = "edge_runtime.legible"  # an error handler, as `str.encode` names them


class OutputError(Exception):
    """Results that cannot be written to stdout.

    No OSError: what takes those for the trouble of one picture or file must not take this.
    """


def prepare_streams() -> None:
    """Let stdout and stderr take any text, in whatever encoding the locale gives them, and let a
    write to stdout raise `OutputError`. Call it first; a second call changes nothing."""
    codecs.register_error(_LEGIBLE, _legible)
    _fill_closed()
    if sys.stdout is sys.__stdout__ and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = _checked(sys.stdout)
    if sys.stderr is sys.__stderr__ and isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = _writer(2, _Messages, sys.stderr.encoding, line_buffering=True)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_LEGIBLE)


def write_data(text: str) -> None:
    """Print what programs read: UTF-8 in every locale; bytes of file names stay as they are.

    Raises: OutputError.
    """
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def forget_output() -> None:
    """After an `OutputError`: what the buffer still holds would be tried again at the exit."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


class _Messages(io.FileIO):
    """The file below stderr: what it cannot take is nobody's, and the work goes on."""

    def write(self, data: object) -> int | None:  # type: ignore[override]
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError:
            return len(memoryview(data).cast("B"))  # type: ignore[arg-type]


class _Output(io.FileIO):
    """The file below stdout."""

    def write(self, data: object) -> int | None:  # type: ignore[override]
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError as error:
            raise _output_error(error) from error


def _output_error(error: OSError) -> OutputError:
    """The error of a write to stdout, in words."""
    if isinstance(error, BrokenPipeError):
        return OutputError("nobody reads stdout any more; what was still to be printed is lost")
    if error.errno == errno.EBADF:
        return OutputError("stdout is closed; redirect it to a file, or to /dev/null")
    return OutputError(f"cannot write to stdout ({error.strerror}); results are lost")


def _checked(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """The same stream with `OutputError` in place of OSError."""
    with suppress(OSError):
        stream.flush()
    return _writer(stream.fileno(), _Output, stream.encoding, stream.line_buffering)


def _writer(
    number: int, kind: type[io.FileIO], encoding: str = "utf-8", line_buffering: bool = False
) -> io.TextIOWrapper:
    file = io.BufferedWriter(kind(number, "wb", closefd=False))
    return io.TextIOWrapper(file, encoding, line_buffering=line_buffering)


def _fill_closed() -> None:
    """Fill standard streams that are closed: else the next file that is opened gets their number,
    and what is printed to stderr goes to stdout."""
    for number, flag in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flag)  # the lowest number that is free
    if sys.stdout is None:
        sys.stdout = _writer(1, _Output)  # open for reading alone: every write fails
    if sys.stderr is None:
        sys.stderr = _writer(2, _Messages, line_buffering=True)


def _legible(error: UnicodeError) -> tuple[str | bytes, int]:
    """An error handler of `str.encode`: plain signs for what the encoding lacks, bytes of file
    names as they are, and \\u1234 for the rest."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    plain = text.translate(_PLAIN)
    if all("\udc80" <= sign <= "\udcff" for sign in text):
        return text.encode("ascii", "surrogateescape"), error.end
    return plain.encode("ascii", "backslashreplace").decode("ascii"), error.end
