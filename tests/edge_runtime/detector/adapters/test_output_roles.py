"""Boxes, classes, scores and their number told apart where neither operator nor names do."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from edge_runtime import Detector
from tests.edge_runtime.detector.adapters.test_post_processed import (
    LABELS,
    ROLES,
    VALUES,
    check,
    found,
    operator_file,
    outputs,
)
from tests.edge_runtime.detector.tflite_files import Graph, Output, TinyFile

# At the end of StatefulPartitionedCall:, by role.
OPERATOR = {"boxes": 31, "classes": 32, "scores": 33, "count": 34}  # EfficientDet-Lite, TF Hub
REVERSED = {"count": 0, "scores": 1, "classes": 2, "boxes": 3}  # TensorFlow 2's detection API
COMBINED = {"boxes": 0, "scores": 1, "classes": 2, "count": 3}  # TensorFlow's own suppression


def named(numbers):
    return {role: f"StatefulPartitionedCall:{number}" for role, number in numbers.items()}


@pytest.mark.parametrize("numbers", [OPERATOR, REVERSED, COMBINED])
@pytest.mark.parametrize("order", list(permutations(ROLES))[::5])
def test_values_say_more_than_numbers_in_names(numbers, order, tmp_path):
    path = tmp_path / "m.tflite"
    check(found(TinyFile(outputs(named(numbers), order=order), members=LABELS).write(path)))


def test_efficientdet_with_suppression_by_tensorflow(tmp_path, monkeypatch):
    """As AutoML's post_mode global is converted: TensorFlow's usual names, and other outputs.

    Boxes are in pixels of the input, and classes count from 1.
    """
    monkeypatch.setitem(VALUES, "boxes", VALUES["boxes"] * np.float32([32, 48, 32, 48]))
    monkeypatch.setitem(VALUES, "classes", VALUES["classes"] + 1)
    monkeypatch.setitem(VALUES, "count", VALUES["count"].astype(np.int32))
    names = {role: f"output_{number}" for role, number in COMBINED.items()}
    order = ("scores", "count", "boxes", "classes")
    members = {"labels.txt": "0 ???\n1 red\n2 green"}
    file = TinyFile(outputs(names, names, order), members=members)
    check(found(file.write(tmp_path / "m.tflite")))


@pytest.fixture
def whole_scores(monkeypatch):
    """Values that classes and scores may have alike."""
    monkeypatch.setitem(VALUES, "scores", np.array([[1, 1, 0]], np.float32))


@pytest.mark.usefixtures("whole_scores")
@pytest.mark.parametrize("numbers", [OPERATOR, REVERSED, COMBINED])
def test_numbers_alone_are_no_proof(numbers, tmp_path):
    path = TinyFile(outputs(named(numbers)), members=LABELS).write(tmp_path / "m.tflite")
    with pytest.raises(ValueError, match=r"m\.tflite: .*told apart.*export it again with a sign"):
        Detector(path)


@pytest.mark.usefixtures("whole_scores")
@pytest.mark.parametrize("numbers", [OPERATOR, REVERSED])
def test_numbers_count_where_the_operator_is_inside(numbers, tmp_path):
    """Its outputs go through others, so that they are not the file's."""
    seen = found(behind_the_operator(named(numbers), tmp_path))
    assert seen.names == ["green", "red"]
    assert seen.scores.tolist() == [1, 1]


def behind_the_operator(names, folder):
    """A file with the operator inside, whose outputs are others, of VALUES."""
    file = operator_file(members=LABELS)
    graph = Graph(file)
    graph.graph.outputs = graph.graph.outputs.copy()
    for place, (role, values) in enumerate(VALUES.items()):
        output = Output(names[role], values)
        index = graph._tensor(output.name, values.shape, "float32")
        graph._reshape(index, output)
        graph.graph.outputs[place] = index
    path = folder / "m.tflite"
    path.write_bytes(graph.packed() + file.zip())
    return path


def test_an_operator_whose_outputs_go_through_others(tmp_path):
    check(found(behind_the_operator(named(COMBINED), tmp_path)))


def test_rows_of_six_behind_the_operator_are_no_yolo(tmp_path):
    """An SSD's, with top before left and pictures that were stretched."""
    file = operator_file(members=LABELS)
    graph = Graph(file)
    rows = Output("rows", np.tile(np.float32([0.1, 0.2, 0.5, 0.6, 0.9, 1]), (1, 10, 1)))
    index = graph._tensor(rows.name, rows.values.shape, "float32")
    graph._reshape(index, rows)
    graph.graph.outputs = np.array([index], np.int32)
    path = tmp_path / "m.tflite"
    path.write_bytes(graph.packed() + file.zip())
    with pytest.raises(ValueError, match=r"PostProcess, whose outputs went .* rows .*export it"):
        Detector(path)
