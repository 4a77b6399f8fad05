"""The benchmark with files of other projects: their classes are matched with the data's by name."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from convert.benchmark import __main__ as benchmark
from convert.benchmark.class_names import match_classes
from convert.benchmark.predict import find
from convert.benchmark.run import run_benchmark
from edge_runtime import Detector
from tests.edge_runtime.detector.tflite_files import Output, TinyFile

# In every picture the file finds a cat where one is, and a dog, which the data do not have.
BOXES = np.array([[[0.25, 0.5, 0.75, 1.0], [0.0, 0.0, 0.5, 0.5]]], np.float32)
LABELS = "cat\n???\ndog\nperson\n"


@pytest.fixture
def model(tmp_path) -> Path:
    outputs = [
        Output("boxes", BOXES),
        Output("classes", np.array([[0, 2]], np.float32)),
        Output("scores", np.array([[0.9, 0.8]], np.float32)),
        Output("count", np.array([2], np.float32)),
    ]
    return TinyFile(outputs, members={"labels.txt": LABELS}).write(tmp_path / "other.tflite")


def write_data(root: Path, names: list[str]) -> Path:
    """Two pictures of 128 x 96 in COCO's form: the second class is in the first picture alone."""
    folder = root / "test"
    folder.mkdir(parents=True)
    for number in (1, 2):
        pixels = np.random.default_rng(number).integers(0, 255, (96, 128, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    boxes = [(1, 1, [64, 24, 64, 48]), (2, 1, [64, 24, 64, 48]), (1, 2, [8, 8, 40, 40])]
    content = {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 128, "height": 96} for n in (1, 2)],
        "categories": [{"id": n, "name": name} for n, name in enumerate(names, 1)],
        "annotations": [
            {
                **{"id": n, "image_id": image, "category_id": category, "bbox": box},
                **{"area": box[2] * box[3], "iscrowd": 0},
            }
            for n, (image, category, box) in enumerate(boxes, 1)
        ],
    }
    (folder / "_annotations.coco.json").write_text(json.dumps(content))
    return root


def test_accuracy_counts_the_classes_of_the_data(model, tmp_path):
    data = write_data(tmp_path / "data", ["Cat", "person"])
    with pytest.warns(UserWarning, match="2 of its classes are in the data; .*1 others are left"):
        (row,) = run_benchmark([model], data, threads=1, latency_runs=1).report.models
    assert row.accuracy.ap_per_class == {"Cat": pytest.approx(1), "person": 0}
    assert row.accuracy.ap50 == pytest.approx(0.5)
    assert row.variant is None and row.input_hw == (32, 48)
    assert row.latency_ms["inference"].median > 0


def test_a_class_that_the_model_lacks_counts_as_missed_and_is_said(model, tmp_path):
    data = write_data(tmp_path / "data", ["cat", "helmet"])
    with pytest.warns(UserWarning) as warned:
        (row,) = run_benchmark([model], data, threads=1, latency_runs=0).report.models
    assert any("does not know helmet of the data" in str(each.message) for each in warned)
    assert row.accuracy.ap_per_class == {"cat": pytest.approx(1), "helmet": 0}


def test_labels_give_the_names_of_the_data(model, tmp_path, capsys):
    data = write_data(tmp_path / "data", ["Katze", "Mensch"])
    labels = tmp_path / "labels.txt"
    labels.write_text("katze\n???\nHund\nmensch")
    arguments = [str(model), "--data", str(data), "--out", str(tmp_path / "report.json")]
    arguments += ["--latency-runs", "0", "--threads", "1", "--no-page"]
    assert benchmark.main(arguments) == 2
    error = capsys.readouterr().err
    assert "models of the same classes expected as the data, which have Katze, Mensch" in error
    with pytest.warns(UserWarning, match="left out"):
        assert benchmark.main([*arguments, "--labels", str(labels)]) == 0
    assert "Katze" in capsys.readouterr().out


def test_models_of_two_projects_side_by_side(model, tiny_models, tmp_path):
    """Ours knows none of the data's classes but one; each row is measured by what it knows."""
    data = write_data(tmp_path / "data", ["cat", "red"])
    own = tiny_models / "tiny_int8.tflite"
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\nred\nx\ny")  # for the other project's file alone
    with pytest.warns(UserWarning) as warned:
        report = run_benchmark([model, own], data, threads=1, latency_runs=0, labels=labels).report
    said = [str(each.message) for each in warned]
    assert any("tiny_int8.tflite does not know cat" in text for text in said)
    assert not any("other.tflite does not know" in text for text in said)
    found = {row.file: row.accuracy.ap_per_class for row in report.models}
    assert found["other.tflite"] == {"cat": pytest.approx(1), "red": 0}
    assert set(found["tiny_int8.tflite"]) == {"cat", "red"}


def test_places_by_name_whatever_the_case_and_spaces():
    detector = SimpleNamespace(
        path=Path("m.tflite"),
        class_names=("Traffic  Light", "class 1", "CAT"),
        unused_names=frozenset({"class 1"}),
    )
    places = match_classes(detector, ("cat", "traffic light"))  # nothing to say: no warning
    assert places.tolist() == [1, -1, 0]


def test_detections_of_other_classes_are_left_out(model):
    detector = Detector(model, 1)
    frame = np.zeros((10, 20, 3), np.uint8)
    boxes, scores, class_ids = find(detector, frame, np.array([1, -1, -1, 0]))
    assert class_ids.tolist() == [1] and scores == pytest.approx([0.9])
    np.testing.assert_allclose(boxes, [[0.5, 0.25, 1, 0.75]])
