"""Trainings that cannot go well: said early where it can be, and nothing is lost."""

import csv
import gc
import itertools
import shutil
from contextlib import suppress

import numpy as np
import pytest

from edge_runtime.detector.spec import AnchorLevel
from edge_runtime.media.images import read_image
from tests.train.runs import run, stopped_after_an_epoch
from train import setup
from train import trainer as loop
from train.config import TrainConfig
from train.data import batches
from train.data.dataset import DataWarning, load_dataset
from train.digits.__main__ import write_digits
from train.model.presets import PRESETS
from train.training import callbacks
from train.training.checkpoint import read_progress

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_net")]


@pytest.fixture
def copied(scenes, tmp_path):
    """A copy of the scenes to damage, and a file name for the model."""
    root = tmp_path / "scenes"
    for copy in (root, tmp_path / "whole"):
        shutil.copytree(scenes, copy)
    return root, tmp_path / "model.keras"


def truncate(root, image_id):
    path = next((root / "JPEGImages").glob(f"{image_id}.*"))
    path.write_bytes(path.read_bytes()[:-400])


def test_a_copy_of_which_much_cannot_be_decoded_is_refused_at_once(copied, capsys):
    root, out = copied
    for split, number in (("train", 3), ("val", 2)):
        image_id = load_dataset(root, split)[number].image_id
        truncate(root, image_id)
        assert run(root, out, "--epochs=1") == 2
        captured = capsys.readouterr()
        assert image_id in captured.err and "broken copy of the set" in captured.err
        assert "epoch 1" not in captured.out
        assert not list(out.parent.glob("model*"))
        shutil.copytree(root.parent / "whole", root, dirs_exist_ok=True)


def test_a_bad_picture_is_left_out_and_an_interrupted_training_goes_on(tmp_path, monkeypatch):
    root, out = tmp_path / "twelve", tmp_path / "model.keras"
    write_digits(root, {"train": 12, "val": 4, "test": 1}, workers=1)
    with stopped_after_an_epoch(monkeypatch):
        assert run(root, out, "--epochs=3") == 130
    truncate(root, load_dataset(root, "train")[3].image_id)
    with pytest.warns(DataWarning) as caught:
        assert run(root, out, "--epochs=3", "--resume") == 0
    messages = [str(warning.message) for warning in caught]
    assert any("left out: 11 of 12 pictures of split 'train' are left" in m for m in messages)
    assert any("12 pictures then, 11 now; goes on with the new" in m for m in messages)
    with out.with_suffix(".csv").open(newline="") as file:
        rates = [float(row["learning_rate"]) for row in csv.DictReader(file)]
    # Three steps an epoch before, two since: the third of three epochs still ends at zero.
    assert len(rates) == 3 and rates[-1] == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize(
    ("pictures", "advice"), [(0, "and start again"), (40, "and go on with --resume")]
)
def test_a_picture_that_goes_bad_is_named_with_what_can_be_done(
    scenes, tmp_path, monkeypatch, capsys, pictures, advice
):
    """Before the first batches are there, nothing can be gone on with."""
    numbers = itertools.count()

    def read(path):
        if next(numbers) >= pictures:
            raise ValueError(f"{path} is gone")
        return read_image(path)

    monkeypatch.setattr(batches, "read_image", read)
    out = tmp_path / "model.keras"
    assert run(scenes, out, "--epochs=40", "--val-split=none") == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("train: ") and last.endswith(f"is gone; mend the data {advice}")
    assert out.with_suffix(".resume.npz").exists() == (pictures > 0)


@pytest.mark.parametrize("error", [ValueError("gone"), KeyboardInterrupt(), RuntimeError("?")])
def test_no_iterator_of_tensorflow_outlives_its_training(scenes, tmp_path, monkeypatch, error):
    """Else the interpreter's end would wait for its thread, and the thread for the interpreter."""

    def fail(self, batch, logs):
        raise error

    def iterators():
        return {id(each) for each in gc.get_objects() if type(each).__name__ == "OwnedIterator"}

    monkeypatch.setattr(callbacks.Speed, "on_train_batch_end", fail)
    earlier = iterators()
    gc.disable()  # not by chance
    try:
        with suppress(RuntimeError):
            run(scenes, tmp_path / "model.keras", "--epochs=2", "--val-split=none")
        assert iterators() <= earlier
    finally:
        gc.enable()


