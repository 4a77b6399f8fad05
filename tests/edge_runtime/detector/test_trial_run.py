"""A file that ends the interpreter's process, or never ends, is a ValueError and no more."""

from __future__ import annotations

import logging
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest

from edge_runtime import Detector
from edge_runtime.detector import trial_run
from edge_runtime.detector.model_file import read_model_file
from edge_runtime.detector.spec import embed
from edge_runtime.detector.trial_notes import notes_folder
from edge_runtime.detector.trial_run import try_file
from edge_runtime.pipeline import reloading_detector
from edge_runtime.pipeline.reloading_detector import ReloadingDetector
from edge_runtime.service.unit import WATCHDOG_SECONDS
from edge_runtime.sinks import systemd
from edge_runtime.system.child_process import child_command
from tests.conftest import HANG
from tests.edge_runtime.detector.tflite_files import Graph, Output, TinyFile
from tests.edge_runtime.runs import make_frame
from tests.tiny_model import SPEC

GOOD = TinyFile([Output("x", np.array([[1.5, -2]], np.float32))])


@pytest.fixture(autouse=True)
def nothing_passed_before(monkeypatch):
    monkeypatch.setattr(trial_run, "_passed", {})


def test_what_a_file_did_is_told():
    (output,) = try_file("m.tflite", GOOD.content()).outputs.values()
    assert (output.shape, output.low, output.high, output.whole) == ((1, 2), -2, 1.5, False)
    assert output.channels == ((-2, -0.25, 1.5),)


@pytest.mark.parametrize("turned", [False, True])
def test_channels_are_told_along_the_cells(turned):
    cells = np.array([[0, 1, 2, 5], [-1, -1, -1, np.nan]], np.float32)
    file = TinyFile([Output("x", (cells.T if turned else cells)[None])])
    (output,) = try_file("m.tflite", file.content()).outputs.values()
    assert output.channels == ((0, 2, 5), (-1, -0.75, 0))


def test_a_file_is_tried_once_a_process(monkeypatch):
    first = try_file("m.tflite", GOOD.content())
    monkeypatch.setattr(trial_run, "WORKER", "no.such.module")
    assert try_file("copy.tflite", GOOD.content()) is first
    with pytest.raises(ValueError, match=r"other\.tflite: .*ended with status 1"):
        try_file("other.tflite", GOOD.content() + b"\0")


def test_a_file_that_crashes_the_interpreter(tmp_path):
    """LiteRT 2.3 aborts; another version may say what is wrong with it."""
    path = TinyFile(GOOD.outputs, broken=True).write(tmp_path / "crash.tflite")
    with pytest.raises(
        ValueError, match=r"crash\.tflite: (tried in a process of its own|.*cannot)"
    ):
        Detector(path)


def test_an_error_of_the_interpreter_is_told(tmp_path):
    path = TinyFile(GOOD.outputs, custom="MyOwnOperator").write(tmp_path / "m.tflite")
    with pytest.raises(ValueError, match=r"m\.tflite: .* cannot .*MyOwnOp.*maker's own") as raised:
        Detector(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("change", [{"version": 99}, {"builtinCode": 250}], ids=["version", "new"])
def test_a_file_newer_than_the_interpreter_is_not_called_damaged(change, tmp_path):
    graph = Graph(GOOD)
    for name, value in change.items():
        setattr(graph.model.operatorCodes[0], name, value)
    path = tmp_path / "m.tflite"
    path.write_bytes(graph.packed())
    with pytest.raises(ValueError, match=r"m\.tflite: .*pip install --upgrade ai-edge") as raised:
        Detector(path)
    assert "truncated" not in str(raised.value)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("hangs", "did not finish one picture in 0 s"),
        ("crashes", "was ended by SIGSEGV"),
        ("babbles", r"ended with status 1 \(libfoo\.so: not found\)"),
    ],
)
def test_a_child_that_gives_no_answer(how, message, monkeypatch):
    monkeypatch.setattr(trial_run, "WORKER", "tests.doubles.trial_worker")
    monkeypatch.setattr(trial_run, "TRIAL_SECONDS", 0.3 if how == "hangs" else 60)
    monkeypatch.setenv("BAD_TRIAL", how)
    with pytest.raises(ValueError, match=rf"m\.tflite: .*{message}"):
        try_file("m.tflite", b"anything")


def test_a_trial_that_never_ends_does_not_end_the_service_that_waits_for_it():
    """A replaced file is tried between two results, when the watchdog may just be due."""
    since_it_was_fed = WATCHDOG_SECONDS / systemd.FEEDINGS
    assert trial_run.TRIAL_SECONDS + since_it_was_fed < systemd.PATIENCE * WATCHDOG_SECONDS


def test_memory_is_bounded():
    code = (
        "from edge_runtime.detector import trial_worker\n"
        "trial_worker.MEMORY_BYTES = 300 << 20\n"
        "trial_worker.limit(60)\n"
        "try:\n    bytearray(400 << 20)\nexcept MemoryError:\n    print('bounded')\n"
        "import resource; print(resource.getrlimit(resource.RLIMIT_CPU)[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=HANG
    )
    assert done.stdout.split() == ["bounded", "60"], done.stderr
    assert resource.getrlimit(resource.RLIMIT_CPU)[0] != 60  # of the child, not of this process


def test_the_child_runs_wherever_it_is_started_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "json.py").write_text("raise SystemExit('a file of the current folder')")
    assert try_file("m.tflite", GOOD.content()).outputs
    assert child_command("a.b", "c") == [sys.executable, "-m", "a.b", "c"]


def test_a_running_detector_stays_when_its_file_is_replaced_by_one_that_crashes(
    tiny_models, tmp_path, red_frame, monkeypatch, caplog
):
    monkeypatch.setattr(reloading_detector, "CHECK_SECONDS", 0)
    path = shutil.copy(tiny_models / "tiny_int8.tflite", tmp_path / "model.tflite")
    detector = ReloadingDetector(lambda file: Detector(path, 1, file=file), path)
    TinyFile(GOOD.outputs, broken=True).write(path)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            detector.refresh()
    assert detector.detect(make_frame(image=red_frame)).detections.names == ["red", "green"]
    assert "model.tflite" in detector.state().reload_error
    assert detector.state().reload_failures == 1


def test_a_file_with_right_checksums_that_crashes_is_tried_as_any_new_one(tmp_path):
    """They show damage, and not who made the file."""
    path = TinyFile(GOOD.outputs, broken=True).write(tmp_path / "crash.tflite")
    embed(path, SPEC)
    assert read_model_file(path).is_sealed
    for _ in range(2):  # what failed is not noted
        with pytest.raises(
            ValueError, match=r"crash\.tflite: (tried in a process of its own|.*cannot)"
        ):
            Detector(path)


def test_a_known_file_is_opened_at_once(tiny_models, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    path = tiny_models / "tiny_int8.tflite"
    Detector(path, 1)
    monkeypatch.setattr(trial_run, "_passed", {})  # as another process would have it
    monkeypatch.setattr(trial_run, "WORKER", "no.such.module")
    Detector(path, 1)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))  # a service's notes are its own
    with pytest.raises(ValueError, match="ended with status 1"):
        Detector(path, 1)


def test_a_cache_that_cannot_be_written_costs_a_trial_each_time(tiny_models, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert Detector(tiny_models / "tiny_int8.tflite", 1).class_names == ("red", "green")


def test_a_cache_folder_that_is_not_absolute_is_none(tmp_path, monkeypatch):
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # it would litter whatever folder it is
    assert notes_folder() == tmp_path / ".cache/edge-runtime/tried"
