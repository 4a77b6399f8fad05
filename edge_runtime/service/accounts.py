"""Service account: the user that runs it, and what that user may read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

# Whose members may use cameras and what belongs to them, on Raspberry Pi OS and Debian.
DEVICE_GROUPS = ("video", "render")


@dataclass(frozen=True)
class Account:
    """A user of this machine.

    Attributes:
        groups: ids of those that the user will be in.
        device_groups: names of DEVICE_GROUPS that this system has.
    """

    name: str
    uid: int
    gid: int
    groups: frozenset[int]
    device_groups: tuple[str, ...]


def find_account(name: str | None = None) -> Account:
    """The account of `name`; by default that of who called sudo, or of who calls.

    Raises: ValueError for root, and for nobody that this system knows.
    """
    import grp
    import pwd

    if name is None:
        name = os.environ.get("SUDO_USER") if os.getuid() == 0 else pwd.getpwuid(os.getuid())[0]
    if name in (None, "root"):
        raise ValueError(
            "a user who runs the service expected, got root, who may break too much; "
            "add --user-name USER"
        )
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise ValueError(
            f"a user of this system expected, got {name!r}; sudo useradd --system {name}"
        ) from error
    if entry.pw_uid == 0:
        raise ValueError(f"{name} is root by another name; add --user-name USER")
    devices = [group for group in grp.getgrall() if group.gr_name in DEVICE_GROUPS]
    groups = {*os.getgrouplist(name, entry.pw_gid), *(group.gr_gid for group in devices)}
    names = tuple(sorted(group.gr_name for group in devices))
    return Account(name, entry.pw_uid, entry.pw_gid, frozenset(groups), names)


def first_unreadable(account: Account, path: Path) -> Path | None:
    """The first folder or file on the way to `path` that the account may not enter or read."""
    for step in (*reversed(path.parents), path):
        status = step.stat()
        # Folders on the way must let pass, what stands at the end must be readable.
        wanted = 4 if step == path else 1
        if status.st_uid == account.uid:
            granted = status.st_mode >> 6
        elif status.st_gid in account.groups:
            granted = status.st_mode >> 3
        else:
            granted = status.st_mode
        if not granted & wanted:
            return step
    return None
