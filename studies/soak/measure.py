"""Resource use of the runtime, minute by minute, and whether it stays flat."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

WARM_UP = 0.2  # of the time, at the start: caches fill and buffers find their size
MEGABYTES_PER_HOUR = 6.0  # a rise that a Pi of 1 GB would feel after a week
SPREAD = 3.0  # a rise within so many standard errors of the fitted line is noise


def children(pid: int) -> list[int]:
    """Process ids of the direct children."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
        except OSError:
            continue
        if int(stat.rsplit(")", 1)[1].split()[1]) == pid:
            found.append(int(folder.name))
    return found


def sample(pid: int, state: dict, started: float) -> dict:
    """One row: minutes since the start, memory, descriptors and threads of the runtime and of its
    camera process, and what it says of itself."""
    own, cameras = usage(pid), [usage(child) for child in children(pid)]
    return {
        "minutes": round((time.monotonic() - started) / 60, 2),
        **own,
        "camera_mb": sum(use["mb"] for use in cameras) if cameras else None,
        "camera_descriptors": sum(use["descriptors"] for use in cameras) if cameras else None,
        "processes": 1 + len(cameras),
        "fps": state["fps"],
        "latency_ms": (state["latency_ms"] or {}).get("median"),
        "results": state["results"],
        "restarts": state["restarts"],
    }


def usage(pid: int) -> dict:
    """mb (resident memory), descriptors, threads of a process; None where it is gone."""
    folder = Path(f"/proc/{pid}")
    try:
        pages = int((folder / "statm").read_text().split()[1])
        return {
            "mb": round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 2),
            "descriptors": len(list((folder / "fd").iterdir())),
            "threads": len(list((folder / "task").iterdir())),
        }
    except OSError:
        return {"mb": 0.0, "descriptors": 0, "threads": 0}


def drift(rows: list[dict], key: str) -> dict:
    """Drift of a column after the warm-up.

    Returns: first, last (medians of the first and last tenth), per_hour (least squares) and its
    standard error.
    """
    last_minute = rows[-1]["minutes"]
    kept = [
        (row["minutes"], row[key])
        for row in rows
        if row["minutes"] >= WARM_UP * last_minute and row[key] is not None
    ]
    minutes, values = np.array(kept, float).T
    tenth = max(1, len(values) // 10)
    slope, error = _slope(minutes / 60, values)
    return {
        "first": round(float(np.median(values[:tenth])), 2),
        "last": round(float(np.median(values[-tenth:])), 2),
        "per_hour": round(slope, 2),
        "standard_error": round(error, 2),
    }


def _slope(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    centered = x - x.mean()
    spread = float((centered**2).sum())
    if len(x) < 3 or spread == 0:
        return 0.0, float("inf")
    slope = float((centered * (y - y.mean())).sum() / spread)
    rest = y - y.mean() - slope * centered
    return slope, float(np.sqrt((rest**2).sum() / (len(x) - 2) / spread))


def complaints(drifts: dict[str, dict], lost: int, counted_lost: int) -> list[str]:
    """Complaints about columns that are not flat; empty where all is well."""
    found = []
    memory = drifts["mb"]
    if memory["per_hour"] > MEGABYTES_PER_HOUR + SPREAD * memory["standard_error"]:
        found.append(f"memory grows by {memory['per_hour']} MB an hour")
    for key in ("descriptors", "threads"):
        if drifts[key]["last"] > drifts[key]["first"] + 1:  # a viewer may just have come
            found.append(f"{key} grow from {drifts[key]['first']} to {drifts[key]['last']}")
    latency = drifts["latency_ms"]
    if latency["last"] > 1.5 * latency["first"] + SPREAD * latency["standard_error"]:
        found.append(f"latency grows from {latency['first']} to {latency['last']} ms")
    if lost > counted_lost:
        found.append(f"{lost} detections were lost, {counted_lost} of them counted as overflow")
    return found
