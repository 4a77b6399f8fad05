"""Four outputs after suppression: told apart, decoded and named, by boxes worked out by hand."""

from __future__ import annotations

import logging
from itertools import permutations

import numpy as np
import pytest

from edge_runtime import Detector
from edge_runtime.detector.spec import embed
from tests.edge_runtime.detector.metadata_files import Info, make_metadata
from tests.edge_runtime.detector.tflite_files import Input, Output, TinyFile
from tests.tiny_model import SPEC

# (ymin, xmin, ymax, xmax) in a frame of 100 x 200: the second reaches out of it.
BOXES = [[0.1, 0.2, 0.5, 0.6], [-0.1, 0.0, 0.3, 0.3], [0.0, 0.0, 0.9, 0.9]]
VALUES = {
    "boxes": np.array([BOXES], np.float32),
    "classes": np.array([[1, 0, 0]], np.float32),
    "scores": np.array([[0.9, 0.6, 0.8]], np.float32),
    "count": np.array([2], np.float32),  # the third row is what memory held before
}
ROLES = tuple(VALUES)
FRAME = np.zeros((100, 200, 3), np.uint8)
LABELS = {"labelmap.txt": "red\ngreen\n"}


def outputs(names=None, aliases=None, order=ROLES):
    """In the order of the file; names and aliases by role."""
    names = names or dict(zip(ROLES, ("t_a", "t_b", "t_c", "t_d"), strict=True))
    return [
        Output(names[role], VALUES[role], None, (aliases or {}).get(role, "")) for role in order
    ]


def found(path, **arguments):
    detector = Detector(path, 1, **arguments)
    assert detector.family.name == "post-processed" and detector.spec is None
    return detector.detect(FRAME)


def check(seen):
    assert seen.names == ["green", "red"]
    assert seen.scores == pytest.approx([0.9, 0.6])
    np.testing.assert_allclose(seen.boxes, [[40, 10, 120, 50], [0, 0, 60, 30]], atol=1e-4)


@pytest.mark.parametrize("order", list(permutations(ROLES))[::5])
def test_a_signature_tells_outputs_apart_in_any_order(order, tmp_path):
    names = {"boxes": "output_3", "classes": "output_2", "scores": "output_1", "count": "output_0"}
    check(found(TinyFile(outputs(None, names, order), members=LABELS).write(tmp_path / "m.tflite")))


@pytest.mark.parametrize(
    "names",
    [
        {"boxes": "location", "classes": "category", "scores": "score"},
        {
            **{"boxes": "detection_boxes:0", "classes": "detection_classes:0"},
            **{"scores": "detection_scores:0", "count": "num_detections:0"},
        },
    ],
)
def test_names_in_the_graph(names, tmp_path):
    names = {"count": "number of detections"} | names
    order = ("count", "scores", "boxes", "classes")
    check(found(TinyFile(outputs(names, order=order), members=LABELS).write(tmp_path / "m.tflite")))


def test_names_in_the_metadata_and_their_order_of_a_box(tmp_path):
    infos = [Info("location", box_order=(0, 1, 2, 3)), Info("category", "names.txt")]
    infos += [Info("score"), Info("number of detections")]
    values = dict(VALUES)
    values["boxes"] = VALUES["boxes"][:, :, [1, 0, 3, 2]]  # left, top, right, bottom
    file = TinyFile(
        [Output(f"t{i}x", values[role]) for i, role in enumerate(ROLES)],
        members={"other.txt": "a", "names.txt": "red\ngreen"},
        metadata=make_metadata([Info("image")], infos),
    )
    check(found(file.write(tmp_path / "m.tflite")))


@pytest.mark.parametrize("order", [ROLES, ("scores", "classes", "count", "boxes")])
def test_values_tell_where_no_name_does(order, tmp_path):
    check(found(TinyFile(outputs(order=order), members=LABELS).write(tmp_path / "m.tflite")))


