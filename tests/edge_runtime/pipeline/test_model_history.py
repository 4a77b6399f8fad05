"""A service and the model files that end its process: remembered, not tried again, replaced."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from edge_runtime import Detector
from edge_runtime.detector import trial_run
from edge_runtime.detector.model_file import read_model_file
from edge_runtime.pipeline import model_history, reloading_detector
from edge_runtime.pipeline.model_history import (
    COPY,
    CRASH,
    MOST_KILLS,
    NOTES,
    ModelHistory,
    service_history,
)
from edge_runtime.pipeline.reloading_detector import ReloadingDetector
from tests.conftest import HANG, ROOT
from tests.edge_runtime.detector.tflite_files import Output, TinyFile
from tests.edge_runtime.runs import make_frame


@pytest.fixture
def path(tiny_models, tmp_path, monkeypatch):
    monkeypatch.setattr(reloading_detector, "CHECK_SECONDS", 0)
    return shutil.copy(tiny_models / "tiny_int8.tflite", tmp_path / "model.tflite")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "state" / "model"


@pytest.fixture
def tried(monkeypatch):
    """Trials, which cost a process each, are only counted; a file of "crash" ends its own."""
    found = []

    def try_file(path, content):
        found.append(content)
        if b"crash" in content:
            raise trial_run.TrialCrashError(f"{path}: it was ended by SIGSEGV")

    monkeypatch.setattr(reloading_detector, "try_file", try_file)
    return found


def start(path, folder):
    return ReloadingDetector(
        lambda file: Detector(file.path, 1, file=file), path, None, ModelHistory(folder)
    )


def make_bad(path):
    """Put a file in the model's place that ends the process of its trial."""
    path.write_bytes(b"\x1c\0\0\0TFL3crash")


def test_a_new_file_is_tried_once_and_a_known_one_opened_at_once(path, folder, tried):
    start(path, folder)
    start(path, folder)
    assert len(tried) == 1
    assert (folder / COPY).read_bytes() == path.read_bytes()
    assert json.loads((folder / NOTES).read_text())["opening"] == ""


def test_the_last_good_one_takes_the_place_of_one_that_crashes(path, folder, tried, caplog):
    start(path, folder)
    make_bad(path)
    with caplog.at_level(logging.ERROR):
        detector = start(path, folder)
    assert detector.class_names == ("red", "green")
    state = detector.state()
    assert state.path == str(path) and "SIGSEGV" in state.reload_error
    assert state.reload_failures == 1
    assert "the last model file that worked is used" in caplog.text and "SIGSEGV" in caplog.text
    again = start(path, folder)
    assert len(tried) == 2  # and not once more
    assert "is not tried again" in again.state().reload_error
    assert str(folder) in again.state().reload_error


def test_a_good_file_in_its_place_is_used_again(path, folder, tried, tiny_models, red_frame):
    start(path, folder)
    make_bad(path)
    detector = start(path, folder)
    shutil.copy(tiny_models / "tiny_float.tflite", path)
    for _ in range(2):
        detector.refresh()
    assert detector.state().reloads == 1 and detector.state().reload_error is None
    assert detector.detect(make_frame(image=red_frame)).detections.names == ["red", "green"]
    assert (folder / COPY).read_bytes() == path.read_bytes()


def test_the_last_good_one_takes_the_place_of_one_that_is_gone(path, folder, tried, caplog):
    start(path, folder)
    path.unlink()
    assert "no model file at" in start(path, folder).state().reload_error
    assert "the last model file that worked is used" in caplog.text


def test_without_a_good_one_it_is_an_error_that_names_the_file(path, folder, tried):
    make_bad(path)
    for message in ("SIGSEGV", "is not tried again: .*SIGSEGV.*put another file in its place"):
        with pytest.raises(ValueError, match=rf"model\.tflite.*{message}"):
            start(path, folder)
    assert len(tried) == 1


def test_another_path_does_not_get_this_ones_last_good_file(path, folder, tried):
    start(path, folder)
    other = path.with_name("other.tflite")
    make_bad(other)
    with pytest.raises(ValueError, match="SIGSEGV"):
        start(other, folder)


def leave_open(path, folder, crash="Fatal Python error: Segmentation fault", kills=0):
    """What is on disk after a process that ended while it opened the file."""
    folder.mkdir(parents=True, exist_ok=True)
    notes = json.loads((folder / NOTES).read_text()) if (folder / NOTES).exists() else {}
    notes |= {"opening": read_model_file(path).digest, "boot": model_history.BOOT_ID.read_text()}
    notes |= {"boot": notes["boot"].strip(), "kills": kills}
    (folder / CRASH).write_text(crash)
    (folder / NOTES).write_text(json.dumps(notes))


def test_a_file_is_noted_while_it_is_opened(path, folder):
    history, file = ModelHistory(folder), read_model_file(path)
    with history.opening(file):
        assert json.loads((folder / NOTES).read_text())["opening"] == file.digest
    assert json.loads((folder / NOTES).read_text())["opening"] == ""


