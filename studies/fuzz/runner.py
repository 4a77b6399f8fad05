"""Runner: a target's corpus, then inputs of its strategy while there is time; failures shrunk."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from studies.fuzz.child import Attempt
from studies.fuzz.host import Host
from studies.fuzz.targets.base import NotHereError, Target

CORPUS = Path(__file__).parent / "corpus"
BATCH = 100  # inputs between two looks at the clock
MOST_FAILURES = 5  # of a target; each is shrunk, which takes its time


@dataclass
class Outcome:
    """What became of a target's inputs.

    Attributes:
        tried: inputs, those that shrinking tried among them.
        outcomes: in the target's words → how often.
        failures: what must not happen, each with the file that the input was kept in.
        most_seconds, most_megabytes: of one attempt.
        missing: what it lacked here; "" where it was tried.
    """

    target: str
    about: str
    tried: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, str]] = field(default_factory=list)
    most_seconds: float = 0.0
    most_megabytes: float = 0.0
    missing: str = ""

    def add(self, attempt: Attempt) -> None:
        self.tried += 1
        self.outcomes[attempt.outcome] += 1
        self.most_seconds = max(self.most_seconds, attempt.seconds)
        self.most_megabytes = max(self.most_megabytes, attempt.megabytes)

    def to_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "outcomes": dict(self.outcomes.most_common()),
            "most_seconds": round(self.most_seconds, 2),
            "most_megabytes": round(self.most_megabytes, 1),
        }


class Input:
    """Bytes that Hypothesis may print: megabytes of them take it minutes."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __repr__(self) -> str:
        return f"{len(self.data)} bytes"


class FailureError(Exception):
    """An attempt that failed, for Hypothesis to find a smaller input of the kind."""


def fuzz(
    target: Target, seconds: float, out: Path, number: int = 0, most: int | None = None
) -> Outcome:
    """Try a target.

    Args:
        seconds: after which no more is begun.
        out: folder for the inputs that failed.
        number: seed; another one, other inputs.
        most: inputs beside the corpus; None for as many as the time allows.
    """
    found = Outcome(target.name, target.about)
    try:
        target.prepare()
    except NotHereError as error:
        found.missing = str(error)
        return found
    with Host(target.name) as host:
        found.add(host.attempt(b""))  # answered once its imports are done, which may take long
        deadline = time.monotonic() + seconds
        for path in sorted((CORPUS / target.name).glob("*")):
            attempt = host.attempt(target.load(path.read_bytes()))
            found.add(attempt)
            if attempt.failure is not None:
                found.failures.append({"failure": attempt.failure, "input": path.name})
        left = most
        while time.monotonic() < deadline and (left is None or left > 0):
            count = BATCH if left is None else min(BATCH, left)
            left = None if left is None else left - count
            failed = _batch(target, host, found, deadline, number, count)
            number += 1
            if failed is not None:
                found.failures.append(_keep(out, target.name, len(found.failures), *failed))
                if len(found.failures) >= MOST_FAILURES:
                    break
    return found


def _batch(
    target: Target, host: Host, found: Outcome, deadline: float, number: int, count: int
) -> tuple[str, bytes] | None:
    """Try some inputs. Returns: the smallest that failed, and how; None where all is well."""
    last: list[tuple[str, bytes]] = []

    def check(drawn: Input) -> None:
        if time.monotonic() > deadline:
            return
        attempt = host.attempt(drawn.data)
        found.add(attempt)
        if attempt.failure is not None:
            last[:] = [(attempt.failure, drawn.data)]
            raise FailureError(attempt.failure)

    decorated: Callable[[], None] = seed(number)(
        settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            verbosity=Verbosity.quiet,
        )(given(target.inputs().map(Input))(check))
    )
    try:
        decorated()
    except Exception:  # the failure, or that of another kind which Hypothesis makes of it
        if not last:
            raise
    return last[0] if last else None


def _keep(out: Path, name: str, number: int, failure: str, data: bytes) -> dict[str, str]:
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}_{number}.bin"
    path.write_bytes(data)
    return {"failure": failure, "input": path.name}
