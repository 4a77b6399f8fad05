"""Board checks of `edge-runtime doctor`: processor, memory, disk, cameras, clock, service."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from edge_runtime.detector.interpreter import available_cores
from edge_runtime.doctor.check import FAIL, NONE, OK, WARN, Check
from edge_runtime.system import board
from edge_runtime.system.machine import describe_hardware

WARM, HOT = 70, 80  # °C; a Pi slows down from 80 on
LITTLE_MEMORY = 150e6  # a run with a 320 x 320 model and a web page takes about so much
LITTLE_DISK, NO_DISK = 500e6, 20e6
FIRST_SANE_YEAR = 2024  # before, the clock has never been set
ASK_SECONDS = 5.0
STATE_FOLDER = Path("/var/lib/edge-runtime")
SERVICE = "edge-runtime"

_VIDEO = Path("/sys/class/video4linux")
_DEVICES = Path("/dev")
_CPUFREQ = Path("/sys/devices/system/cpu/cpu0/cpufreq")
# Drivers whose "powersave" still goes to full speed under load.
_CLEVER_DRIVERS = ("intel_pstate", "amd-pstate", "amd-pstate-epp")

GROUP_CURE = "sudo usermod -aG video $USER, then log in again"


def check_board() -> Check:
    """Name of the board, and its platform."""
    hardware = describe_hardware()
    name = hardware["board"] or hardware["cpu"] or "unknown"
    return Check("board", OK, f"{name}, {hardware['platform']}")


def check_usb_cameras() -> Check:
    """USB cameras, and whether this user may read them."""
    cameras, barred = [], []
    for node in sorted(_VIDEO.glob("video*")):
        # A camera has several nodes; pictures come from the first. The rest are the board's own.
        if "/usb" not in str((node / "device").resolve()) or _read(node / "index") not in ("0", ""):
            continue
        cameras.append(f"usb:{node.name.removeprefix('video')} ({_read(node / 'name')})")
        if not os.access(_DEVICES / node.name, os.R_OK | os.W_OK):
            barred.append(f"/dev/{node.name}")
    if not cameras:
        return Check("USB camera", NONE, "none found")
    if barred:
        found = f"{', '.join(cameras)}; this user may not use {', '.join(barred)}"
        return Check("USB camera", FAIL, found, GROUP_CURE)
    return Check("USB camera", OK, ", ".join(cameras))


def check_group() -> Check:
    """Membership of this user in the group that may use cameras."""
    import grp

    try:
        video = grp.getgrnam("video").gr_gid
    except KeyError:
        return Check("group video", NONE, "this system has none")
    if os.getuid() == 0:
        return Check("group video", OK, "root needs none; the service runs as another user")
    if video in (*os.getgroups(), os.getgid()):
        return Check("group video", OK, "this user is in it")
    has_devices = any(_VIDEO.glob("video*"))
    found = "this user is not in it, and may not use cameras"
    return Check("group video", WARN if has_devices else NONE, found, GROUP_CURE)


def check_cores() -> Check:
    """CPU cores that the interpreter may use."""
    usable, there = available_cores(), os.cpu_count() or 1
    if usable < there:
        cure = "start it without taskset, CPUAffinity= or a container's limit"
        return Check("cores", WARN, f"{usable} of {there} usable", cure)
    return Check("cores", OK, f"{there}, and as many threads unless --threads says otherwise")


def check_governor() -> Check:
    """CPU governor: the processor may go at full speed."""
    governor = _read(_CPUFREQ / "scaling_governor")
    if not governor:
        return Check("governor", NONE, "this system does not say")
    if governor == "powersave" and _read(_CPUFREQ / "scaling_driver") not in _CLEVER_DRIVERS:
        cure = "echo ondemand | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        return Check("governor", WARN, "powersave: always at the lowest speed", cure)
    hint = "" if governor == "performance" else " (performance for a benchmark)"
    return Check("governor", OK, f"{governor}{hint}")


def check_temperature() -> Check:
    """Temperature of the processor."""
    degrees = board.read_temperature()
    if degrees is None:
        return Check("temperature", NONE, "this system does not say")
    found = f"{degrees:.0f} °C"
    if degrees >= HOT:
        return Check("temperature", WARN, f"{found}, where a Pi slows down", "a heat sink and fan")
    if degrees >= WARM:
        return Check("temperature", WARN, f"{found}, near {HOT}", "a heat sink, a fan, some air")
    return Check("temperature", OK, found)


def check_throttling() -> Check:
    """Throttling by the firmware, now or since the board started."""
    state = board.read_throttling()
    if state is None:
        return Check("throttling", NONE, "this system does not say")
    if state["now"]:
        return Check("throttling", FAIL, f"now: {', '.join(state['now'])}", _power_or_heat(state))
    if state["since_boot"]:
        found = f"since the start: {', '.join(state['since_boot'])}"
        return Check("throttling", WARN, found, _power_or_heat(state))
    return Check("throttling", OK, "none, now or since the start")


def check_memory() -> Check:
    """Free memory."""
    memory = board.read_memory()
    if memory is None:
        return Check("memory", NONE, "this system does not say")
    found = f"{memory['available'] / 1e6:.0f} MB free of {memory['total'] / 1e6:.0f}"
    if memory["available"] < LITTLE_MEMORY:
        return Check("memory", WARN, found, "end other programs, or run without a desktop")
    return Check("memory", OK, found)


def check_disk(model: str | None) -> Check:
    """Free disk space beside the model (else here) and where the service keeps its state."""
    places = [Path.cwd() if model is None else Path(model).absolute().parent]
    if STATE_FOLDER.is_dir():
        places.append(STATE_FOLDER)
    places = [place for place in places if place.is_dir()] or [Path("/")]
    found = [f"{shutil.disk_usage(place).free / 1e9:.1f} GB free at {place}" for place in places]
    least = min(shutil.disk_usage(place).free for place in places)
    if any(os.statvfs(place).f_flag & os.ST_RDONLY for place in places):
        cure = "sudo dmesg | tail: a worn-out card turns read-only; copy what matters, replace it"
        return Check("disk", FAIL, f"{', '.join(found)}, but mounted read-only", cure)
    if least < LITTLE_DISK:
        cure = "sudo apt clean; lower --events-max-mb; delete what is not needed"
        return Check("disk", FAIL if least < NO_DISK else WARN, ", ".join(found), cure)
    return Check("disk", OK, ", ".join(found))


def check_clock() -> Check:
    """The clock is set: events and files are named by it."""
    now = time.strftime("%Y-%m-%d %H:%M %Z")
    cure = "connect it to the network, sudo timedatectl set-ntp true; or fit a clock with a battery"
    if time.localtime().tm_year < FIRST_SANE_YEAR:
        return Check("clock", FAIL, f"{now}: it was never set", cure)
    synchronised = _ask("timedatectl", "show", "--property=NTPSynchronized", "--value")
    if synchronised == "no":
        return Check("clock", WARN, f"{now}, not set by the network", cure)
    return Check("clock", OK, now + (", set by the network" if synchronised == "yes" else ""))


def check_service() -> Check:
    """State of the unit that `install-service` made, if there is one."""
    names = ("LoadState", "ActiveState", "SubState", "UnitFileState", "NRestarts", "StatusText")
    for scope in ([], ["--user"]):
        said = _ask("systemctl", *scope, "show", SERVICE, f"--property={','.join(names)}")
        state = dict(line.split("=", 1) for line in (said or "").splitlines() if "=" in line)
        if state.get("LoadState") == "loaded":
            return _judge_service(state, " ".join(["", *scope]))
    return Check("service", NONE, "not installed", "edge-runtime install-service -h tells how")


def _judge_service(state: dict[str, str], scope: str) -> Check:
    found = (
        f"{state.get('ActiveState')} ({state.get('SubState')}), {state.get('NRestarts')} restarts"
    )
    if state.get("StatusText"):
        found += f", {state['StatusText']}"
    if state.get("ActiveState") != "active":
        return Check("service", FAIL, found, f"journalctl{scope} -u {SERVICE} -n 50 says why")
    if state["UnitFileState"] != "enabled":
        cure = f"systemctl{scope} enable {SERVICE}"
        return Check("service", WARN, f"{found}; it will not start at boot", cure)
    return Check("service", OK, found)


def _power_or_heat(state: dict[str, list[str]]) -> str:
    if "under-voltage" in state["now"] + state["since_boot"]:
        return "the board's own power supply and a short, thick cable; fewer USB devices"
    return "a heat sink, a fan, some air around the board"


def _ask(*command: str) -> str | None:
    """Output of a program; None where it is missing or fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, errors="replace", timeout=ASK_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
