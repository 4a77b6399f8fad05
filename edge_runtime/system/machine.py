"""Description of the machine: without it a latency says nothing."""

from __future__ import annotations

import platform
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from edge_runtime.detector.interpreter import available_cores, find_runtime

_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
_BOARD = Path("/proc/device-tree/model")
_CPU = Path("/proc/cpuinfo")


def describe_hardware() -> dict[str, str | int | None]:
    """Platform, board, CPU, governor, Python and date; None where not known.

    cores: those this process may use.
    """
    return {
        "platform": platform.platform(),
        "board": _text(_BOARD),
        "cpu": _cpu_model(),
        "cores": available_cores(),
        "governor": _text(_GOVERNOR),
        "python": platform.python_version(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def describe_machine() -> dict[str, str | int | None]:
    """The hardware and the interpreter that runs models on it. Raises: ImportError without one."""
    return {**describe_hardware(), "interpreter": str(find_runtime())}


def package_version() -> str | None:
    """Of this package; None where it runs from a checkout."""
    try:
        return metadata.version("edge-runtime")
    except metadata.PackageNotFoundError:
        return None


def one_line(machine: dict[str, str | int | None]) -> str:
    """The machine for the head of a table."""
    name = machine["board"] or machine["cpu"] or machine["platform"]
    governor = f", governor {machine['governor']}" if machine["governor"] else ""
    return f"{name}, {machine['cores']} cores{governor}, {machine['interpreter']}"


def _cpu_model() -> str | None:
    lines = (_text(_CPU) or "").splitlines()
    # x86 writes "model name", 32-bit Arm "Hardware" or "Model"; 64-bit Arm may write none.
    for key in ("model name", "Hardware", "Model"):
        for line in lines:
            if line.split(":")[0].strip() == key:
                return line.split(":", 1)[1].strip()
    return platform.processor() or None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip("\0\n ") or None
    except OSError:
        return None
