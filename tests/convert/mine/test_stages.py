"""Stages end with what ended `make mine`, or keep the claim."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from convert.mine.stages import run_stage
from tests.conftest import HANG, ROOT
from tests.convert.mine.test_files import name_of

SLEEPS = ["timeit", "-n1", "-r1", "import time; print('begun', flush=True); time.sleep(1800)"]

# What a background job or nohup ignores would be ignored here as well, and nothing would end.
RUNNER = f"""
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from pathlib import Path
from convert.mine.files import claimed
from convert.mine.stages import run_stage
with claimed(Path(sys.argv[1]), "set", Path(sys.argv[1])) as (_, claim):
    print("status", run_stage({SLEEPS}, claim))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_no_stage_outlives_what_ended_make(tmp_path, number):
    """After SIGKILL, which nobody can pass on, it keeps the claim as long as it works."""
    command = [sys.executable, "-c", RUNNER, str(tmp_path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout.readline() == "begun\n"
            if number == signal.SIGINT:  # as a terminal does
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
            if number == signal.SIGKILL:
                assert process.wait(HANG) == -number
                with pytest.raises(ValueError, match="another `make mine` is at work"):
                    name_of(tmp_path, tmp_path)
            else:
                assert process.stdout.read() == f"status {SLEEPER_STATUS[number]}\n"
        finally:
            os.killpg(process.pid, signal.SIGKILL)


# timeit reports a KeyboardInterrupt as any other error.
SLEEPER_STATUS = {signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGINT: 1}


def test_a_signal_that_comes_while_a_stage_is_being_started_reaches_it(monkeypatch):
    start = subprocess.Popen

    def interrupted_start(*arguments, **options):
        child = start(*arguments, **options)
        os.kill(os.getpid(), signal.SIGTERM)
        return child

    monkeypatch.setattr(subprocess, "Popen", interrupted_start)
    fails_late = ["timeit", "-n1", "-r1", "import time; time.sleep(60); 1 / 0"]
    with Path(os.devnull).open() as claim:
        assert run_stage(fails_late, claim) == 128 + signal.SIGTERM
