"""Every command with a file of another project: detect, run, bench, doctor, install-service."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from edge_runtime import Detector
from edge_runtime.__main__ import main
from edge_runtime.commands import bench
from edge_runtime.pipeline.reloading_detector import ReloadingDetector
from edge_runtime.service.flags import check_flags, read_files
from tests.edge_runtime.detector.tflite_files import Input, Output, TinyFile
from tests.edge_runtime.runs import make_frame


@pytest.fixture
def model(tmp_path) -> str:
    """A YOLOv8 that finds its class 1 in the left half of any picture; it has no names."""
    table = np.zeros((1, 4 + 3, 126), np.float32)
    table[0, :4, 7], table[0, 5, 7] = (0.25, 0.5, 0.5, 0.5), 0.75
    file = TinyFile([Output("Identity", table)], [Input(shape=(1, 64, 96, 3), dtype="float32")])
    return str(file.write(tmp_path / "yolo.tflite"))


@pytest.fixture
def labels(tmp_path) -> str:
    path = tmp_path / "labels.txt"
    path.write_text("cat\ndog\n???\n")
    return str(path)


@pytest.fixture
def picture(tmp_path) -> str:
    path = tmp_path / "picture.png"
    Image.fromarray(np.zeros((64, 96, 3), np.uint8)).save(path)
    return str(path)


EXPECTED = {"class": "dog", "class_id": 1, "score": 0.75, "box": [0.0, 16.0, 48.0, 48.0]}


def test_detect(model, labels, picture, capsys):
    assert main(["detect", model, picture, "--labels", labels]) == 0
    assert json.loads(capsys.readouterr().out)["detections"] == [EXPECTED]
    assert main(["detect", model, picture, "--as", "post-processed"]) == 2
    assert "told apart" in capsys.readouterr().err


def test_run(model, labels, picture, capfd):
    flags = ["--source", picture, "--labels", labels, "--classes", "dog"]
    assert main(["run", model, *flags]) == 0
    assert json.loads(capfd.readouterr().out)["detections"] == [EXPECTED]


def test_doctor(model, labels, capsys):
    main(["doctor", model, "--labels", labels, "--json"])
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["model"]["status"] == "ok"
    assert "yolo.tflite: 96x64, 3 classes" in checks["model"]["found"]
    assert "Ultralytics YOLOv8" in checks["model"]["found"]
    main(["doctor", model, "--as", "mediapipe", "--json"])
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["model"]["status"] == "fail" and "anchors" in checks["model"]["found"]


def test_bench_beside_a_file_of_this_project(model, labels, tiny_models, capsys):
    own = str(tiny_models / "tiny_int8.tflite")
    flags = ["--threads", "1", "--runs", "1", "--warmup", "0", "--size", "64x48"]
    assert main(["bench", model, own, *flags, "--labels", labels, "--as", "yolov8"]) == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert [row["input_hw"] for row in rows] == [[64, 96], [32, 48]]
    # A child process each, which is told the family and the labels as well.
    assert all(row["peak_memory_bytes"] > 20e6 for row in rows)


def test_memory_of_a_file_that_only_opens_with_its_flags(tmp_path, labels):
    table = np.zeros((1, 300, 6), np.float32)
    file = TinyFile([Output("x", table)], [Input(shape=(1, 64, 96, 3), dtype="float32")])
    detector = Detector(file.write(tmp_path / "m.tflite"), 1, labels=labels)
    assert bench.peak_memory(detector, (64, 96)) > 20e6


def test_a_service_reads_the_label_file(model, labels, picture):
    args = check_flags(model, ["--source", picture, "--labels", labels])
    assert [str(path) for path in read_files(args)] == [labels]
    with pytest.raises(FileNotFoundError, match="no label file"):
        check_flags(model, ["--source", picture, "--labels", f"{labels}.gone"])


def test_numbers_without_a_class_are_not_announced(model, labels):
    detector = ReloadingDetector(lambda file: Detector(model, 1, labels=labels, file=file), model)
    assert detector.class_names == ("cat", "dog")
    assert detector.state().classes == ("cat", "dog")


def test_of_two_classes_with_one_name_both_are_reported(model, labels, tmp_path):
    (tmp_path / "labels.txt").write_text("dog\ndog\ncat")
    detector = ReloadingDetector(
        lambda file: Detector(model, 1, labels=labels, file=file), model, ["dog"]
    )
    assert detector.class_names == ("dog",)
    frame = make_frame(image=np.zeros((64, 96, 3), np.uint8))
    assert detector.detect(frame).detections.names == ["dog"]
