"""Whom a service runs as, for the tests of units and of their installation."""

from __future__ import annotations

import pytest

from edge_runtime.commands import install_service as service_command
from edge_runtime.service.accounts import Account


@pytest.fixture(name="account")
def account_fixture(monkeypatch):
    """Somebody who may read everything, whoever runs the tests and wherever Python lies."""
    user = Account("daemon", 1, 1, frozenset({1}), ("video",))
    monkeypatch.setattr(service_command, "find_account", lambda name=None: user)
    monkeypatch.setattr(service_command, "first_unreadable", lambda account, path: None)
    return user


def unit_of(text: str) -> dict[str, list[str]]:
    """key → its values."""
    values: dict[str, list[str]] = {}
    for line in text.splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            values.setdefault(key, []).append(value)
    return values
