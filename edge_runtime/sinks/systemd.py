"""Systemd sink: readiness, watchdog and status of a service (sd_notify).

systemd restarts a service that has gone blind: the watchdog is fed while results come. The sink has
no flag: it is there where systemd waits for it. The protocol: man 3 sd_notify.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable

from edge_runtime.frame import Result
from edge_runtime.sinks.base import Context, Sink
from edge_runtime.sources.base import WATCHING

SEND_SECONDS = 1.0
STATUS_SECONDS = 10.0
STARTING_SECONDS = 60  # more, each time, while the camera is waited for at the start
FEEDINGS = 3  # in the watchdog's time, so that one late result is no reason to be killed
PATIENCE = 0.8  # of the watchdog's time; its kill would leave files unfinished

log = logging.getLogger(__name__)


def create() -> Sink | None:
    """The sink, in a service of systemd; else None."""
    return SystemdSink() if is_listening() else None


class SystemdSink(Sink):
    """READY with the first result, WATCHDOG while results come, or while none need come since a
    folder is watched; STATUS for `systemctl status`.

    Where they stop for long, it ends the run in good order, shortly before the watchdog would kill
    it; systemd starts it anew, and the start may last until the camera is back.
    """

    name = "systemd"
    newest_only = True
    _context: Context  # from `open` on

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ready = False
        self._fed_at = self._status_at = float("-inf")
        self._watchdog = watchdog_seconds()

    def open(self, context: Context) -> None:
        self._context = context
        send("STATUS=starting")

    def write(self, result: Result) -> None:
        self._feed()

    def idle(self) -> None:
        if self._context.snapshot().state == WATCHING:  # nothing has been uploaded, which is well
            self._feed()
            return
        # No WATCHDOG: without frames the process lives, but the service does not.
        now = self._clock()
        words = self._status(now)
        if words and not self._ready:
            words.append(f"EXTEND_TIMEOUT_USEC={STARTING_SECONDS * 1_000_000}")
        self._send(words)
        if self._ready and self._watchdog and now - self._fed_at > PATIENCE * self._watchdog:
            log.error("no result for %.0f s: the run ends, to be started anew", now - self._fed_at)
            self._context.stop()

    def close(self) -> None:
        send("STOPPING=1", "STATUS=stopping")

    def _feed(self) -> None:
        now = self._clock()
        words = [] if self._ready else ["READY=1"]
        if self._watchdog is not None and now - self._fed_at >= self._watchdog / FEEDINGS:
            words.append("WATCHDOG=1")
            self._fed_at = now
        self._ready = True
        self._send([*words, *self._status(now)])

    def _send(self, words: list[str]) -> None:
        if words:
            send(*words)

    def _status(self, now: float) -> list[str]:
        if now - self._status_at < STATUS_SECONDS:
            return []
        self._status_at = now
        run = self._context.snapshot()
        if run.results == 0:
            return [f"STATUS={run.state}, no frame yet"]
        return [
            f"STATUS={run.state}, {run.fps} results a second, newest frame {run.frame_age_s} s old"
        ]


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
    """True if systemd, or something like it, started this process and waits for its words."""
    return _address() is not None


def watchdog_seconds() -> float | None:
    """Seconds that systemd waits for the next "WATCHDOG=1"; None where it does not watch."""
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
