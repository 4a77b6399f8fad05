"""A training process that has said its last word ends, however the training went."""

import signal

import pytest

pytestmark = pytest.mark.slow

RECIPE = [
    *("--preset=digits", "--from-scratch", "--batch-size=2", "--epochs=100000", "--val-split=none"),
    *("--horizontal-flip=0", "--warmup-epochs=0.001"),
]


def last_line(process):
    """Exit status and last line of a process that ends by itself."""
    status, output = process.end()
    return status, output.strip().splitlines()[-1]


def test_a_training_that_fails_or_is_stopped_ends(tensorflow_forks, scenes, tmp_path):
    def start(name, **environment):
        out = tmp_path / f"{name}.keras"
        return tensorflow_forks([f"--data={scenes}", f"--out={out}", *RECIPE], environment)

    bad = [start(f"bad{pictures}", UNREADABLE_AFTER=str(pictures)) for pictures in (30, 47)]
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
    assert names == {"bad30.resume.npz", "bad47.resume.npz", "stopped.resume.npz"}
