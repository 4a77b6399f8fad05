"""Systemd unit: the text of one that runs the detector for months."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass

# The source itself starts a stalled camera again, with pauses that grow: systemd must leave it
# time for several tries. It counts from the first result, and from each that is told of.
WATCHDOG_SECONDS = 120
# …and for as many stalls or slow frames in a row, where the flags make them longer.
PATIENCE = 6

# Only what a camera, an interpreter, a web server and MQTT can do without. Not here, on purpose:
# PrivateDevices, DevicePolicy (a camera is /dev/video*, /dev/media*, /dev/v4l-subdev*,
# /dev/dma_heap/* and /run/udev, another set on each board; the user's groups guard them already);
# ProtectClock (it implies a DeviceAllow, which shuts out all those); MemoryDenyWriteExecute (an
# interpreter may compile for the processor); a filter of @resources (threads are pinned to cores).
HARDENING = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=read-only
ProtectProc=invisible
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""
# A user's own manager may not build a room around a service; these need none.
USER_HARDENING = """\
NoNewPrivileges=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
"""


@dataclass(frozen=True)
class Unit:
    """Content of a unit.

    Attributes:
        name: of the unit, without ".service"; of its state directory, too.
        command: program and arguments; the program absolute.
        folder: in which they mean what they say.
        environment_file: with the secrets.
        user: that runs it; None for a unit of a user's own manager.
        groups: more groups of that user in the service.
        writable: absolute folders that it writes to.
        hide_tmp: whether it gets a /tmp of its own.
        needs_network: whether it is to wait for the network at boot.
        watchdog_seconds: without a result, after which it is started again.
    """

    name: str
    command: Sequence[str]
    folder: str
    environment_file: str
    user: str | None = None
    groups: Sequence[str] = ()
    writable: Sequence[str] = ()
    hide_tmp: bool = True
    needs_network: bool = False
    watchdog_seconds: int = WATCHDOG_SECONDS

    def text(self) -> str:
        """The unit file. Raises: ValueError for what it cannot hold: a line break, say."""
        parts = [self._unit(), self._service(), self._room(), self._install()]
        return "\n".join(parts)

    def _unit(self) -> str:
        lines = ["[Unit]", "Description=Finds objects in what a camera sees (edge-runtime)"]
        if self.user is not None:
            # A Pi wakes up in the past: at least not before the time of its last day.
            targets = ["time-set.target"]
            if self.needs_network:
                targets.insert(0, "network-online.target")
            lines += [f"{word}={' '.join(targets)}" for word in ("Wants", "After")]
            if self.writable:
                lines.append(f"RequiresMountsFor={' '.join(map(_quote_path, self.writable))}")
        # However often it fails: nobody is there to start it again by hand.
        return "\n".join([*lines, "StartLimitIntervalSec=0", ""])

    def _service(self) -> str:
        lines = [
            "[Service]",
            "Type=notify",
            "NotifyAccess=main",
            f"ExecStart={' '.join(map(quote, self.command))}",
            f"WorkingDirectory={_percent(self.folder)}",
            f"EnvironmentFile=-{_percent(self.environment_file)}",
            f"StateDirectory={self.name}",
            "Restart=always",
            "RestartSec=5",
            "# Fed only while results come. READY comes with the first.",
            f"WatchdogSec={self.watchdog_seconds}",
            f"TimeoutStartSec={self.watchdog_seconds}",
            "TimeoutStopSec=10",
            "# The camera's process is ended by its parent, which would else start it again.",
            "KillMode=mixed",
            "# Where memory runs out, the trial of a new model ends, and not the service.",
            "OOMPolicy=continue",
            "# A card is soon full of what a watchdog's kill leaves behind.",
            "LimitCORE=0",
        ]
        if self.user is not None:
            lines.append(f"User={self.user}")
        if self.groups:
            lines.append(f"SupplementaryGroups={' '.join(self.groups)}")
        return "\n".join(lines)

    def _room(self) -> str:
        if self.user is None:
            return USER_HARDENING
        lines = HARDENING
        if self.hide_tmp:
            lines += "PrivateTmp=yes\n"
        if self.writable:
            # With "-", a folder that is gone is for the program to make, or to complain of.
            lines += f"ReadWritePaths={' '.join(_quote_path(f'-{p}') for p in self.writable)}\n"
        return lines

    def _install(self) -> str:
        target = "default.target" if self.user is None else "multi-user.target"
        return f"[Install]\nWantedBy={target}\n"


def quote(argument: str) -> str:
    """One word of ExecStart: nothing in it is expanded or split."""
    return _quote_path(argument).replace("$", "$$")


def _quote_path(path: str) -> str:
    path = _percent(path).replace("\\", "\\\\").replace('"', '\\"')
    return path if re.fullmatch(r"[\w./:,=@%+$-]+", path) else f'"{path}"'


def _percent(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"printable characters expected in a unit, got {text!r}; rename it")
    return text.replace("%", "%%")


def watchdog_seconds(args: argparse.Namespace) -> int:
    """Watchdog time of a run with these flags: seconds that it may go without a result."""
    slowest = max(args.stall_after, 1 / args.max_fps if args.max_fps else 0.0)
    return max(WATCHDOG_SECONDS, round(PATIENCE * slowest))
