"""Short trainings in this process, stopped at will, and the losses that they log."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from train.__main__ import main
from train.data.dataset import DataWarning
from train.training import callbacks

# Nothing random about the images, and the full learning rate from the first step on.
STILL = ("--crop=0", "--zoom-out=0", "--warmup-epochs=0.001")


def run(scenes: Path, out: Path, *flags: str) -> int:
    """`python -m train` with the preset "digits". Returns: the exit status."""
    recipe = {
        "preset": "digits",
        "anchors": "preset",
        "epochs": 1,  # unless a flag says so: by itself it would be hundreds
        "batch-size": 4,
        "validate-every": 1,
        "horizontal-flip": 0,
    }
    given = [f"--{flag}={value}" for flag, value in recipe.items()]
    if not any(flag.startswith(("--start-from", "--backbone-weights")) for flag in flags):
        given.append("--from-scratch")
    with few_pictures_expected():
        return main(["--data", str(scenes), "--out", str(out), *given, *flags])


@contextmanager
def few_pictures_expected() -> Iterator[None]:
    """Tests learn from a handful of pictures, which a training warns of."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* pictures to learn from", DataWarning)
        yield


@contextmanager
def stopped_after_an_epoch(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ctrl-C as soon as the state of an epoch is on the disk."""
    save = callbacks.save_state

    def save_then_stop(path, model, progress):
        save(path, model, progress)
        if progress.epochs:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(callbacks, "save_state", save_then_stop)
        yield


def losses(out: Path) -> list[float]:
    """The training losses, an epoch each."""
    with out.with_suffix(".csv").open(newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]
