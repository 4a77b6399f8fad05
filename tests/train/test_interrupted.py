"""Trainings in processes of their own that are killed, stopped, or run out of room or pictures."""

import csv
import signal
from functools import partial

import keras
import numpy as np
import pytest

from train.digits.__main__ import write_digits
from train.training.checkpoint import read_progress

pytestmark = pytest.mark.slow

EPOCHS = 4
RECIPE = (
    f"--preset digits --from-scratch --batch-size 4 --epochs {EPOCHS} "
    "--horizontal-flip 0 --validate-every 1"
).split()


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "digits"
    write_digits(root, {"train": 16, "val": 4, "test": 4}, workers=1)
    return root


class Training:
    """`python -m train` with the net of tests/train/tiny_training.py and its environment."""

    def __init__(self, start, scenes, out, *flags, **environment):
        self.state, self.out = out.with_suffix(".resume.npz"), out
        self.end = start(["--data", scenes, "--out", out, *RECIPE, *flags], environment).end


@pytest.fixture
def training(tensorflow_forks):
    """Starts trainings; those that a failing test leaves behind are ended."""
    return partial(Training, tensorflow_forks)


def rows(out):
    with out.with_suffix(".csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_killed_training_resumes_and_ends_as_an_uninterrupted_one(scenes, tmp_path, training):
    whole = training(scenes, tmp_path / "whole.keras")
    parts = training(scenes, tmp_path / "parts.keras", "--tensorboard", DIE_WRITING="3")
    code, output = parts.end()
    assert code == -signal.SIGKILL, output
    assert len(list(tmp_path.glob(".parts.resume.????????.npz"))) == 1
    assert read_progress(parts.state).epochs == 2
    code, output = training(scenes, parts.out, "--tensorboard", "--resume", DIE_AT="2").end()
    assert code == -signal.SIGKILL, output
    assert read_progress(parts.state).epochs == 2
    code, output = training(scenes, parts.out, "--tensorboard", "--resume").end()
    assert code == 0, output
    assert whole.end()[0] == 0
    names = [row["epoch"] for row in rows(parts.out)]
    assert names == [str(n + 1) for n in range(EPOCHS)]
    for column in ("loss", "val_ap"):
        ours, theirs = ([float(row[column]) for row in rows(run.out)] for run in (parts, whole))
        np.testing.assert_allclose(ours, theirs, rtol=5e-3, atol=1e-3)
    ours, theirs = (
        np.concatenate([w.ravel() for w in keras.saving.load_model(run.out).get_weights()])
        for run in (parts, whole)
    )
    assert np.linalg.norm(ours - theirs) < 0.02 * np.linalg.norm(theirs)
    # Neither the state nor what was half written stays behind.
    left = {path.name for path in tmp_path.iterdir() if path.name.startswith((".parts", "parts"))}
    results = [
        "parts.keras", "parts.csv", "parts.png", "parts.tensorboard", "parts_verdict.txt"
    ]  # fmt: skip
    assert left in ({*results, "parts_validation.jpg"}, {*results})
    assert len(list((tmp_path / "parts.tensorboard").iterdir())) == 3  # a run for every start


def test_a_full_disk_is_an_error_that_says_what_is_left(scenes, tmp_path, training):
    run = training(scenes, tmp_path / "model.keras", FULL_AFTER="1")
    code, output = run.end()
    assert code == 2, output
    # Not always the last line: TensorFlow may complain that its generator is gone.
    last = next(line for line in output.splitlines() if "File too large" in line)
    done = read_progress(run.state).epochs
    assert done >= 1
    assert last.startswith("train: ") and f"while writing beside {run.state}" in last
    assert f"still holds epoch {done}" in last and "--resume" in last
    assert keras.saving.load_model(run.out, compile=False).count_params() > 0
    assert len(rows(run.out)) in (done - 1, done)
    assert not list(tmp_path.glob(".model.*"))


def last_line(process):
    """Exit status and last line of a process that ends by itself."""
    status, output = process.end()
    return status, output.strip().splitlines()[-1]


def test_a_training_that_fails_or_is_stopped_ends(tensorflow_forks, scenes, tmp_path):
    """It does once it has said its last word, though other threads were still reading."""
    endless = ("--batch-size=2", "--epochs=100000", "--val-split=none", "--warmup-epochs=0.001")

    def start(name, **environment):
        given = [f"--data={scenes}", f"--out={tmp_path / name}.keras", *RECIPE, *endless]
        return tensorflow_forks(given, environment)

    bad = [start(f"bad{pictures}", UNREADABLE_AFTER=str(pictures)) for pictures in (50, 87)]
    stopped = start("stopped")
    for line in stopped.stdout:
        if line.startswith("epoch 2/"):
            break
    stopped.send_signal(signal.SIGINT)
    resumable = "stopped; --resume goes on after the last whole epoch"
    assert last_line(stopped) == (130, f"train: {resumable}")
    for process in bad:
        status, last = last_line(process)
        assert status == 2, last
        assert last.startswith("train: ") and "cannot be read as a picture (gone)" in last
        assert last.endswith("mend the data and go on with --resume")
    names = {path.name for path in tmp_path.glob("*.resume.npz")}
    assert names == {"bad50.resume.npz", "bad87.resume.npz", "stopped.resume.npz"}