def test_a_batch_that_is_left_open_is_one_picture(tmp_path):
    inputs = [Input(signature=(-1, 32, 48, 3))]
    path = TinyFile(outputs(), inputs, members=LABELS).write(tmp_path / "m.tflite")
    check(found(path))
    assert Detector(path, 1).input_hw == (32, 48)


def test_scores_and_classes_that_nothing_tells_apart_are_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(VALUES, "scores", np.array([[1, 0, 0]], np.float32))
    path = TinyFile(outputs(), members=LABELS).write(tmp_path / "m.tflite")
    with pytest.raises(ValueError, match=r"m\.tflite: .*told apart.*t_a float32 \[1, 3, 4\].*outp"):
        Detector(path)


def test_four_named_outputs_among_others(tmp_path):
    names = {"boxes": "detection_boxes", "classes": "detection_classes"}
    names |= {"scores": "detection_scores", "count": "num_detections"}
    more = [Output("raw_boxes", np.zeros((1, 9, 4), np.float32))]
    more += [Output("multiclass", np.zeros((1, 9), np.float32))]
    check(found(TinyFile(more + outputs(names), members=LABELS).write(tmp_path / "m.tflite")))


def test_four_shapes_and_one_output_more_tell_nothing(tmp_path):
    numbers = {"boxes": 31, "classes": 32, "scores": 33, "count": 35}
    names = {role: f"StatefulPartitionedCall:{number}" for role, number in numbers.items()}
    more = [Output("StatefulPartitionedCall:34", np.zeros((1, 3, 7), np.float32))]
    path = TinyFile([*more, *outputs(names)], members=LABELS).write(tmp_path / "m.tflite")
    with pytest.raises(ValueError, match=r"m\.tflite: .*found 5 outputs, .* \[1, 3, 7\]"):
        Detector(path, family="post-processed")


def operator_file(order=(0, 1, 2, 3), **others):
    """The operator itself, on two anchors (y, x, h, w): its outputs in some order of the file."""
    shapes = [(1, 10, 4), (1, 10), (1, 10), (1,)]
    slots = [shapes[order.index(place)] for place in range(4)]
    return TinyFile(
        # Names that would mean other roles: the operator is right.
        [Output(f"PartitionedCall:{i}", np.zeros(s, np.float32)) for i, s in enumerate(slots)],
        custom="TFLite_Detection_PostProcess",
        options={
            "anchors": [[0.5, 0.5, 0.2, 0.4], [0.25, 0.25, 0.1, 0.1]],
            "scores": [[0, 0.9, 0.1], [0, 0.2, 0.7]],
            "order": order,
        },
        **others,
    )


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
def test_the_operator_says_which_output_is_which(order, tmp_path):
    path = operator_file(order, members=LABELS).write(tmp_path / "m.tflite")
    seen = found(path)
    assert seen.names == ["red", "green"]
    assert seen.scores == pytest.approx([0.9, 0.7])
    np.testing.assert_allclose(seen.boxes, [[60, 40, 140, 60], [40, 20, 60, 30]], atol=1e-4)


def test_values_do_not_overrule_the_operator(tmp_path, caplog):
    """Whole scores above 1 lack an activation, and are no classes."""
    file = operator_file(members=LABELS)
    file.options["scores"] = [[0, 3, 0], [0, 0, 2]]
    assert not len(found(file.write(tmp_path / "m.tflite")))
    assert "scores in [0, 1] expected, got 3" in caplog.text


def test_without_names_the_operator_gives_the_count_and_numbers_are_names(tmp_path, caplog):
    path = operator_file().write(tmp_path / "m.tflite")
    with caplog.at_level(logging.WARNING):
        assert found(path).names == ["0", "1"]
    assert "no names for its 2 classes, they are called 0 to 1; --labels FILE" in caplog.text


