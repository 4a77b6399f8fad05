"""Disk reserve: room that sinks leave free for the system."""

from __future__ import annotations

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
