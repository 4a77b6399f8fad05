"""A training process that has said its last word ends, however the training went."""

import os
import signal
import subprocess
import sys

import pytest

from tests.conftest import HANG, ROOT

pytestmark = pytest.mark.slow

RECIPE = [
    *("--preset=digits", "--from-scratch", "--batch-size=2", "--epochs=100000", "--val-split=none"),
    *("--horizontal-flip=0", "--warmup-epochs=0.001"),
]
PROGRAM = "import sys; from tests.train.tiny_training import run; sys.exit(run())"


@pytest.fixture
def start(scenes, tmp_path):
    """Starts trainings, and ends those that hang."""
    started = []

    def begin(name, **environment):
        out = tmp_path / f"{name}.keras"
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, f"--data={scenes}", f"--out={out}", *RECIPE],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "KERAS_BACKEND": "tensorflow", **environment},
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def end(process):
    """Exit status and last line of a process that ends by itself."""
    output, _ = process.communicate(timeout=HANG)
    return process.returncode, output.strip().splitlines()[-1]


def test_a_training_that_fails_or_is_stopped_ends(start, tmp_path):
    """Side by side, since each takes seconds to begin."""
    bad = [start(f"bad{pictures}", UNREADABLE_AFTER=str(pictures)) for pictures in (30, 47)]
    stopped = start("stopped")
    for line in stopped.stdout:
        if line.startswith("epoch 2/"):
            break
    stopped.send_signal(signal.SIGINT)
    resumable = "stopped; --resume goes on after the last whole epoch"
    assert end(stopped) == (130, f"train: {resumable}")
    for process in bad:
        status, last = end(process)
        assert status == 2, last
        assert last.startswith("train: ") and "cannot be read as a picture (gone)" in last
        assert last.endswith("mend the data and go on with --resume")
    names = {path.name for path in tmp_path.glob("*.resume.npz")}
    assert names == {"bad30.resume.npz", "bad47.resume.npz", "stopped.resume.npz"}
