"""Words to systemd, as sd_notify(3) says them, without its library."""

from __future__ import annotations

import logging
import os
import socket

log = logging.getLogger(__name__)

SEND_SECONDS = 1.0


def send(*lines: str) -> bool:
    """Tell systemd: "READY=1", "WATCHDOG=1", "STATUS=…", "STOPPING=1". Never raises.

    Returns: whether it was told; False also where nothing waits for it.
    """
    address = _address()
    if address is None:
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.settimeout(SEND_SECONDS)
            channel.sendto("\n".join(lines).encode(), address)
    except OSError as error:
        log.info("systemd could not be told: %s", error)
        return False
    return True


def is_listening() -> bool:
    """Whether systemd, or something like it, started this process and waits for its words."""
    return _address() is not None


def watchdog_seconds() -> float | None:
    """How long systemd waits for the next "WATCHDOG=1"; None where it does not watch."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None  # it watches a parent of this process
    try:
        seconds = int(os.environ["WATCHDOG_USEC"]) / 1e6
    except (KeyError, ValueError):
        return None
    return seconds if seconds > 0 else None


def _address() -> str | None:
    name = os.environ.get("NOTIFY_SOCKET", "")
    if name.startswith("@"):
        return "\0" + name[1:]  # Linux's abstract names
    return name if name.startswith("/") else None  # not vsock:, which a virtual machine has
