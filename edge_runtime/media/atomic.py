"""Atomic writing: files that appear whole or not at all."""

from __future__ import annotations

import errno
import glob
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)


@contextmanager
def atomic_path(path: str | Path, is_secret: bool = False) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends without an error.

    After an error the earlier file, if any, is untouched and the temporary one is gone. The
    temporary name keeps the suffix, since some writers choose a format by it.

    is_secret: only its owner may read the file.

    Raises: OSError, naming the folder or the file, where it cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent
        )
    except OSError as error:
        raise OSError(
            error.errno,
            f"cannot write into {path.parent} ({error.strerror}); "
            "choose another folder, change its rights or free some space",
        ) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # a power cut must not leave an empty file of the final name
        if not is_secret:
            temporary.chmod(0o666 & ~_umask())  # mkstemp's 0600 is for secrets, not for results
        temporary.replace(path)
    except OSError as error:
        if error.errno in _NO_ROOM and error.filename is None:  # `write` does not know the name
            raise OSError(
                error.errno, f"cannot write {path} ({error.strerror}); free some space"
            ) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


class _Untouched(Exception):  # noqa: N818 - no error: it makes `atomic_path` keep the old file
    pass


def check_writable(path: str | Path) -> None:
    """Raises: OSError, before the long work, if a file could not be written to `path`."""
    with suppress(_Untouched), atomic_path(path):
        raise _Untouched


def remove_leftovers(path: str | Path) -> None:
    """Delete temporary files of `atomic_path` whose process was killed while it wrote `path`.

    Only for a path that no other process is writing.
    """
    path = Path(path)
    for file in path.parent.glob(f".{glob.escape(path.stem)}.????????{glob.escape(path.suffix)}"):
        file.unlink(missing_ok=True)


def _umask() -> int:
    try:  # without touching it: other threads make files meanwhile
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1], 8) for line in lines if line.startswith("Umask:"))
    except (OSError, StopIteration, ValueError):
        pass  # not Linux
    mask = os.umask(0)
    os.umask(mask)
    return mask
