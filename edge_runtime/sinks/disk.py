"""Disk reserve: room that sinks leave free for the system."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

RESERVE_BYTES = 200_000_000  # without any, the system no longer logs, updates or boots
RESERVE_SHARE = 0.05  # of a small file system, one in memory for example


def missing_bytes(folder: str | Path, more: float = 0.0) -> int:
    """Bytes to be freed on a folder's disk until its reserve is free again; 0 if it is.

    Args:
        more: share of the reserve that is wanted in addition.

    Raises: OSError.
    """
    disk = shutil.disk_usage(folder)
    reserve = min(RESERVE_BYTES, RESERVE_SHARE * disk.total)
    return max(0, round((1 + more) * reserve) - disk.free)


def check_writable(folder: Path) -> None:
    """Make a folder where it is missing. Raises: OSError where nothing can be written into it."""
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        read_only = hasattr(os, "statvfs") and os.statvfs(folder).f_flag & os.ST_RDONLY
        number = errno.EROFS if read_only else errno.EACCES
        raise OSError(number, os.strerror(number))


def with_cause(text: str, cause: OSError) -> OSError:
    """An error in words of our own that keeps the number of its cause."""
    error = OSError(text)
    error.errno = cause.errno
    return error
