"""Screen of a training: plain lines in a file, one that moves on a terminal."""

import io
import sys
import time

import pytest

from train.training.callbacks import Validation
from train.training.checkpoint import Progress
from train.training.screen import Screen, format_duration

NAN = float("nan")
LOSSES = {"loss": 2.31449, "logits_loss": 1.80249, "offsets_loss": 0.512}
FIRST = "loss 2.314 (classes 1.802, boxes 0.512)"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by 10 s with every look at it."""
    now = iter(range(0, 100_000, 10))
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(now)))


def make_screen(epochs, start=None, measured=True, steps=2):
    dataset = object() if measured else None
    validation = Validation(None, dataset, None, every=2, epochs=epochs)
    return Screen(start or Progress(0, -1.0, {}, []), steps, validation)


def run_epoch(screen, epoch, ap=NAN, steps=2, **more):
    screen.on_epoch_begin(epoch)
    logs = {**LOSSES, "images_per_second": 41.4, **more}
    for step in range(steps):
        screen.on_train_batch_end(step, dict(logs))
    screen.on_epoch_end(epoch, {**logs, "val_ap": ap, "val_ap50": 2 * ap})


def test_a_plain_line_an_epoch(clock, capsys):
    screen = make_screen(epochs=4)
    screen.on_train_begin()
    for epoch, ap in enumerate((NAN, 0.3125, NAN, 0.25)):
        run_epoch(screen, epoch, ap)
    screen.on_train_end()
    out, err = capsys.readouterr()
    # The clock is read after the first step and then at each end of an epoch: 10 s since the
    # first step for 1 step, with 6 to come; 20 s for 3, 4 to come; 30 s for 5, 2 to come.
    assert out.splitlines() == [
        f"epoch 1/4: {FIRST}, 41 images/s, 1 min left",
        f"epoch 2/4: {FIRST}, 41 images/s, 27 s left, AP 0.312, AP50 0.625, best so far",
        f"epoch 3/4: {FIRST}, 41 images/s, 12 s left",
        f"epoch 4/4: {FIRST}, 41 images/s, AP 0.250, AP50 0.500",
    ]
    assert err == ""


def test_without_a_validation_split_or_a_second_step_there_is_less_to_say(capsys):
    screen = make_screen(epochs=1, measured=False, steps=1)
    screen.on_train_begin()
    run_epoch(screen, 0, steps=1, images_per_second=NAN)
    assert capsys.readouterr().out == f"epoch 1/1: {FIRST}\n"


def test_a_resumed_training_goes_on_counting_and_knows_its_best(clock, capsys):
    history = [{"epoch": 1.0, "val_ap": NAN}, {"epoch": 2.0, "val_ap": 0.4}]
    screen = make_screen(epochs=4, start=Progress(2, 0.4, {}, history))
    screen.on_train_begin()
    run_epoch(screen, 2)
    run_epoch(screen, 3, 0.4)  # as good, but not better: the earlier one is kept
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"epoch 3/4: {FIRST}, 41 images/s, 20 s left"  # 10 s a step, two to come
    assert out[1].startswith("epoch 4/4") and out[1].endswith("AP 0.400, AP50 0.800")


def test_on_a_terminal_one_line_moves(clock, monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "300")
    history = [{"epoch": 1.0, "val_ap": 0.4}]
    screen = make_screen(epochs=2, start=Progress(1, 0.4, {}, history))
    screen.on_train_begin()
    run_epoch(screen, 1, 0.5)
    screen.close()
    screen.close()  # after an error it comes a second time
    text = terminal.getvalue()
    assert text.count("\n") == 1 and text.endswith("\n")
    begun, *shown = (part.strip() for part in text.split("\r") if part.strip())
    measuring, last = next(part for part in shown if "measuring" in part), shown[-1]
    assert begun.startswith("50% epoch 2/2, compiling the net")
    # The end of the second step, before AP is there; then the end of the epoch.
    assert "epoch 2/2, step 2/2, measuring AP, best AP 0.400 (epoch 1), 41 images/s" in measuring
    assert last.startswith("100% epoch 2/2, best AP 0.500 (epoch 2), 41 images/s, loss 2.31 (")
    assert capsys.readouterr().err == ""


def test_closed_before_it_began():
    make_screen(epochs=1).close()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (61, "1 min"), (3540, "59 min"), (3599, "1 h 0 min"),
     (12_000, "3 h 20 min"), (180_000, "50 h 0 min")],
)  # fmt: skip
def test_durations(seconds, text):
    assert format_duration(seconds) == text
