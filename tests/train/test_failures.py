"""Trainings that cannot go well: said early where it can be, and nothing is lost."""

import shutil

import numpy as np
import pytest

from edge_runtime.detector.spec import AnchorLevel
from tests.train.runs import run, stopped_after_an_epoch
from train import trainer as loop
from train.data.dataset import load_voc
from train.model.presets import PRESETS
from train.training import callbacks
from train.training.checkpoint import read_progress

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_net")]


@pytest.fixture
def copied(scenes, tmp_path):
    """A copy of the scenes to damage, and a file name for the model."""
    root = tmp_path / "scenes"
    shutil.copytree(scenes, root)
    return root, tmp_path / "model.keras"


def truncate(root, image_id):
    path = next((root / "JPEGImages").glob(f"{image_id}.*"))
    path.write_bytes(path.read_bytes()[:-400])


def test_a_picture_that_cannot_be_decoded_is_named(copied, capsys):
    root, out = copied
    truncate(root, load_voc(root, "train")[3].image_id)
    assert run(root, out, "--epochs=1") == 2
    error = capsys.readouterr().err
    assert load_voc(root, "train")[3].image_id in error
    assert "mend the data and go on with --resume" in error


def test_a_validation_picture_that_cannot_be_decoded_stops_before_the_training(copied, capsys):
    root, out = copied
    truncate(root, load_voc(root, "val")[2].image_id)
    assert run(root, out, "--epochs=1") == 2
    captured = capsys.readouterr()
    assert load_voc(root, "val")[2].image_id in captured.err
    assert "Epoch" not in captured.out
    assert not out.with_suffix(".resume.npz").exists()


def test_a_validation_split_that_measures_nothing_is_refused(copied, capsys):
    root, out = copied
    for example in load_voc(root, "val"):
        path = root / "Annotations" / f"{example.image_id}.xml"
        path.write_text(path.read_text().replace("<difficult>0", "<difficult>1"))
    assert run(root, out, "--epochs=1") == 2
    assert "objects that are not difficult expected" in capsys.readouterr().err


def test_a_loss_that_is_no_number_ends_the_training(scenes, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(loop, "box_loss", lambda targets, offsets: np.nan * offsets[0, 0, 0])
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

    training = load_voc(scenes, "train")
    levels = (AnchorLevel(16, (0.9,), (5.0,)),)
    monkeypatch.setattr(loop, "multiply_adds", lambda model: 0)
    spec = PRESETS["digits"].spec(training.class_names, (64, 64))
    loop._describe(Net(), type(spec)(spec.input_hw, spec.class_names, levels), training, None)
    said = capsys.readouterr().out
    assert "warning: few boxes of these classes have an anchor" in said
    assert "python -m train.anchors" in said
