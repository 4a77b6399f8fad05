"""Lean import: a package is hidden while another one is imported, and from that one alone."""

import gc
import importlib
import sys

import pytest

from train import lean_import


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A package `hungry` that would like `idle`, which is there as well."""
    (tmp_path / "hungry.py").write_text(
        "import gc\n"
        "COLLECTS = gc.isenabled()\n"
        "try:\n    import idle\nexcept ImportError:\n    idle = None\n"
    )
    (tmp_path / "idle.py").write_text("THERE = True\n")
    (tmp_path / "broken.py").write_text("raise ValueError('broken')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(lean_import, "IDLE", {"hungry": "idle", "broken": "idle"})
    yield
    for name in ("hungry", "idle", "broken"):
        sys.modules.pop(name, None)


def test_it_is_hidden_while_the_package_is_executed_and_no_longer(packages):
    import hungry

    assert hungry.idle is None and not hungry.COLLECTS
    assert gc.isenabled()
    import idle

    assert idle.THERE


def test_what_was_imported_before_is_not_hidden(packages):
    idle = importlib.import_module("idle")
    assert importlib.import_module("hungry").idle is idle


def test_a_package_that_fails_leaves_all_as_it_was(packages):
    with pytest.raises(ValueError, match="broken"):
        import broken  # noqa: F401
    assert gc.isenabled()
    import idle

    assert idle.THERE


def test_a_package_that_is_not_there_is_not_found(packages, monkeypatch):
    monkeypatch.setitem(lean_import.IDLE, "no_such_package", "idle")
    with pytest.raises(ModuleNotFoundError):
        import no_such_package  # noqa: F401
    import idle

    assert idle.THERE
