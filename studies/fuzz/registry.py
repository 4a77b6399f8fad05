"""Registry of targets: add a file to `targets/`, and its name here."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from studies.fuzz.targets.base import Target

# Modules of `studies.fuzz.targets`, each with a list TARGETS.
MODULES = ("models", "pictures", "annotations", "requests", "payloads")


def all_targets() -> dict[str, Target]:
    """Target by name, in the order of the table."""
    found: dict[str, Target] = {}
    for module in MODULES:
        targets: Sequence[Target] = import_module(f"studies.fuzz.targets.{module}").TARGETS
        for target in targets:
            assert target.name not in found, f"two targets are called {target.name}"
            found[target.name] = target
    return found
