"""Check: one finding of `edge-runtime doctor`, and its cure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

OK, WARN, FAIL, NONE = "ok", "warn", "fail", "none"


@dataclass(frozen=True)
class Check:
    """One line of `edge-runtime doctor`.

    Attributes:
        name: what was looked at.
        status: OK; WARN: it works, but not well, or not for long; FAIL: it does not work; NONE: not
            here, and not needed for everything.
        found: what is there.
        cure: one line that helps; empty where nothing is to be done.
    """

    name: str
    status: str
    found: str
    cure: str = ""


def failed(name: str, error: Exception, status: str = FAIL) -> Check:
    """From an error of this project, which says what is wrong, and after the last "; " the cure."""
    found, _, cure = " ".join(str(error).split()).rpartition("; ")
    return Check(name, status, found or cure, cure if found else "")


def look(checks: Sequence[tuple[str, Callable[[], Check]]]) -> list[Check]:
    """Run them all. One that breaks is a finding, and no reason to leave out the others."""
    found = []
    for name, check in checks:
        try:
            found.append(check())
        except Exception as error:
            found.append(Check(name, FAIL, f"the check broke: {type(error).__name__}: {error}"))
    return found
