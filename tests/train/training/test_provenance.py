"""Provenance of a training inside the model's file."""

import json
import zipfile

import pytest

from train.config import SHAPE, TrainConfig
from train.data.dataset import DetectionDataset
from train.model.presets import PRESETS
from train.training.provenance import (
    TRAINING_MEMBER,
    describe_training,
    provenance_to_json,
    read_training,
)

SOFTWARE = {"keras": "3.12.0", "backend": "tensorflow 2.21.0"}


def written(path, provenance):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(TRAINING_MEMBER, provenance_to_json(provenance, [{"seconds": 90}]))
    return path


@pytest.fixture(name="dataset")
def dataset_fixture(tmp_path):
    return DetectionDataset(tmp_path, "train", ("a",), [])


def test_settings_are_what_the_preset_made_of_them(dataset, tmp_path):
    config = TrainConfig(preset="digits", epochs=5, seed=3)
    provenance = read_training(
        written(tmp_path / "a.keras", describe_training(config, dataset, "", SOFTWARE))
    )
    settings = provenance["settings"]
    assert (settings["epochs"], settings["seed"], settings["preset"]) == (5, 3, "digits")
    digits = PRESETS["digits"]
    assert (settings["alpha"], settings["input_size"]) == (digits.alpha, digits.input_hw[0])
    assert provenance["minutes"] == 1.5


def test_settings_that_were_given_stay(dataset):
    config = TrainConfig(preset="digits", alpha=0.75, input_size=224)
    settings = describe_training(config, dataset, "", SOFTWARE)["settings"]
    assert (settings["alpha"], settings["input_size"]) == (0.75, 224)
    json.dumps(settings)


def test_it_says_what_the_training_started_from(dataset, tmp_path):
    start = tmp_path / "other.keras"
    provenance = describe_training(TrainConfig(), dataset, "", SOFTWARE, start, "other.keras")
    assert provenance["initial"] == "other.keras"


def test_with_qat_the_shape_is_that_of_the_net_it_starts_from(dataset, tmp_path):
    float_provenance = describe_training(
        TrainConfig(preset="digits", alpha=0.75), dataset, "", SOFTWARE
    )
    path = written(tmp_path / "float.keras", float_provenance)
    settings = describe_training(TrainConfig(qat=True, seed=9), dataset, "", SOFTWARE, path)[
        "settings"
    ]
    assert {name: settings[name] for name in SHAPE} == {
        **{"preset": "digits", "anchors": "", "alpha": 0.75},
        "input_size": PRESETS["digits"].input_hw[0],
    }
    assert (settings["seed"], settings["qat"]) == (9, True)


def test_an_older_provenance_leaves_the_shape_open(dataset, tmp_path):
    older = describe_training(TrainConfig(), dataset, "typed", SOFTWARE)
    del older["settings"]
    path = written(tmp_path / "older.keras", older)
    assert read_training(path)["command"] == "typed"
    bare = tmp_path / "bare.keras"
    with zipfile.ZipFile(bare, "w"):
        pass
    for start in (path, bare):
        settings = describe_training(TrainConfig(qat=True), dataset, "", SOFTWARE, start)[
            "settings"
        ]
        assert [settings[name] for name in SHAPE] == [None] * len(SHAPE)


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000])
def test_a_provenance_that_is_none_names_the_file(tmp_path, text):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(TRAINING_MEMBER, text)
    with pytest.raises(ValueError, match=r"m\.keras: training\.json: .*copy the file again"):
        read_training(path)
