"""Trial run: a model file opened and run once in a process of its own, before this one opens it.

A damaged file can end the interpreter's process with a segmentation fault, eat all memory, or never
finish. Here that is a ValueError, and nothing else stops.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.detector.interpreter import find_runtime
from edge_runtime.detector.sha256 import sha256
from edge_runtime.system.child_process import child_command, child_environment

# Imports, loading and one picture: a large file on a small board. No longer, because a replaced
# file is tried while the service runs: with the time since the watchdog was last fed, it must stay
# within its patience, see edge_runtime.sinks.systemd.
TRIAL_SECONDS = 45.0
WORKER = "edge_runtime.detector.trial_worker"

_passed: dict[str, Trial] = {}  # SHA-256 of a file → what it did; a file is tried once a process


# How a damaged file ends its process; other signals come from outside, a lack of memory for one.
CRASHES = frozenset(
    (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP)
)


class TrialCrashError(ValueError):
    """A file ended the process in which it was tried."""


@dataclass(frozen=True)
class TrialOutput:
    """An output after one picture of noise.

    Attributes:
        shape: that it really has; a file may leave it open.
        low, high: the smallest and the largest number in it, dequantised; 0 where there is none.
        whole: whether all are whole numbers, quantised ones to half a step.
        channels: (low, mean, high) of each channel of [A, B] or [1, A, B], where the longer side
            has the cells of a picture; () for another shape.
        step: between two numbers of a quantised output; 0 of one that is not.
    """

    shape: tuple[int, ...]
    low: float
    high: float
    whole: bool
    channels: tuple[tuple[float, float, float], ...] = ()
    step: float = 0.0


@dataclass(frozen=True)
class Trial:
    """Outputs of a file that ran, by the number of their tensor."""

    outputs: Mapping[int, TrialOutput]


def try_file(path: str | Path, content: bytes) -> Trial:
    """Run a file once in a child process with bounded memory and time.

    Args:
        path: for messages.
        content: of the file; exactly this is tried.

    Raises: ValueError, naming the file, if it cannot be run (TrialCrashError if it ends its
        process); ImportError without an interpreter; OSError where no process can be started.
    """
    digest = sha256(content)
    if digest not in _passed:
        find_runtime()
        _passed[digest] = _run(path, content)
    return _passed[digest]


def _run(path: str | Path, content: bytes) -> Trial:
    try:
        done = subprocess.run(
            child_command(WORKER, str(path), str(int(TRIAL_SECONDS))),
            input=content,
            capture_output=True,
            timeout=TRIAL_SECONDS,
            # One thread: each of a linear algebra library's would take memory of its own.
            env=child_environment(OPENBLAS_NUM_THREADS="1"),
            start_new_session=True,  # Ctrl-C in a terminal is not for it
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(
            f"{path}: tried in a process of its own, it did not finish one picture in "
            f"{TRIAL_SECONDS:.0f} s; it is damaged, or too large for this board"
        ) from error
    return read_answer(path, done.stdout, done.returncode, done.stderr)


def read_answer(path: str | Path, stdout: bytes, status: int, stderr: bytes = b"") -> Trial:
    """What a trial's process said, or how it ended. Raises: as `try_file`."""
    try:
        answer = json.loads(stdout.splitlines()[-1])
    except (ValueError, IndexError):
        kind = TrialCrashError if -status in CRASHES else ValueError
        raise kind(
            f"{path}: tried in a process of its own, it {_end(status, stderr)}; it is damaged, "
            "needs more memory than this board has, or another interpreter: copy or export it again"
        ) from None
    if "error" in answer:
        raise (ImportError if answer["missing"] else ValueError)(answer["error"])
    return Trial(
        {
            int(index): TrialOutput(
                **{
                    **output,
                    "shape": tuple(output["shape"]),
                    "channels": tuple(map(tuple, output["channels"])),
                }
            )
            for index, output in answer["outputs"].items()
        }
    )


def _end(status: int, stderr: bytes) -> str:
    """How a child ended that gave no answer."""
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    last = stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
    return f"ended with status {status}" + (f" ({last[0]})" if last else "")