def test_a_file_that_ended_the_service_itself_is_not_tried_again(path, folder, tried, tiny_models):
    start(path, folder)
    shutil.copy(tiny_models / "tiny_float.tflite", path)
    leave_open(path, folder)  # it survived its trial
    detector = start(path, folder)
    assert "it ended the service while it was opened" in detector.state().reload_error
    assert detector.detector.path == folder / COPY
    assert "is not tried again" in start(path, folder).state().reload_error


def test_kills_from_outside_are_the_files_fault_only_when_they_come_again(
    path, folder, tried, tiny_models, monkeypatch
):
    """Of a lack of memory, say: nothing was written of a signal."""
    start(path, folder)
    shutil.copy(tiny_models / "tiny_float.tflite", path)
    for kills in range(MOST_KILLS - 1):
        leave_open(path, folder, crash="", kills=kills)
        history, file = ModelHistory(folder), read_model_file(path)
        history.check(file)
        with history.opening(file):
            assert json.loads((folder / NOTES).read_text())["kills"] == kills + 1
    leave_open(path, folder, crash="", kills=MOST_KILLS - 1)
    error = start(path, folder).state().reload_error
    assert f"killed {MOST_KILLS} times in a row while it was opened" in error
    shutil.rmtree(folder)
    assert start(path, folder).state().reload_error is None
    assert json.loads((folder / NOTES).read_text())["kills"] == 0


@pytest.mark.parametrize(("number", "refused"), [(signal.SIGSEGV, True), (signal.SIGKILL, False)])
def test_a_signal_of_its_own_is_told_from_one_from_outside(path, folder, number, refused):
    code = f"""
import os
from pathlib import Path
from edge_runtime.detector.model_file import read_model_file
from edge_runtime.pipeline.model_history import ModelHistory
with ModelHistory(Path({str(folder)!r})).opening(read_model_file({str(path)!r})):
    os.kill(os.getpid(), {int(number)})
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=HANG)
    assert done.returncode == -number
    history = ModelHistory(folder)
    if refused:
        with pytest.raises(ValueError, match="it ended the service while it was opened"):
            history.check(read_model_file(path))
    else:
        history.check(read_model_file(path))


def test_a_power_cut_is_no_fault_of_the_file(path, folder, tried, tmp_path, monkeypatch):
    leave_open(path, folder)
    boot = tmp_path / "boot_id"
    boot.write_text("another")
    monkeypatch.setattr(model_history, "BOOT_ID", boot)
    assert start(path, folder).state().reload_error is None


def test_a_known_file_is_tried_again_after_an_end_while_it_was_opened(path, folder, tried):
    start(path, folder)
    leave_open(path, folder)
    assert start(path, folder).state().reload_error is None
    assert len(tried) == 2
    start(path, folder)
    assert len(tried) == 2  # known again


@pytest.mark.parametrize("text", ["", "[", '{"refused": 1, "good": 2}', "[" * 100_000, "\x00"])
def test_damaged_notes_are_begun_anew(path, folder, tried, text):
    start(path, folder)
    (folder / NOTES).write_text(text)
    assert start(path, folder).state().reload_error is None


def test_a_damaged_copy_is_not_used(path, folder, tried):
    start(path, folder)
    (folder / COPY).write_bytes((folder / COPY).read_bytes()[:-1])
    make_bad(path)
    with pytest.raises(ValueError, match="SIGSEGV"):
        start(path, folder)


def test_a_state_folder_that_cannot_be_written_only_warns(path, tmp_path, tried, caplog):
    (tmp_path / "file").write_text("")
    detector = start(path, tmp_path / "file" / "model")
    assert detector.class_names == ("red", "green") and "cannot be noted" in caplog.text


def test_only_a_service_has_a_history(monkeypatch, tmp_path):
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert service_history() is None
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}:/elsewhere")
    path = tmp_path / "m.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3")
    service_history().refuse(read_model_file(path), "why not")
    assert "why not" in (tmp_path / "model" / NOTES).read_text()


@pytest.mark.slow
def test_a_real_service_survives_a_real_crash(path, tmp_path, red_frame):
    """LiteRT 2.3 aborts on the file; the process that would die of it is the trial's."""
    Image.fromarray(red_frame).save(tmp_path / "a.png")
    command = [sys.executable, "-m", "edge_runtime", "run", str(path)]
    command += ["--source", str(tmp_path / "a.png")]
    environment = {**os.environ, "STATE_DIRECTORY": str(tmp_path / "state")}

    def run():
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=HANG
        )

    first = run()
    assert first.returncode == 0 and '"class": "red"' in first.stdout
    TinyFile([Output("x", np.array([[1.5, -2]], np.float32))], broken=True).write(path)
    second = run()
    assert second.returncode == 0 and '"class": "red"' in second.stdout
    assert "model.tflite" in second.stderr and "Traceback" not in second.stderr
    shutil.rmtree(tmp_path / "state")
    for _ in range(2):
        third = run()
        assert third.returncode == 2, signal.Signals(-third.returncode)
        assert "model.tflite" in third.stderr and "Traceback" not in third.stderr
