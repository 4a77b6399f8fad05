"""Board state: temperature, throttling, memory. None where the system does not say."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

_THERMAL = Path("/sys/class/thermal")
_HWMON = Path("/sys/class/hwmon")
_STATUS = Path("/proc/self/status")

# Bits of the firmware's get_throttled, from Raspberry Pi's documentation of vcgencmd.
THROTTLE_BITS = {
    0: "under-voltage",
    1: "frequency capped",
    2: "throttled",
    3: "soft temperature limit",
}
SINCE_BOOT = 16  # the same bits, shifted: has happened since boot


def read_temperature() -> float | None:
    """Degrees Celsius of the processor; of several zones the one of the CPU, else the hottest."""
    of_cpu, all_zones = [], []
    for zone in _THERMAL.glob("thermal_zone*"):
        try:
            name = (zone / "type").read_text().strip()
            degrees = int((zone / "temp").read_text()) / 1000
        except (OSError, ValueError):
            continue
        all_zones.append(degrees)
        if "cpu" in name.lower():
            of_cpu.append(degrees)
    return max(of_cpu or all_zones, default=None)


def read_throttling() -> dict[str, list[str]] | None:
    """{"now": […], "since_boot": […]} of `THROTTLE_BITS`' names; None on other boards.

    Without vcgencmd (in a container, say) the kernel tells of under-voltage now and no more.
    """
    bits = _ask_firmware()
    if bits is None:
        bits = _ask_kernel()
    return None if bits is None else decode_throttling(bits)


def decode_throttling(bits: int) -> dict[str, list[str]]:
    """The firmware's bits as names: {"now": […], "since_boot": […]}."""
    return {
        "now": [name for bit, name in THROTTLE_BITS.items() if bits >> bit & 1],
        "since_boot": [
            name for bit, name in THROTTLE_BITS.items() if bits >> (bit + SINCE_BOOT) & 1
        ],
    }


def _ask_firmware() -> int | None:
    # Not the file get_throttled below /sys: the Pi 5 has none, elsewhere reading it puts a warning
    # into the kernel's log, and the kernel's own monitor clears its "since boot" every two seconds.
    program = _vcgencmd()
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, "get_throttled"], capture_output=True, text=True, timeout=2, check=True
        )
        return int(done.stdout.strip().removeprefix("throttled="), 16)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _ask_kernel() -> int | None:
    for monitor in _HWMON.glob("hwmon*"):
        try:
            if (monitor / "name").read_text().strip() == "rpi_volt":
                return int((monitor / "in0_lcrit_alarm").read_text())  # bit 0: under-voltage
        except (OSError, ValueError):
            continue
    return None


@lru_cache(maxsize=1)
def _vcgencmd() -> str | None:
    return shutil.which("vcgencmd")


def read_memory() -> dict[str, int] | None:
    """{"total": bytes, "available": bytes} of the board."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
        return {
            "total": kilobytes["MemTotal"] * 1024,
            "available": kilobytes["MemAvailable"] * 1024,
        }
    except (OSError, KeyError, ValueError, IndexError):
        return None


def read_process_memory() -> int | None:
    """Bytes of this process in memory now (its resident set)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def read_peak_memory() -> int:
    """The most bytes of this process that were ever in memory."""
    try:
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    import resource

    # On Linux it would count what the parent held when it started this process.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