def test_stopped_before_anything_could_be_resumed(scenes, tmp_path, monkeypatch, capsys):
    out = tmp_path / "model.keras"
    with monkeypatch.context() as patch:
        patch.setattr(
            loop, "build_views", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        assert run(scenes, out) == 130
    assert f"stopped; nothing to resume beside {out}" in capsys.readouterr().err
    with stopped_after_an_epoch(monkeypatch):
        assert run(scenes, out, "--epochs=2") == 130
    assert "stopped; --resume goes on after the last whole epoch" in capsys.readouterr().err


def test_a_validation_split_that_measures_nothing_is_refused(copied, capsys):
    root, out = copied
    for example in load_dataset(root, "val"):
        path = root / "Annotations" / f"{example.image_id}.xml"
        path.write_text(path.read_text().replace("<difficult>0", "<difficult>1"))
    assert run(root, out, "--epochs=1") == 2
    assert "objects that are not difficult expected" in capsys.readouterr().err


def test_a_loss_that_is_no_number_ends_the_training(scenes, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(setup, "box_loss", lambda targets, offsets: np.nan * offsets[0, 0, 0])
    out = tmp_path / "model.keras"
    assert run(scenes, out, "--epochs=1") == 2
    assert "lower --learning-rate" in capsys.readouterr().err
    assert not out.exists()


def test_overwriting_forgets_the_earlier_training(scenes, tmp_path, monkeypatch, capsys):
    out = tmp_path / "model.keras"
    state = out.with_suffix(".resume.npz")
    with stopped_after_an_epoch(monkeypatch):
        assert run(scenes, out, "--epochs=2") == 130
    assert read_progress(state).epochs == 1
    with monkeypatch.context() as patch:  # stopped before its first epoch has ended
        patch.setattr(
            callbacks.BestCheckpoint,
            "on_epoch_end",
            lambda *_: (_ for _ in ()).throw(KeyboardInterrupt),
        )
        assert run(scenes, out, "--epochs=2", "--overwrite") == 130
    assert read_progress(state).epochs == 0
    out.unlink()
    assert run(scenes, out, "--epochs=2", "--resume") == 0  # from the beginning
    assert out.is_file() and not state.exists()

    out.unlink()
    assert run(scenes, out, "--epochs=2") == 2  # the log is an earlier result, too
    assert "model.csv holds an earlier result" in capsys.readouterr().err


def test_resuming_needs_the_best_model_so_far(scenes, tmp_path, monkeypatch, capsys):
    out = tmp_path / "model.keras"
    with stopped_after_an_epoch(monkeypatch):
        assert run(scenes, out, "--epochs=2") == 130
    out.unlink()
    assert run(scenes, out, "--epochs=2", "--resume") == 2
    assert "the best model before the interruption" in capsys.readouterr().err


def test_training_warns_of_classes_out_of_the_anchors_reach(scenes, monkeypatch, capsys):
    class Net:
        def __init__(self):
            self.output = {"logits": np.zeros((1, 4, 2))}

        def count_params(self):
            return 0

    training = load_dataset(scenes, "train")
    levels = (AnchorLevel(16, (0.9,), (5.0,)),)
    monkeypatch.setattr(loop, "multiply_adds", lambda model: 0)
    spec = PRESETS["digits"].spec(training.class_names, (64, 64))
    spec = type(spec)(spec.input_hw, spec.class_names, levels)
    loop._describe(TrainConfig(anchors="preset"), Net(), spec, training, None)
    said = capsys.readouterr().out
    assert "warning: few boxes of these classes have an anchor" in said
    assert "python -m train.anchors" in said
