"""A few scenes, a small preset and a small net, for tests of what is around a training."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tensorflow as tf

from edge_runtime.detector.spec import AnchorLevel
from tests.train.forks import Fork, Nursery
from tests.train.runs import STILL, run
from tests.train.tiny_training import tiny_ssd
from train import setup
from train.data import decoding
from train.digits.__main__ import write_digits
from train.model.presets import PRESETS, Preset


@pytest.fixture(scope="session", autouse=True)
def decoded_elsewhere(tmp_path_factory) -> Iterator[None]:
    """No test leaves what it decoded in the checkout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "FOLDER", tmp_path_factory.mktemp("decoded"))
        yield


@pytest.fixture(autouse=True)
def run_eagerly() -> Iterator[None]:
    """Few steps are sooner run one by one than traced into a graph; trainings in processes of their
    own, and the command of the conversion, run as graphs."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session")
def scenes(make_once) -> Path:
    """A few scenes of digits."""

    def write(folder: Path) -> None:
        write_digits(folder / "digits", {"train": 8, "val": 4, "test": 4}, workers=1)

    return make_once("scenes", write) / "digits"


@pytest.fixture
def tiny_preset(monkeypatch) -> None:
    """A net that trains in seconds; the shipped presets are tested in model/test_ssd.py."""
    levels = (AnchorLevel(16, (0.2, 0.4), (0.6, 0.6)),)
    monkeypatch.setitem(PRESETS, "digits", Preset(levels, 0, 0.35, (64, 64)))


@pytest.fixture
def tiny_net(monkeypatch, tiny_preset) -> None:
    """A net of a few layers, for tests of all that is around it: the real one takes ten seconds."""
    monkeypatch.setattr(setup, "build_ssd", tiny_ssd)


@pytest.fixture
def trained(make_once, scenes, tiny_net) -> Path:
    """A float detector of few layers, its statistics settled by training. Do not change it."""

    def train(folder: Path) -> None:
        assert run(scenes, folder / "float.keras", "--epochs=6", *STILL) == 0

    return make_once("trained", train) / "float.keras"


@pytest.fixture(scope="session")
def _tensorflow_nursery() -> Iterator[Nursery]:
    nursery = Nursery({**os.environ, "KERAS_BACKEND": "tensorflow"})
    yield nursery
    nursery.close()


@pytest.fixture
def tensorflow_forks(_tensorflow_nursery) -> Iterator[Callable[..., Fork]]:
    """Nursery.start on TensorFlow; none of its trainings outlives the test."""
    yield _tensorflow_nursery.start
    _tensorflow_nursery.clear()
