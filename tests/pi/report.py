"""The results of `make test-pi` as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree


@dataclass
class Outcome:
    """Of one part.

    Attributes:
        title: for people.
        interpreter: versions of Python and of what runs the models.
        passed, skipped, failed: tests; an error counts as failed.
        minutes: with what had to be built.
        skip: why the part did not run, and what to do; "" if it ran.
        problem: why it has no result; "" if it has.
    """

    title: str
    interpreter: str = ""
    passed: int = 0
    skipped: int = 0
    failed: int = 0
    minutes: float = 0.0
    skip: str = ""
    problem: str = ""


def read_junit(path: Path, status: int, title: str, interpreter: str) -> Outcome:
    """The counts in a report of pytest, which ended with `status`.

    A run without a report, without tests, or that failed beside its tests, is a problem.
    """
    if not path.exists():
        return Outcome(title, interpreter, problem="pytest wrote no report")
    (suite,) = ElementTree.parse(path).getroot().iter("testsuite")
    tests, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
    failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    problem = "" if tests else "no test ran"
    if status and not failed:
        problem = f"pytest ended with status {status} though no test failed"
    return Outcome(title, interpreter, tests - skipped - failed, skipped, failed, problem=problem)


def print_table(outcomes: Sequence[Outcome]) -> None:
    """One line a part."""
    print(f"\n{'system':<44}{'passed':>8}{'skipped':>9}{'failed':>8}{'minutes':>9}  with")
    for one in outcomes:
        name, minutes = f"{one.title:<44}", f"{one.minutes:9.1f}"
        if one.skip or one.problem:
            print(f"{name}{'not run: ' + one.skip if one.skip else 'FAILED: ' + one.problem}")
        else:
            counts = f"{one.passed:>8}{one.skipped:>9}{one.failed:>8}"
            print(f"{name}{counts}{minutes}  {one.interpreter}")
