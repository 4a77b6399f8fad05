"""A training goes on with changed data, and with no other recipe."""

import json
import warnings
from dataclasses import asdict

import keras
import numpy as np
import pytest

from train.config import TrainConfig
from train.data.dataset import DataWarning
from train.training.checkpoint import (
    Progress,
    TrainingFiles,
    advise,
    begin,
    restore_state,
    save_state,
)

NOW = {
    **asdict(TrainConfig()),
    "initial": "imagenet",
    "spec": {"class_names": ["cat"]},
    "data": "new",
    "pictures": 204,
    "val_data": "same",
    "val_pictures": 20,
}


def go_on(tmp_path, **changes):
    """Resume by the recipe NOW from a state that differs by `changes`; None: it lacks that."""
    files = TrainingFiles(tmp_path / "model.keras")
    files.model.touch()
    recipe = {key: value for key, value in {**NOW, **changes}.items() if value is not None}
    np.savez(files.state, progress=json.dumps(asdict(Progress(3, 0.4, recipe, []))))
    return begin(NOW, files, resume=True, overwrite=False)


def said(tmp_path, **changes):
    with pytest.warns(DataWarning) as caught:
        progress = go_on(tmp_path, **changes)
    assert progress == Progress(3, 0.4, NOW, [])  # from now on the new data are its own
    (warning,) = caught
    return str(warning.message).replace(str(tmp_path), "")


def test_the_same_data_are_not_spoken_of(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert go_on(tmp_path).epochs == 3


def test_changed_data_are_said_and_gone_on_with(tmp_path):
    since = "the data changed since /model.resume.npz was written: "
    goes_on = "; goes on with the new"
    assert said(tmp_path, data="old", pictures=205) == f"{since}205 pictures then, 204 now{goes_on}"
    same = "204 pictures as before, but others or other boxes"
    assert said(tmp_path, data="old") == f"{since}{same}{goes_on}"
    val = "val: 21 pictures then, 20 now, and AP before was measured on the former"
    assert said(tmp_path, val_data="old", val_pictures=21) == f"{since}{val}{goes_on}"
    both = said(tmp_path, data="old", pictures=205, val_data="old", val_pictures=21)
    assert both == f"{since}205 pictures then, 204 now; {val}{goes_on}"


def test_a_state_that_did_not_count_its_pictures(tmp_path):
    older = {"pictures": None, "val_data": None, "val_pictures": None}
    assert "written: 204 pictures now; goes on" in said(tmp_path, data="old", **older)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert go_on(tmp_path, **older).epochs == 3


@pytest.mark.parametrize(
    "changes",
    [{"spec": {"class_names": ["dog"]}}, {"epochs": 61}, {"initial": "random"}, {"anchors": "a"}],
)
def test_another_recipe_is_refused_whatever_the_data(tmp_path, changes):
    with pytest.raises(ValueError, match=rf"different: \['{next(iter(changes))}'\]"):
        go_on(tmp_path, data="old", **changes)


def test_resuming_is_advised_only_where_there_is_a_state(tmp_path):
    state = tmp_path / "model.resume.npz"
    assert advise(state, "mend it") == "mend it and start again"
    assert advise(state, "mend it", first=False) == (
        "mend it and start again, with --resume if host 0 has its model.resume.npz"
    )
    state.touch()
    assert advise(state, "mend it") == "mend it and go on with --resume"


def test_renamed_classes_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"'spec'\]; classes: dog, hen then, cat now\); give"):
        go_on(tmp_path, spec={"class_names": ["dog", "hen"]})


def cut(content, place):
    return content[:place]


def with_zeros(content, place):
    return content[:place] + bytes(9) + content[place + 9 :]


def compressed_as_nobody_can(content, place):
    """A flipped bit in the zip's list of members."""
    entry = content.rfind(b"PK\x01\x02", 0, content.rfind(b"weight_0.npy"))
    return content[: entry + 10] + b"\x40" + content[entry + 11 :]


@pytest.mark.parametrize("harm", [cut, with_zeros, compressed_as_nobody_can])
def test_a_damaged_state_is_named(tmp_path, harm):
    """As after a bad sector: what says how far it had come may still be readable."""
    path = tmp_path / "model.resume.npz"
    model = keras.Sequential([keras.Input((50,)), keras.layers.Dense(50)])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    save_state(path, model, Progress(3, 0.4, NOW, []))
    restore_state(path, model)
    content = path.read_bytes()
    path.write_bytes(harm(content, content.find(b"weight_0.npy") + 500))
    with pytest.raises(ValueError, match=r"model\.resume\.npz: the state of .*delete it and train"):
        restore_state(path, model)
