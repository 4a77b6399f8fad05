"""A training process that has said its last word ends, however the training went."""

import os
import signal
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow

RECIPE = [
    "--preset",
    "digits",
    "--from-scratch",
    "--batch-size",
    "2",
    "--epochs",
    "40",
    "--horizontal-flip",
    "0",
    "--val-split",
    "none",
    "--warmup-epochs",
    "0",
]
PROGRAM = "import sys; from tests.train.tiny_training import run; sys.exit(run())"
SECONDS = 60  # far more than it takes, on a busy machine, too


@pytest.fixture
def start(scenes):
    """Starts trainings, and ends those that hang."""
    started = []

    def begin(out, **environment):
        command = [sys.executable, "-c", PROGRAM, "--data", scenes, "--out", out, *RECIPE]
        process = subprocess.Popen(
            list(map(str, command)),
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


def test_a_training_whose_pictures_go_bad_ends_with_its_message(start, tmp_path):
    runs = [start(tmp_path / f"{n}.keras", UNREADABLE_AFTER=str(30 + 5 * n)) for n in range(3)]
    for number, process in enumerate(runs):
        output, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 2, output
        last = output.strip().splitlines()[-1]
        assert last.startswith("train: ") and "cannot be read as a picture (gone)" in last, output
        assert last.endswith("mend the data and go on with --resume")
        assert (tmp_path / f"{number}.resume.npz").is_file()


def test_a_stopped_training_ends(start, tmp_path):
    process = start(tmp_path / "model.keras")
    for line in process.stdout:
        if line.startswith("Epoch 3"):
            break
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 130, output
    last = output.strip().splitlines()[-1]
    assert last == "train: stopped; --resume goes on after the last whole epoch"
