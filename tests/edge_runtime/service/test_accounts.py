"""The service's user, and what that user may read."""

from __future__ import annotations

import os
import pwd
import tempfile
from pathlib import Path

import pytest

from edge_runtime.service import accounts
from edge_runtime.service.accounts import Account, find_account, first_unreadable


@pytest.mark.parametrize("name", ["root", "no-such-user-here"])
def test_refused_users(name):
    with pytest.raises(ValueError, match=r"--user-name|useradd"):
        find_account(name)


def test_who_called_sudo_runs_it(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setenv("SUDO_USER", "nobody")
    assert find_account().uid == pwd.getpwnam("nobody").pw_uid
    for caller in ("root", None):
        monkeypatch.delenv("SUDO_USER", raising=False)
        if caller is not None:
            monkeypatch.setenv("SUDO_USER", caller)
        with pytest.raises(ValueError, match="--user-name"):
            find_account()


def test_only_groups_that_exist_are_named(monkeypatch):
    """systemd refuses to start a service with a group that is not there."""
    monkeypatch.setattr(accounts, "DEVICE_GROUPS", ("daemon", "no-such-group-here"))
    assert find_account("nobody").device_groups == ("daemon",)


def test_what_the_user_may_not_read_is_found():
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        closed, model = Path(name, "closed"), Path(name, "closed", "inner", "m.tflite")
        model.parent.mkdir(parents=True)
        model.write_bytes(b"")
        owner = model.stat()
        others = frozenset({owner.st_gid + 1})
        stranger = Account("s", owner.st_uid + 1, owner.st_gid + 1, others, ())
        friend = Account("f", owner.st_uid + 1, owner.st_gid, frozenset({owner.st_gid}), ())
        self = Account("o", owner.st_uid, owner.st_gid, frozenset({owner.st_gid}), ())
        for folder in (Path(name), closed, model.parent):
            folder.chmod(0o755)
        model.chmod(0o644)
        assert first_unreadable(stranger, model) is None
        model.chmod(0o640)
        assert first_unreadable(friend, model) is None
        assert first_unreadable(stranger, model) == model
        closed.chmod(0o710)
        assert first_unreadable(friend, model) is None
        assert first_unreadable(stranger, model) == closed
        model.chmod(0o600)
        assert first_unreadable(friend, model) == model
        assert first_unreadable(self, model) is None
