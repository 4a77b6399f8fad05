"""A run's model: which classes it reports, and what happens when its file is replaced."""

import logging
import shutil

import numpy as np
import pytest

from edge_runtime.detector.detector import Detector
from edge_runtime.detector.spec import embed
from edge_runtime.frame import Frame
from edge_runtime.pipeline import reloading_detector as module
from edge_runtime.pipeline.reloading_detector import Model
from tests.edge_runtime.runs import make_frame
from tests.tiny_model import SPEC


@pytest.fixture
def path(tiny_models, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHECK_SECONDS", 0)  # look each time
    return shutil.copy(tiny_models / "tiny_int8.tflite", tmp_path / "model.tflite")


def make_model(path, classes=None):
    return Model(lambda: Detector(path, 1), path, classes)


def test_classes_that_are_not_wanted_are_left_out(path, red_frame):
    result = make_model(path, ["green"]).look(make_frame(picture=red_frame))
    assert result.detections.names == ["green"]
    assert set(result.milliseconds) == {"preprocess", "inference", "postprocess"}
    assert result.latency > 0


def test_an_unknown_class_is_named_beside_those_it_knows(path):
    with pytest.raises(ValueError, match=r"got blue; it knows red, green"):
        make_model(path, ["red", "blue"])


def test_a_small_picture_gives_boxes_in_the_whole_ones_pixels(path, red_frame):
    model = make_model(path)
    whole = model.look(make_frame(picture=red_frame)).detections
    frame = Frame((640, 1440), 0.0, 0.0, 0, small=model_input(red_frame))
    np.testing.assert_allclose(model.look(frame).detections.boxes, 10 * whole.boxes, rtol=1e-5)


def model_input(frame):
    from edge_runtime.detector.preprocess import resize

    return resize(frame, SPEC.input_hw)


def replace(path, source, names=None):
    """A new file takes the model's place, as `mv` does."""
    new = path.with_name("new.tflite")
    shutil.copy(source, new)
    if names:
        from dataclasses import replace as changed

        embed(new, changed(SPEC, class_names=names))
    new.replace(path)


def refresh_twice(model):
    """A change counts once it looks the same twice."""
    model.refresh()
    model.refresh()


def test_a_replaced_file_is_loaded(path, tiny_models):
    model = make_model(path)
    replace(path, tiny_models / "tiny_bare.tflite", ("rouge", "vert"))
    model.refresh()
    assert model.class_names == ("red", "green")  # it may still be growing
    model.refresh()
    assert model.class_names == ("rouge", "vert") and model.state()["reloads"] == 1
    refresh_twice(model)
    assert model.state()["reloads"] == 1


def test_a_bad_new_file_leaves_the_old_at_work(path, red_frame, caplog):
    model = make_model(path)
    path.write_bytes(path.read_bytes()[:300])  # in place, as `cp` does
    with caplog.at_level(logging.WARNING):
        for _ in range(4):
            refresh_twice(model)
    assert model.look(make_frame(picture=red_frame)).detections.names == ["red", "green"]
    state = model.state()
    assert (state["reloads"], state["reload_failures"]) == (0, 1) and "model" in state[
        "reload_error"
    ]
    assert len(caplog.records) == 1 and "the old one goes on" in caplog.text


def test_damage_in_the_middle_of_a_file_is_found_before_it_is_used(path, red_frame, monkeypatch):
    model = make_model(path)

    class Damaged(Detector):
        def invoke(self, input_tensor):
            raise RuntimeError(
                "Input tensor 185 lacks data"
            )  # what LiteRT says with the first frame

    monkeypatch.setattr(model, "_load", lambda: Damaged(path, 1))
    path.touch()
    for _ in range(3):
        refresh_twice(model)
    assert model.look(make_frame(picture=red_frame)).detections.names == ["red", "green"]
    assert model.state()["reload_failures"] == 1 and "is damaged" in model.state()["reload_error"]
    with pytest.raises(ValueError, match=r"is damaged \(RuntimeError: Input tensor 185"):
        Model(lambda: Damaged(path, 1), path)


def test_a_model_without_the_wanted_classes_is_a_bad_one(path, tiny_models):
    model = make_model(path, ["red"])
    replace(path, tiny_models / "tiny_bare.tflite", ("rouge", "vert"))
    refresh_twice(model)
    assert model.class_names == ("red",) and "got red" in model.state()["reload_error"]


def test_a_file_that_is_gone_for_a_moment_is_waited_for(path, tiny_models):
    model = make_model(path)
    path.unlink()
    refresh_twice(model)
    assert model.state()["reload_failures"] == 0
    replace(path, tiny_models / "tiny_int8.tflite")
    refresh_twice(model)
    assert model.state()["reloads"] == 1


def test_overwriting_the_file_in_place_does_not_reach_the_running_network(path, red_frame):
    model = make_model(path)
    path.write_bytes(b"\0" * 64)  # a mapped file would kill the process here
    assert model.look(make_frame(picture=red_frame)).detections.names == ["red", "green"]
