"""The runtime's tests as on a Raspberry Pi: `make test-pi`, or `python -m tests.pi --help`.

Two systems are emulated with the very wheels that a Pi would install, one of 32 bits with
tflite-runtime, and the real picamera2 takes pictures from libcamera's virtual camera.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.pi import picamera
from tests.pi.checkout import build_wheel, copy_tests, tiny_models
from tests.pi.emulated import clean, prepare
from tests.pi.host import CACHE, MissingError, check_tools, run
from tests.pi.report import Outcome, print_table, read_junit
from tests.pi.selection import select
from tests.pi.systems import SYSTEMS, System

PARTS = (*(system.name for system in SYSTEMS), "picamera2")
SECONDS = 1800  # for the tests of one system: ten times what they take


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts and print a table. Returns: 0 if every part ran and no test failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.pi", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, help="parts to run (default: all)"
    )
    parser.add_argument("-k", metavar="EXPRESSION", help="of the tests, as pytest's -k")
    args = parser.parse_args(arguments)
    try:
        check_tools()
    except MissingError as error:
        print(f"make test-pi: something is missing here; {error}", file=sys.stderr)
        return 2
    # Told to end, it takes its programs with it, which run in sessions of their own.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    CACHE.mkdir(parents=True, exist_ok=True)
    choice = ["-k", args.k] if args.k else []
    outcomes = []
    try:
        wheel = build_wheel()
        for system in SYSTEMS:
            if system.name in args.only:
                outcomes.append(_guarded(system.title, lambda s=system: test(s, wheel, choice)))
        if "picamera2" in args.only:
            outcomes.append(_guarded(picamera.TITLE, lambda: picamera.test(wheel)))
    except RuntimeError as error:
        print(f"make test-pi: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        outcomes.append(Outcome("", problem="interrupted"))
    print_table(outcomes)
    return 1 if any(outcome.problem or outcome.failed for outcome in outcomes) else 0


def _guarded(title: str, work) -> Outcome:
    print(f"\n== {title}", flush=True)
    began = time.monotonic()
    try:
        outcome = work()
    except MissingError as error:
        print(f"skipped: {error}", flush=True)
        outcome = Outcome(title, skip=str(error))
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        print(f"make test-pi: {error}", file=sys.stderr)
        outcome = Outcome(title, problem=str(error).splitlines()[0])
    outcome.minutes = (time.monotonic() - began) / 60
    return outcome


def test(system: System, wheel: Path, choice: Sequence[str]) -> Outcome:
    """The runtime's tests on an emulated system."""
    python = prepare(system, wheel)
    checkout, models = copy_tests(), tiny_models()
    taken, left = select(checkout / "tests")
    print(f"{len(taken)} test modules; {len(left)} of the desktop's are left out", flush=True)
    what = (
        "import platform, edge_runtime.detector.interpreter as r; print(platform.python_version(), "
    )
    what += "r.find_runtime(), sep=', ')"
    environment = clean(TINY_MODELS=str(models), PYTHONDONTWRITEBYTECODE="1")
    probe = run(
        [python, "-c", what], 60, cwd=checkout, env=environment, text=True, stdout=subprocess.PIPE
    )
    report = CACHE / f"{system.name}.xml"
    report.unlink(missing_ok=True)
    pytest = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
    pytest += ["--continue-on-collection-errors"]
    modules = [f"tests/{name}" for name in taken]
    done = run([*pytest, *choice, *modules], SECONDS, cwd=checkout, env=environment)
    return read_junit(report, done.returncode, system.title, probe.stdout.strip())


if __name__ == "__main__":
    sys.exit(main())
