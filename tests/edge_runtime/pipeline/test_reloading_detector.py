"""A run's model: which classes it reports, and what happens when its file is replaced."""

import logging
import shutil

import numpy as np
import pytest

from edge_runtime.detector.detector import Detector
from edge_runtime.detector.spec import embed
from edge_runtime.frame import Frame
from edge_runtime.pipeline import reloading_detector
from edge_runtime.pipeline.reloading_detector import ReloadingDetector
from tests.edge_runtime.runs import make_frame
from tests.tiny_model import SPEC


@pytest.fixture
def path(tiny_models, tmp_path, monkeypatch):
    monkeypatch.setattr(reloading_detector, "CHECK_SECONDS", 0)  # look each time
    return shutil.copy(tiny_models / "tiny_int8.tflite", tmp_path / "model.tflite")


def make_detector(path, classes=None):
    return ReloadingDetector(lambda file: Detector(path, 1, file=file), path, classes)


def test_classes_that_are_not_wanted_are_left_out(path, red_frame):
    result = make_detector(path, ["green"]).detect(make_frame(image=red_frame))
    assert result.detections.names == ["green"]
    assert set(result.milliseconds) == {"preprocess", "inference", "postprocess"}
    assert result.latency > 0


def test_an_unknown_class_is_named_beside_those_it_knows(path):
    with pytest.raises(ValueError, match=r"got blue; it knows red, green"):
        make_detector(path, ["red", "blue"])


def test_a_small_picture_gives_boxes_in_the_whole_ones_pixels(path, red_frame):
    detector = make_detector(path)
    whole = detector.detect(make_frame(image=red_frame)).detections
    frame = Frame((640, 1440), 0.0, 0.0, 0, small=model_input(red_frame))
    np.testing.assert_allclose(detector.detect(frame).detections.boxes, 10 * whole.boxes, rtol=1e-5)


def test_a_prepared_frame_gives_the_same(path, red_frame):
    detector = make_detector(path)
    frame = make_frame(image=red_frame)
    whole, prepared = detector.detect(frame), detector.prepare(frame)
    detector.detect(make_frame(image=red_frame[:50]))  # a picture of another size in between
    result = detector.detect(prepared)
    assert result.frame is frame and result.milliseconds["preprocess"] >= 0
    assert result.detections.to_dicts() == whole.detections.to_dicts()


def test_a_frame_prepared_for_a_model_since_replaced_is_prepared_anew(path, red_frame, tiny_models):
    detector = make_detector(path)
    prepared = detector.prepare(make_frame(image=red_frame))
    assert prepared.prepared.tensor.dtype == np.int8
    replace(path, tiny_models / "tiny_float.tflite")
    refresh_twice(detector)
    assert detector.state().reloads == 1
    assert detector.detect(prepared).detections.names == ["red", "green"]


def test_a_frame_that_waits_is_decoded_as_the_model_that_saw_it(path, red_frame, tiny_models):
    detector = make_detector(path)
    expected = detector.detect(make_frame(image=red_frame)).detections
    inferred = detector.infer(make_frame(image=red_frame))
    replace(path, tiny_models / "tiny_bare.tflite", names=("rouge", "vert"))
    refresh_twice(detector)
    assert detector.class_names == ("rouge", "vert")
    found = detector.decode(inferred).detections
    assert found.class_names == ("red", "green") and found.to_dicts() == expected.to_dicts()


def model_input(frame):
    from edge_runtime.detector.resize import resize

    return resize(frame, SPEC.input_hw)


def replace(path, source, names=None):
    """A new file takes the model's place, as `mv` does."""
    new = path.with_name("new.tflite")
    shutil.copy(source, new)
    if names:
        from dataclasses import replace as changed

        embed(new, changed(SPEC, class_names=names))
    new.replace(path)


def refresh_twice(detector):
    """A change counts once it looks the same twice."""
    detector.refresh()
    detector.refresh()


def test_a_replaced_file_is_loaded(path, tiny_models):
    detector = make_detector(path)
    replace(path, tiny_models / "tiny_bare.tflite", ("rouge", "vert"))
    detector.refresh()
    assert detector.class_names == ("red", "green")  # it may still be growing
    detector.refresh()
    assert detector.class_names == ("rouge", "vert") and detector.state().reloads == 1
    refresh_twice(detector)
    assert detector.state().reloads == 1


def test_a_bad_new_file_leaves_the_old_at_work(path, red_frame, caplog):
    detector = make_detector(path)
    path.write_bytes(path.read_bytes()[:300])  # in place, as `cp` does
    with caplog.at_level(logging.WARNING):
        for _ in range(4):
            refresh_twice(detector)
    assert detector.detect(make_frame(image=red_frame)).detections.names == ["red", "green"]
    state = detector.state()
    assert (state.reloads, state.reload_failures) == (0, 1)
    assert "model" in state.reload_error
    assert len(caplog.records) == 1 and "the old one goes on" in caplog.text


def test_damage_in_the_middle_of_a_file_is_found_before_it_is_used(path, red_frame, monkeypatch):
    detector = make_detector(path)

    class Damaged(Detector):
        def invoke(self, input_tensor):
            raise RuntimeError(
                "Input tensor 185 lacks data"
            )  # what LiteRT says with the first frame

    monkeypatch.setattr(detector, "_load", lambda file: Damaged(path, 1, file=file))
    path.touch()
    for _ in range(3):
        refresh_twice(detector)
    assert detector.detect(make_frame(image=red_frame)).detections.names == ["red", "green"]
    assert detector.state().reload_failures == 1 and "is damaged" in detector.state().reload_error
    with pytest.raises(ValueError, match=r"is damaged \(RuntimeError: Input tensor 185"):
        ReloadingDetector(lambda file: Damaged(path, 1, file=file), path)


def test_too_little_memory_for_a_new_file_is_no_damage(path, red_frame, monkeypatch):
    detector = make_detector(path)

    def load(file):
        raise MemoryError

    monkeypatch.setattr(detector, "_load", load)
    path.touch()
    for _ in range(3):
        refresh_twice(detector)
    assert detector.detect(make_frame(image=red_frame)).detections.names == ["red", "green"]
    assert "too little memory free to open it; end other" in detector.state().reload_error


def test_a_model_without_the_wanted_classes_is_a_bad_one(path, tiny_models):
    detector = make_detector(path, ["red"])
    replace(path, tiny_models / "tiny_bare.tflite", ("rouge", "vert"))
    refresh_twice(detector)
    assert detector.class_names == ("red",) and "got red" in detector.state().reload_error


def test_a_file_that_is_gone_for_a_moment_is_waited_for(path, tiny_models):
    detector = make_detector(path)
    path.unlink()
    refresh_twice(detector)
    assert detector.state().reload_failures == 0
    replace(path, tiny_models / "tiny_int8.tflite")
    refresh_twice(detector)
    assert detector.state().reloads == 1


def test_a_file_that_stays_away_is_said_once_each_time(path, tiny_models, caplog):
    detector = make_detector(path)
    for count in (1, 2):
        path.unlink()
        for _ in range(3):
            refresh_twice(detector)
        assert caplog.text.count("model.tflite is gone") == count
        replace(path, tiny_models / "tiny_int8.tflite")
        refresh_twice(detector)


def test_overwriting_the_file_in_place_does_not_reach_the_running_network(path, red_frame):
    detector = make_detector(path)
    path.write_bytes(b"\0" * 64)  # a mapped file would kill the process here
    assert detector.detect(make_frame(image=red_frame)).detections.names == ["red", "green"]
