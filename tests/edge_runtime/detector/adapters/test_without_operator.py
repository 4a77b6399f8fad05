"""Four outputs of a suppression that is no operator: what nothing tells is said, or refused."""

from __future__ import annotations

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
    two_names,
)
from tests.edge_runtime.detector.metadata_files import Info, make_metadata
from tests.edge_runtime.detector.tflite_files import Graph, Output, TinyFile

SIGNED = {"boxes": "output_3", "classes": "output_2", "scores": "output_1", "count": "output_0"}


def test_without_the_operator_classes_may_count_from_one(tmp_path, caplog):
    path, labels = TinyFile(outputs()).write(tmp_path / "m.tflite"), tmp_path / "labels.txt"
    labels.write_text("red\ngreen")
    Detector(path, labels=labels)
    assert "whether its classes count from 0 or from 1" in caplog.text
    assert "taken from 0, which is red" in caplog.text
    caplog.clear()
    labels.write_text("0 ???\n1 red\n2 green")
    Detector(path, labels=labels)
    assert "from 0 or from 1" not in caplog.text
    caplog.clear()
    Detector(operator_file().write(tmp_path / "o.tflite"), labels=two_names(tmp_path))
    assert not caplog.records


def test_the_order_of_a_boxs_sides_is_said_where_nothing_tells(tmp_path, caplog):
    path = tmp_path / "m.tflite"
    check(found(TinyFile(outputs(), members=LABELS).write(path)))
    assert "does not tell the order of a box's sides" in caplog.text
    assert "taken as top, left, bottom, right" in caplog.text
    caplog.clear()
    names = {"boxes": "detection_boxes", "classes": "detection_classes"}
    names |= {"scores": "detection_scores", "count": "num_detections"}
    check(found(TinyFile(outputs(names), members=LABELS).write(path)))
    told = [Info(role, box_order=(1, 0, 3, 2) if role == "boxes" else ()) for role in ROLES]
    metadata = make_metadata([Info("image")], told)
    check(found(TinyFile(outputs(), members=LABELS, metadata=metadata).write(path)))
    assert not caplog.records


@pytest.mark.parametrize("unit", [1, 300], ids=["fractions", "pixels"])
def test_centers_and_sizes_are_no_corners(unit, tmp_path, monkeypatch):
    """As the suppression of other libraries gives boxes: wrong ones, or none at all."""
    boxes = np.tile(np.float32([0.4, 0.5, 0.1, 0.2]) * unit, (1, 6, 1))
    monkeypatch.setitem(VALUES, "boxes", boxes)
    for role in ("classes", "scores"):
        monkeypatch.setitem(VALUES, role, np.tile(VALUES[role], 2))
    names = {"boxes": "boxes", "classes": "classes", "scores": "scores", "count": "num_detections"}
    path = TinyFile(outputs(names), members=LABELS).write(tmp_path / "m.tflite")
    with pytest.raises(ValueError, match=r"m\.tflite: .*two corners.* like centers.*PostProcess"):
        Detector(path)


def test_an_order_of_sides_that_the_metadata_tell_is_no_center_and_size(tmp_path, monkeypatch):
    """Left, right, top, bottom, of objects right of the picture's diagonal."""
    boxes = np.tile(np.float32([0.6, 0.9, 0.1, 0.3]), (1, 6, 1))
    monkeypatch.setitem(VALUES, "boxes", boxes)
    for role in ("classes", "scores"):
        monkeypatch.setitem(VALUES, role, np.tile(VALUES[role], 2))
    told = [Info(role, box_order=(0, 2, 1, 3) if role == "boxes" else ()) for role in ROLES]
    metadata = make_metadata([Info("image")], told)
    path = tmp_path / "m.tflite"
    seen = found(TinyFile(outputs(), members=LABELS, metadata=metadata).write(path))
    np.testing.assert_allclose(seen.boxes, [[120, 10, 180, 30]] * 2, atol=1e-4)


def test_classes_in_steps(tmp_path):
    """A class of 0.9999 is whole to half a step of its output."""
    scale = 5 / 32767
    names = dict(zip(ROLES, ("t_a", "t_b", "t_c", "t_d"), strict=True))
    stored = outputs(names)
    stored[1] = Output("t_b", np.rint(VALUES["classes"] / scale).astype(np.int16), (scale, 0))
    assert not (stored[1].values[0, 0] * scale).is_integer()
    check(found(TinyFile(stored, members=LABELS).write(tmp_path / "m.tflite")))


@pytest.mark.parametrize("own", ["t_d", SIGNED["scores"]])
def test_a_signature_that_leaves_out_an_output(own, tmp_path):
    """Its own name may be the signature's of another."""
    file = TinyFile(outputs(None, SIGNED), members=LABELS)
    file.outputs[ROLES.index("count")].name = own
    graph = Graph(file)
    del graph.model.signatureDefs[0].outputs[ROLES.index("count")]
    path = tmp_path / "m.tflite"
    path.write_bytes(graph.packed() + file.zip())
    check(found(path))


def test_numbers_of_a_signature_that_another_converter_gave(tmp_path):
    """It counts the outputs as they come: values say which are scores."""
    names = SIGNED | {"classes": "output_1", "scores": "output_2"}
    check(found(TinyFile(outputs(None, names), members=LABELS).write(tmp_path / "m.tflite")))


def test_names_count_where_values_may_be_either(tmp_path, monkeypatch):
    """A network that sees nothing has scores of 0, and a class 0 for each."""
    monkeypatch.setitem(VALUES, "scores", np.zeros((1, 3), np.float32))
    monkeypatch.setitem(VALUES, "classes", np.full((1, 3), 0.4, np.float32))  # quantised, say
    path = TinyFile(outputs(None, SIGNED), members=LABELS).write(tmp_path / "m.tflite")
    assert not len(found(path, score_threshold=0.1))
