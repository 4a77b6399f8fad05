"""YOLO of Ultralytics: letterbox, boxes, scores and names, by numbers worked out by hand."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest

from edge_runtime import Detector
from edge_runtime.detector.adapters.yolo import cells
from tests.edge_runtime.detector.tflite_files import Input, Output, TinyFile

HW = (64, 96)
# A frame of 100 x 300 in an input of 64 x 96 is scaled by .32 to 32 x 96: bars of 16 above, below.
FRAME = np.full((100, 300, 3), 200, np.uint8)
# Pixels of the input, and where they are in the frame.
INPUT_BOX = (24.0, 20.0, 48.0, 36.0)
FRAME_BOX = (75.0, 12.5, 150.0, 62.5)
NAMES = ("cat", "dog", "big dog")
META = {"temp_meta.txt": str({"task": "detect", "names": dict(enumerate(NAMES))})}
JSON_META = {"metadata.json": json.dumps({"names": {str(i): n for i, n in enumerate(NAMES)}})}


def xywh(box=INPUT_BOX, unit=True):
    left, top, right, bottom = box
    values = np.array([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top])
    return values / [HW[1], HW[0], HW[1], HW[0]] if unit else values


def v8_table(rows, unit=True, classes=3):
    """(4 + C, N): {row: (scores of the classes, box)}; the other rows score nothing."""
    table = np.zeros((4 + classes, cells(HW, (8, 16, 32))), np.float32)
    for row, (scores, box) in rows.items():
        table[:4, row], table[4:, row] = xywh(box, unit), scores
    return table


ROWS = {
    5: ([0.1, 0.8, 0.3], INPUT_BOX),
    6: ([0.1, 0.7, 0.3], (24.5, 20.0, 48.5, 36.0)),  # a duplicate
    9: ([0.6, 0.1, 0.3], INPUT_BOX),  # another class in the same place
    11: ([0.1, 0.2, 0.4], (0.0, 17.0, 9.0, 40.0)),  # below the threshold
}


def write(path, values, members=META, inputs=None, quantization=None, **others):
    inputs = inputs or Input(shape=(1, *HW, 3), dtype="float32")
    output = Output("Identity", values[None], quantization)
    return TinyFile([output], [inputs], members, **others).write(path)


def check(path, family, **arguments):
    detector = Detector(path, 1, **arguments)
    assert detector.family.name == family
    assert detector.keeps_aspect and detector.input_hw == HW
    seen = detector.detect(FRAME)
    assert seen.names == ["dog", "cat"] and seen.scores == pytest.approx([0.8, 0.6], abs=0.01)
    np.testing.assert_allclose(seen.boxes, [FRAME_BOX] * 2, atol=1.5)
    return seen


@pytest.mark.parametrize("unit", [True, False], ids=["fractions", "pixels"])
@pytest.mark.parametrize("transposed", [False, True])
def test_v8(unit, transposed, tmp_path):
    table = v8_table(ROWS, unit)
    seen = check(write(tmp_path / "m.tflite", table.T if transposed else table), "yolov8")
    np.testing.assert_allclose(seen.boxes, [FRAME_BOX] * 2, atol=1e-3)


def test_v8_of_the_newer_exporter_channels_first_deflated_json(tmp_path):
    inputs = Input(shape=(1, 3, *HW), dtype="float32")
    file = write(tmp_path / "m.tflite", v8_table(ROWS), JSON_META, inputs, deflated=True)
    check(file, "yolov8")
    frame = np.zeros((*HW, 3), np.uint8)
    frame[..., 2] = 51
    tensor = Detector(file, 1).preprocess(frame)
    assert tensor.shape == (1, 3, *HW) and tensor.flags.c_contiguous
    assert tensor[0, 2] == pytest.approx(0.2) and not tensor[0, :2].any()


@pytest.mark.parametrize("float_edges", [False, True])
def test_v8_int8(float_edges, tmp_path):
    """At .5 exactly the class counts, whatever the steps of the output."""
    scale, zero = 0.01, -128
    table = v8_table({**ROWS, 20: ([0, 0, 0.5], (60, 20, 70, 30))})
    quantized = np.clip(np.rint(table / scale) + zero, -128, 127).astype(np.int8)
    inputs = Input(shape=(1, *HW, 3), dtype="int8", quantization=(1 / 255, -128))
    if float_edges:
        path = write(tmp_path / "m.tflite", table)
    else:
        path = write(tmp_path / "m.tflite", quantized, META, inputs, (scale, zero))
    seen = Detector(path, 1).detect(FRAME)
    assert seen.names == ["dog", "cat", "big dog"]
    assert seen.scores == pytest.approx([0.8, 0.6, 0.5], abs=1e-5)
    if not float_edges:
        tensor = Detector(path, 1).preprocess(FRAME)
        assert tensor.dtype == np.int8 and set(np.unique(tensor)) == {114 - 128, 200 - 128}


def test_v8_of_one_class_and_of_two(tmp_path):
    """Six columns or rows may also be those of other versions."""
    one = v8_table({3: ([0.9], INPUT_BOX)}, classes=1)
    two = v8_table({3: ([0.2, 0.9], INPUT_BOX)}, classes=2)
    for values, names in ((one, ["a"]), (two, ["a", "b"]), (two.T, ["a", "b"])):
        path = write(tmp_path / "m.tflite", values, {"meta.txt": str({"names": names})})
        detector = Detector(path, 1)
        assert detector.family.name == "yolov8"
        seen = detector.detect(FRAME)
        assert seen.names == names[-1:]
        np.testing.assert_allclose(seen.boxes, [FRAME_BOX], atol=1e-3)


def v5_table(rows, classes=3):
    table = np.zeros((3 * cells(HW, (8, 16, 32)), 5 + classes), np.float32)
    for row, (objectness, scores, box) in rows.items():
        table[row, :4], table[row, 4], table[row, 5:] = xywh(box), objectness, scores
    return table


V5_ROWS = {
    7: (1.0, [0.1, 0.8, 0.3], INPUT_BOX),
    8: (0.8, [0.75, 0.1, 0.3], INPUT_BOX),
    9: (0.4, [1.0, 0.1, 0.3], (60, 20, 70, 30)),  # no object, whatever its class
    10: (1.0, [0.4, 0.4, 0.4], (60, 20, 70, 30)),
}


@pytest.mark.parametrize("quantized", [False, True])
def test_v5_scores_are_objectness_times_class(quantized, tmp_path):
    table, quantization = v5_table(V5_ROWS), None
    inputs = Input(shape=(1, *HW, 3), dtype="float32")
    if quantized:
        quantization = (0.005, 3)
        table = np.rint(table / 0.005 + 3).astype(np.uint8)
        inputs = Input(shape=(1, *HW, 3), dtype="uint8", quantization=(1 / 255, 0))
    members = {"meta.txt": str({"stride": 32, "names": dict(enumerate(NAMES))})}
    path = write(tmp_path / "m.tflite", table, members, inputs, quantization)
    check(path, "yolov5")
    if quantized:
        np.testing.assert_array_equal(np.unique(Detector(path, 1).preprocess(FRAME)), [114, 200])


def test_v5_without_names_is_known_by_its_rows(tmp_path, caplog):
    path = write(tmp_path / "m.tflite", v5_table(V5_ROWS), {})
    with caplog.at_level(logging.WARNING):
        detector = Detector(path, 1)
    assert (detector.family.name, detector.class_names) == ("yolov5", ("0", "1", "2"))
    assert "no names for its 3 classes" in caplog.text
    one = write(tmp_path / "one.tflite", v5_table({7: (1, [0.9], INPUT_BOX)}, classes=1), {})
    with caplog.at_level(logging.WARNING):
        assert Detector(one, 1).family.name == "yolov5"  # six columns, but not as few rows
    assert "no names for its 1 class, it is called 0;" in caplog.text


def end_table(unit, rows=300):
    """Corners, score and class; what fills up is zeros."""
    table = np.zeros((rows, 6), np.float32)
    size = [HW[1], HW[0], HW[1], HW[0]] if unit else [1, 1, 1, 1]
    table[0] = [*np.divide((60, 20, 70, 30), size), 0.3, 2]
    table[1] = [*np.divide(INPUT_BOX, size), 0.6, 0]
    table[2] = [*np.divide(INPUT_BOX, size), 0.8, 1]
    return table


@pytest.mark.parametrize(
    ("unit", "shape"), [(True, (1, *HW, 3)), (False, (1, 3, *HW))], ids=["fractions", "pixels"]
)
@pytest.mark.parametrize("names", [META, JSON_META])
def test_end_to_end(unit, shape, names, tmp_path):
    inputs = Input(shape=shape, dtype="float32")
    path = write(tmp_path / "m.tflite", end_table(unit), names, inputs)
    check(path, "yolo-end-to-end")
    # Suppressed inside: nothing is suppressed again.
    assert len(Detector(path, 1, iou_threshold=0).detect(FRAME)) == 2


@pytest.mark.parametrize("names", [["a"], ["a", "b"]])
def test_end_to_end_of_one_class_or_two_is_no_other_yolo(names, tmp_path):
    table = end_table(False)
    table[:, 5] = 0
    path = write(tmp_path / "m.tflite", table, {"metadata.json": json.dumps({"names": names})})
    detector = Detector(path, 1)
    assert detector.family.name == "yolo-end-to-end"
    assert detector.detect(FRAME).names == ["a", "a"]


@pytest.mark.parametrize("kind", ["end2end", "names", "numbers"])
def test_end_to_end_of_an_input_with_as_few_cells_as_detections(kind, tmp_path):
    """YOLO26 has 300 detections, or as many as cells where they are fewer."""
    rows = cells(HW, (8, 16, 32))
    labels = tmp_path / "labels.txt"
    names = NAMES[:2] if kind == "end2end" else NAMES
    labels.write_text("\n".join(names))
    meta = {"names": names, "end2end": kind == "end2end"}
    members = {} if kind == "numbers" else {"metadata.json": json.dumps(meta)}
    path = write(tmp_path / "m.tflite", end_table(False, rows), members)
    detector = Detector(path, 1, labels=labels)
    assert detector.family.name == "yolo-end-to-end"
    assert detector.detect(FRAME).names == ["dog", "cat"]


def test_six_columns_that_may_be_two_classes_or_a_class_number(tmp_path):
    two = v8_table({3: ([0.2, 0.9], INPUT_BOX)}, classes=2).T
    two[-1, 2:4] = 0.9  # a large box, or else its first four are no corners either
    path = write(tmp_path / "m.tflite", two, {})
    with pytest.raises(
        ValueError, match=r"6 numbers that do not .*two classes.*or yolov8 reads it"
    ):
        Detector(path)
    assert Detector(path, 1, family="yolov8").detect(FRAME).names == ["1"]


def test_end_to_end_without_names_does_not_tell_how_many(tmp_path, caplog):
    path = write(tmp_path / "m.tflite", end_table(True), {})
    with pytest.raises(ValueError, match="how many classes it has; give them with --labels FILE"):
        Detector(path)
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(NAMES))
    check(path, "yolo-end-to-end", labels=labels)
    labels.write_text("cat")
    assert Detector(path, 1, labels=labels).detect(FRAME).names == ["cat"]
    assert "got 1; give a name for each with --labels FILE" in caplog.text


def test_boxes_outside_the_picture_are_clipped_and_bars_hold_none(tmp_path):
    rows = {
        1: ([0.9, 0, 0], (-10, 10, 20, 40)),
        2: ([0, 0.8, 0], (20, 2, 60, 14)),  # in the bar above
    }
    seen = Detector(write(tmp_path / "m.tflite", v8_table(rows)), 1).detect(FRAME)
    assert seen.names == ["cat"]
    np.testing.assert_allclose(seen.boxes, [[0, 0, 62.5, 75]], atol=1e-3)


def without_bars(detector, table, box):
    """Boxes in a frame as large as the input, of a table whose only row is this."""
    table = np.full_like(table, table[-1, -1])  # nothing
    table[0, :4], table[0, 4] = box, 0.9 if table.dtype == np.float32 else -60
    raw = (table if detector.family.name == "yolo-end-to-end" else table.T,)
    return detector.postprocess(raw, HW).boxes


@pytest.mark.parametrize("quantization", [None, (0.02, -100)])
def test_a_tiny_box_in_pixels_is_none_in_fractions(quantization, tmp_path):
    table = v8_table(ROWS, unit=False)
    box = (1, 1, 1.5, 1)
    if quantization is not None:
        table = (np.rint(table / 0.02) - 100).astype(np.int16)
        box = (-50, -50, -25, -50)
    path = write(tmp_path / "m.tflite", table, quantization=quantization)
    found = without_bars(Detector(path, 1), table.T, box)
    np.testing.assert_allclose(found, [[0.25, 0.5, 1.75, 1.5]])


def test_a_box_far_out_of_the_picture_in_fractions_is_none_in_pixels(tmp_path):
    table = v8_table(ROWS)
    detector = Detector(write(tmp_path / "m.tflite", table), 1)
    found = without_bars(detector, table.T, (0.5, 0.5, 5, 0.5))  # from -2 to 3 in width
    np.testing.assert_allclose(found, [[0, 16, 96, 48]])


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ((0.25, 0.25, 0.5, 0.5), (-2, 0.25, 3, 0.75), [0, 16, 96, 48]),  # fractions
        ((24, 16, 48, 32), (0.25, 0.5, 1.75, 1.5), [0.25, 0.5, 1.75, 1.5]),  # pixels
    ],
)
def test_the_first_boxes_of_an_end_to_end_file_tell(first, second, found, tmp_path):
    """Its trial may find none, and class numbers are among its numbers."""
    table = end_table(True)
    detector = Detector(write(tmp_path / "m.tflite", table), 1, score_threshold=0)
    assert not without_bars(detector, table, (0, 0, 0, 0)).any()  # what fills up tells nothing
    detector.score_threshold = 0.5
    np.testing.assert_allclose(without_bars(detector, table, first)[0, 2:], [48, 32])
    np.testing.assert_allclose(without_bars(detector, table, second), [found])


def test_a_smaller_copy_of_the_frame_gives_boxes_of_the_whole(tmp_path):
    detector = Detector(write(tmp_path / "m.tflite", v8_table(ROWS)), 1)
    raw = detector.invoke(detector.preprocess(np.full((32, 96, 3), 9, np.uint8)))
    seen = detector.postprocess(raw, FRAME.shape[:2])
    np.testing.assert_allclose(seen.boxes, [FRAME_BOX] * 2, atol=1e-3)


def test_the_family_may_be_told(tmp_path):
    path = write(tmp_path / "m.tflite", v8_table(ROWS, classes=3)[:, :50], {})
    with pytest.raises(ValueError, match="--as FAMILY"):
        Detector(path)
    assert Detector(path, 1, family="yolov8").class_names == ("0", "1", "2")
    with pytest.raises(ValueError, match=r"one output \[1, K, 6\] expected, .*another --as"):
        Detector(path, family="yolo-end-to-end")
    with pytest.raises(ValueError, match=r"a family of own, post-processed, .* got 'yolo'"):
        Detector(path, family="yolo")


def test_names_that_do_not_fit_the_output_are_refused(tmp_path):
    path = write(tmp_path / "m.tflite", v8_table(ROWS, classes=3), {})
    labels = tmp_path / "coco.txt"
    labels.write_text("a\nb")
    with pytest.raises(ValueError, match=r"coco\.txt: 3 class names expected, .*got 2"):
        Detector(path, labels=labels)
    members = {"temp_meta.txt": str({"names": ["a", "b"]})}
    path = write(tmp_path / "m.tflite", v8_table(ROWS, classes=3), members)
    with pytest.raises(ValueError, match=r"2 classes expected by its names, found .* has 3; is it"):
        Detector(path, family="yolov8")


def test_rows_of_six_are_end_to_end_whatever_a_flag_of_other_heads_says(tmp_path):
    meta = {"metadata.json": json.dumps({"names": NAMES[:1], "end2end": False})}
    path = write(tmp_path / "m.tflite", end_table(True), meta)
    assert Detector(path, 1).family.name == "yolo-end-to-end"
