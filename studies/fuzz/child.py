"""One attempt in a forked child, with bounded memory and time."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SECONDS = 5  # of the processor: a busy machine must not make a hang of a short attempt
WALL_SECONDS = 60.0  # for what waits and does not work
MEMORY_BYTES = 300 << 20  # above what the process has before the attempt
# More than is allowed is measured, and a failure; so much more would harm the machine.
MEMORY_WALL = 2 << 30


@dataclass(frozen=True)
class Attempt:
    """What became of an input.

    Attributes:
        outcome: in the target's words; "failed" where there is a failure.
        failure: what must not happen; None where it did not.
        seconds: of the processor, the attempt's own children among them.
        megabytes: most memory of the attempt's process, above what it began with.
    """

    outcome: str
    failure: str | None
    seconds: float
    megabytes: float


def run_in_child(attempt: Callable[[bytes], str], data: bytes) -> Attempt:
    """Make an attempt in a forked process, and wait for its end."""
    answers, answer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(answers)
        _work(attempt, data, answer)
    os.close(answer)
    text, timed_out = _read(answers, pid)
    _, status, usage = os.wait4(pid, 0)
    _end_group(pid)  # what it left behind
    seconds = usage.ru_utime + usage.ru_stime
    if timed_out:
        return Attempt("failed", f"no end in {WALL_SECONDS:.0f} s", seconds, 0.0)
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        return Attempt("failed", f"ended by {name}", seconds, 0.0)
    try:
        found = json.loads(text)
    except ValueError:
        return Attempt(
            "failed", f"ended with status {os.waitstatus_to_exitcode(status)}", seconds, 0.0
        )
    failure = found["failure"]
    if failure is None and seconds > SECONDS:
        failure = f"more than {SECONDS} s of the processor"
    if failure is None and found["megabytes"] > MEMORY_BYTES / 2**20:
        failure = f"more than {MEMORY_BYTES >> 20} MB of memory"
    outcome = found["outcome"] if failure is None else "failed"
    return Attempt(outcome, failure, seconds, found["megabytes"])


def fork_for(work: Callable[[], str], seconds: float) -> tuple[str | None, int]:
    """Text that `work` gives in a forked process, None where it gives none, and its exit status.

    For targets whose code would start a process of its own for each input: forking it is a hundred
    times as fast as starting Python anew.
    """
    answers, answer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(answers)
        try:
            os.write(answer, work().encode())
        finally:
            os._exit(1)
    os.close(answer)
    ready, _, _ = select.select([answers], [], [], seconds)
    text = os.read(answers, 1 << 20).decode() if ready else ""
    os.close(answers)
    if not ready:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return text or None, os.waitstatus_to_exitcode(status)


def _work(attempt: Callable[[bytes], str], data: bytes, answer: int) -> None:
    """The child: it never returns."""
    os.setsid()
    _set_limit(resource.RLIMIT_CPU, SECONDS + 3)
    _set_limit(resource.RLIMIT_CORE, 0)
    _set_limit(resource.RLIMIT_DATA, MEMORY_WALL)
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silence, stream)
    before = _peak()
    outcome, failure = "failed", None
    try:
        outcome = attempt(data)
    except BaseException as error:  # a traceback is what must not happen
        where = traceback.extract_tb(error.__traceback__)[-1]
        failure = f"{type(error).__name__} in {Path(where.filename).name}: {str(error)[:200]}"
    found = {"outcome": outcome, "failure": failure, "megabytes": (_peak() - before) / 2**10}
    os.write(answer, json.dumps(found).encode())
    os._exit(0)


def _set_limit(kind: int, value: int) -> None:
    _, most = resource.getrlimit(kind)
    wanted = value if most == resource.RLIM_INFINITY else min(value, most)
    resource.setrlimit(kind, (wanted, wanted))


def _peak() -> int:
    """Most memory of this process so far, in kB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def _read(answers: int, pid: int) -> tuple[str, bool]:
    """All that the child writes, and whether it had to be ended."""
    deadline = time.monotonic() + WALL_SECONDS
    parts: list[bytes] = []
    with os.fdopen(answers, "rb", buffering=0) as file:
        while True:
            ready, _, _ = select.select([file], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                _end_group(pid)
                return "", True
            part = file.read(1 << 16)
            if not part:
                return b"".join(parts).decode(), False
            parts.append(part)


def _end_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