def two_names(folder):
    path = folder / "two.txt"
    path.write_text("red\ngreen")
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [("red\n", "2 class names expected, .* got 1; .*"), ("a\nb\nc\n", "2 class names .* got 3")],
)
def test_a_label_file_of_another_length_is_refused(text, message, tmp_path):
    path, labels = operator_file().write(tmp_path / "m.tflite"), tmp_path / "labels.txt"
    labels.write_text(text)
    with pytest.raises(ValueError, match=rf"labels\.txt: {message}"):
        Detector(path, labels=labels)
    labels.write_text("rouge\nvert\n")
    assert found(path, labels=labels).names == ["rouge", "vert"]
    with pytest.raises(FileNotFoundError, match=r"no label file at .*none\.txt"):
        Detector(path, labels=tmp_path / "none.txt")


def test_names_inside_that_leave_out_the_last_class_are_filled_up(tmp_path):
    detector = Detector(operator_file(members={"l_labels": "red"}).write(tmp_path / "m.tflite"), 1)
    assert detector.class_names == ("red", "class 1")
    assert detector.unused_names == {"class 1"}


@pytest.mark.parametrize("first", ["no object", "0th"])
def test_more_names_inside_than_classes_are_left_aside(first, tmp_path, caplog):
    """Each would be off by one, where the first is a background by a name that nobody knows."""
    members = {"labels.txt": f"{first}\nred\ngreen"}
    detector = Detector(operator_file(members=members).write(tmp_path / "m.tflite"), 1)
    assert detector.class_names == ("0", "1")
    assert "has 3 names, which do not fit, for its 2 classes, they are called 0 to 1" in caplog.text


def test_a_blank_first_line_inside_is_a_number_without_a_name(tmp_path):
    file = four_classes(False)
    file.members = {"labels.txt": "\na\nb\nc\n"}
    detector = Detector(file.write(tmp_path / "m.tflite"), 1)
    assert detector.class_names == ("class 0", "a", "b", "c")


def test_without_names_and_without_the_operator_names_are_asked_for(tmp_path):
    path = TinyFile(outputs()).write(tmp_path / "m.tflite")
    with pytest.raises(ValueError, match="how many classes it has; give them with --labels FILE"):
        Detector(path)


def test_a_class_beyond_the_names_is_left_out_and_said(tmp_path, caplog):
    path = TinyFile(outputs(), members={"labelmap.txt": "red"}).write(tmp_path / "m.tflite")
    detector = Detector(path, 1)
    assert [detector.detect(FRAME).names for _ in range(3)] == [["red"]] * 3
    (record,) = (each for each in caplog.records if each.levelno == logging.ERROR)  # not each frame
    assert "classes 0 to 0 have names, got 1; give a name" in record.getMessage()


def test_a_file_that_counts_its_classes_from_one(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(VALUES, "classes", VALUES["classes"] + 1)
    path = TinyFile(outputs()).write(tmp_path / "m.tflite")
    labels = tmp_path / "labels.txt"
    labels.write_text("red\ngreen")
    found(path, labels=labels)
    assert "got 2; give a name for each" in caplog.text
    assert "where it counts from 1, the first line is 0 ???" in caplog.text
    labels.write_text("0 ???\n1 red\n2 green")
    check(found(path, labels=labels))


def test_thresholds(tmp_path):
    path = TinyFile(outputs(), members=LABELS).write(tmp_path / "m.tflite")
    assert len(found(path, score_threshold=0.61)) == 1
    assert len(found(path, score_threshold=0.6)) == 2  # kept at the threshold, as everywhere
    assert len(found(path, score_threshold=0, max_detections=1)) == 1


def test_scores_above_one_are_no_scores(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(VALUES, "scores", np.array([[3.5, 0.6, 0.8]], np.float32))
    names = {"boxes": "output_3", "classes": "output_2", "scores": "output_1", "count": "output_0"}
    path = TinyFile(outputs(None, names), members=LABELS).write(tmp_path / "m.tflite")
    assert found(path).names == ["red"]
    assert "scores in [0, 1] expected, got 3.5" in caplog.text


@pytest.mark.parametrize(
    ("dtype", "quantization", "infos", "expected"),
    [
        ("uint8", (1 / 128, 128), [], [0, 100, 255]),
        ("uint8", (1 / 128, 128), [Info("image", mean=[127.5], std=[127.5])], [0, 100, 255]),
        ("int8", (1 / 128, 0), [], [-128, -28, 127]),
        ("int8", (2 / 255, 0), [Info("image", mean=[0], std=[127.5])], [0, 100, 127]),
        ("float32", None, [], [-1, 100 / 127.5 - 1, 1]),
        ("float32", None, [Info("image", mean=[0.0], std=[255.0])], [0, 100 / 255, 1]),
        ("float32", None, [Info("image", mean=[0, 100, 0], std=[1, 1, 1])], [0, 0, 255]),
    ],
)
def test_pixels_in_the_input(dtype, quantization, infos, expected, tmp_path, caplog):
    metadata = make_metadata(infos, []) if infos else None
    inputs = [Input(dtype=dtype, quantization=quantization)]
    file = TinyFile(outputs(), inputs, members=LABELS, metadata=metadata)
    frame = np.zeros((64, 96, 3), np.uint8)
    frame[..., 1], frame[..., 2] = 100, 255
    tensor = Detector(file.write(tmp_path / "m.tflite"), 1).preprocess(frame)
    assert ("does not say how its input" in caplog.text) == (dtype == "float32" and not infos)
    assert tensor.shape == (1, 32, 48, 3) and tensor.dtype == dtype
    np.testing.assert_allclose(tensor[0, 5, 7], expected, atol=1e-6)


def test_quantized_outputs(tmp_path):
    values = {
        "boxes": np.rint(VALUES["boxes"] * 100 + 20).astype(np.uint8),
        "classes": VALUES["classes"].astype(np.int64),
        "scores": np.rint(VALUES["scores"] * 200).astype(np.uint8),
        "count": VALUES["count"].astype(np.int32),
    }
    scales = {"boxes": (0.01, 20), "scores": (0.005, 0)}
    names = {"boxes": "boxes", "classes": "classes", "scores": "scores", "count": "count"}
    file = TinyFile(
        [Output(names[role], values[role], scales.get(role)) for role in ROLES], members=LABELS
    )
    check(found(file.write(tmp_path / "m.tflite")))


@pytest.mark.parametrize(
    "shapes",
    [
        {"boxes": (3, 4), "classes": (3,), "scores": (3,), "count": ()},
        {"boxes": (1, 1, 3, 4), "classes": (1, 3, 1), "scores": (1, 3, 1), "count": (1, 1)},
    ],
)
def test_sides_of_one_that_converters_drop_or_add(shapes, tmp_path, monkeypatch):
    for role, shape in shapes.items():
        monkeypatch.setitem(VALUES, role, VALUES[role].reshape(shape))
    check(found(TinyFile(outputs(), members=LABELS).write(tmp_path / "m.tflite")))


def test_values_tell_as_what_they_stand_for_and_not_as_they_are_stored(tmp_path):
    """Scores of 8 bits are whole numbers above 1, and classes may all be 0 or 1."""
    scales = {"boxes": (1 / 128, 20), "classes": (1.0, 0), "scores": (1 / 256, 0), "count": (1, 0)}
    stored = [
        Output(f"t{i}x", np.rint(VALUES[role] / scale + zero).astype(np.uint8), (scale, zero))
        for i, (role, (scale, zero)) in enumerate(scales.items())
    ]
    seen = found(TinyFile(stored, members=LABELS).write(tmp_path / "m.tflite"))
    assert seen.names == ["green", "red"]
    assert seen.scores == pytest.approx([0.9, 0.6], abs=0.01)


def test_boxes_in_pixels_of_the_input(tmp_path, monkeypatch):
    monkeypatch.setitem(VALUES, "boxes", VALUES["boxes"] * np.float32([32, 48, 32, 48]))
    check(found(TinyFile(outputs(), members=LABELS).write(tmp_path / "m.tflite")))


def test_a_file_of_ours_for_other_readers_takes_names_and_pixels_from_its_spec(tmp_path):
    inputs = [Input(dtype="uint8", quantization=(1 / 128, 128))]
    path = operator_file(inputs=inputs).write(tmp_path / "m.tflite")
    embed(path, SPEC)
    detector = Detector(path, 1)
    assert (detector.family.name, detector.class_names) == ("post-processed", SPEC.class_names)
    assert detector.spec is None and len(detector.detect(FRAME)) == 2
    frame = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    tensor = detector.preprocess(np.tile(frame, (2, 3, 1)))
    np.testing.assert_array_equal(tensor[0, :16, :16], frame)


def four_classes(regular):
    """A sure object of each of four classes, side by side."""
    anchors = [[0.5, 0.125 + 0.25 * place, 0.2, 0.2] for place in range(4)]
    scores = np.hstack([np.zeros((4, 1)), 0.9 * np.eye(4)])
    shapes = ((1, 10, 4), (1, 10), (1, 10), (1,))
    return TinyFile(
        [Output(f"out_{i}", np.zeros(shape, np.float32)) for i, shape in enumerate(shapes)],
        custom="TFLite_Detection_PostProcess",
        options={"anchors": anchors, "scores": scores, "regular": regular},
        members={"labels.txt": "a\nb\nc\nd\n"},
    )


@pytest.mark.parametrize("regular", [False, True])
@pytest.mark.parametrize("num_threads", [1, 2, 3, 4])
def test_no_class_is_skipped_on_several_threads(regular, num_threads, tmp_path, caplog):
    """The operator would never find the class with the number of threads."""
    path = four_classes(regular).write(tmp_path / "m.tflite")
    with caplog.at_level(logging.WARNING):
        detector = Detector(path, num_threads)
    assert sorted(detector.detect(FRAME).names) == ["a", "b", "c", "d"]
    lowered = regular and num_threads in (2, 3)  # there is no class 4
    assert detector.num_threads == (1 if lowered else num_threads)
    assert (f"on {num_threads}, TFLite_Detection_PostProcess" in caplog.text) == lowered


@pytest.mark.parametrize("of_a_box", [1, 2, 4])
@pytest.mark.parametrize("regular", [False, True])
def test_several_classes_of_one_box(of_a_box, regular, tmp_path):
    """The fast way counts boxes, not their classes; of four places of a box only three are filled.

    Within each class, it counts what it gives.
    """
    places = 10 * (1 if regular else of_a_box)
    shapes = ((1, places, 4), (1, places), (1, places), (1,))
    file = TinyFile(
        [Output(f"out_{i}", np.zeros(shape, np.float32)) for i, shape in enumerate(shapes)],
        custom="TFLite_Detection_PostProcess",
        options={
            "anchors": [[0.5, 0.5, 0.2, 0.4], [0.25, 0.25, 0.1, 0.1]],
            "scores": [[0, 0.9, 0.8, 0.1], [0, 0.2, 0.7, 0.6]],
            **{"regular": regular, "of_a_box": of_a_box},
        },
        members={"labels.txt": "a\nb\nc\n"},
    )
    seen = found(file.write(tmp_path / "m.tflite"), score_threshold=0.3)
    several = regular or of_a_box > 1
    assert seen.names == (["a", "b", "b", "c"] if several else ["a", "b"])
    assert seen.scores == pytest.approx([0.9, 0.8, 0.7, 0.6] if several else [0.9, 0.7])
    assert seen.boxes[0] == pytest.approx([60, 40, 140, 60], abs=1e-4)
    assert seen.boxes[-1] == pytest.approx([40, 20, 60, 30], abs=1e-4)
