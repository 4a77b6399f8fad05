"""YOLOs that are no detectors: told from one by their metadata, their shape and their numbers."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest

from edge_runtime import Detector
from edge_runtime.detector.adapters.yolo import cells
from tests.edge_runtime.detector.adapters.test_yolo import (
    FRAME,
    HW,
    INPUT_BOX,
    META,
    NAMES,
    ROWS,
    V5_ROWS,
    check,
    v5_table,
    v8_table,
    write,
    xywh,
)
from tests.edge_runtime.detector.tflite_files import Graph, Input, Output, TinyFile, schema

CELLS = cells(HW, (8, 16, 32))
# Where the cells of the picture are, from left to right.
ACROSS = np.linspace(0.01, 0.99, CELLS, dtype=np.float32)[None]
ONE_CLASS = v8_table({3: ([0.9], INPUT_BOX)}, classes=1)


def pose(keypoints: int, numbers: int, scale: float = 1.0) -> np.ndarray:
    """Boxes of one class, and keypoints (x, y) or (x, y, how visible)."""
    point = [ACROSS * scale, ACROSS * scale, np.full_like(ACROSS, 0.1)][:numbers]
    return np.concatenate([ONE_CLASS, *point * keypoints])


def more(values: np.ndarray) -> np.ndarray:
    return np.concatenate([v8_table(ROWS), np.broadcast_to(values, (len(values), CELLS))])


OTHERS = {
    "pose": (pose(17, 3), 51, 56),
    "pose of five points without visibility": (pose(5, 2), 10, 15),
    "pose in pixels": (pose(5, 2, 96), 10, 15),
    "rotated boxes": (more(np.float32([[0.8]])), 1, 8),
    "rotated boxes, hardly turned": (more(np.float32([[0.18]]) + ACROSS / 50), 1, 8),
    "rotated boxes, here and there turned back": (more(ACROSS / 5 - 0.012), 1, 8),
    "rotated boxes turned back": (more(-ACROSS / 5), 1, 8),
    "masks": (more(np.float32([[-0.4], [0.3], [-0.2]]) * ACROSS), 2, 10),
    "logits": (np.full((64 + 3, CELLS), -4, np.float32), 63, 67),
}


@pytest.mark.parametrize("family", [None, "yolov8"])
@pytest.mark.parametrize("task", ["pose", "segment", "obb", "classify"])
def test_models_for_other_tasks_are_named(task, family, tmp_path):
    members = {"temp_meta.txt": str({"task": task, "names": {0: "person"}})}
    path = write(tmp_path / "m.tflite", v8_table({}, classes=52), members)
    with pytest.raises(ValueError, match=f"for {task}.* of Ultralytics with 1 class.*detect"):
        Detector(path, family=family)


def test_rotated_boxes_of_two_classes_are_not_taken_for_objectness(tmp_path):
    """[1, 300, 7] end to end is as wide as a YOLOv5 of two classes."""
    meta = {"metadata.json": json.dumps({"task": "obb", "names": ["a", "b"], "end2end": True})}
    path = write(tmp_path / "m.tflite", np.zeros((300, 7), np.float32), meta)
    with pytest.raises(ValueError, match="an Ultralytics model for obb"):
        Detector(path)


@pytest.mark.parametrize(
    "says",
    [{"head": "RTDETRDecoder"}, {"description": "Ultralytics rtdetr-l model trained on coco.yaml"}],
)
def test_an_rt_detr_is_named(says, tmp_path):
    """Its boxes and scores look like those of a YOLOv8, but its pictures are stretched."""
    meta = {"metadata.json": json.dumps({"task": "detect", "names": NAMES, **says})}
    path = write(tmp_path / "m.tflite", np.zeros((300, 7), np.float32), meta)
    with pytest.raises(ValueError, match=r"an RT-DETR of Ultralytics.*export a YOLO"):
        Detector(path)


@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize("kind", OTHERS)
def test_one_without_metadata_is_known_by_numbers_that_are_no_scores(kind, labels, tmp_path):
    """A list of names does not make them scores."""
    table, odd, channels = OTHERS[kind]
    path = write(tmp_path / "m.tflite", table.astype(np.float32), {})
    names = tmp_path / "names.txt"
    names.write_text("\n".join(f"class {number}" for number in range(channels - 4)))
    message = (
        f"a YOLO without names, {odd} of whose {channels} channels hold no scores .*task detect; "
        "--as yolov8 reads it"
    )
    with pytest.raises(ValueError, match=message):
        Detector(path, labels=names if labels else None)


def test_one_that_is_no_detector_may_be_read_as_one_with_a_warning(tmp_path, caplog):
    path = write(tmp_path / "m.tflite", pose(17, 3), {})
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(f"class {number}" for number in range(52)))
    with caplog.at_level(logging.WARNING):
        assert len(Detector(path, 1, family="yolov8", labels=labels).class_names) == 52
    assert "56 channels are read as a box and 52 classes; a model for poses or" in caplog.text


@pytest.mark.parametrize("scores", ["few", "many"])
def test_a_detector_without_metadata_is_none_of_them(scores, tmp_path, caplog):
    """As many channels as for poses; and a net that sees its classes in a third of all cells."""
    table = v8_table({3: ([0] * 51 + [0.9], INPUT_BOX)}, classes=52)
    if scores == "many":
        table[4:, 20:] = np.where(ACROSS[:, 20:] < 0.34, 0.9, 0)
        table[4:, 20:] *= 0.5  # below the threshold
        table[55, 3] = 0.9
    path = write(tmp_path / "m.tflite", table, {})
    assert Detector(path, 1).detect(FRAME).names == ["51"]
    assert "56 channels are read as a box and 52 classes; a model for poses or" in caplog.text
    caplog.clear()
    Detector(write(tmp_path / "named.tflite", v8_table(ROWS)), 1)
    assert not caplog.records


def test_yolov5_without_metadata(tmp_path):
    """Scores of classes are anything where no object is; keypoints in pixels are none."""
    table = v5_table(V5_ROWS)
    table[:, 5] = np.where(table[:, 4] > 0, table[:, 5], 0.9)
    assert Detector(write(tmp_path / "m.tflite", table, {}), 1).family.name == "yolov5"
    table[:, 7] = np.linspace(0, 96, len(table))
    message = "1 of whose 8 channels hold no scores .*--as yolov5"
    with pytest.raises(ValueError, match=message):
        Detector(write(tmp_path / "m.tflite", table, {}))


@pytest.mark.parametrize("names", ["a label file", "metadata without a task"])
def test_names_that_are_fewer_than_the_channels(names, tmp_path):
    metadata = {"metadata.json": json.dumps({"names": ["person"]})}
    path = write(tmp_path / "m.tflite", pose(17, 3), {} if names == "a label file" else metadata)
    labels = tmp_path / "labels.txt"
    labels.write_text("person")
    if names == "a label file":
        with pytest.raises(ValueError, match="hold no scores"):
            Detector(path, labels=labels)
    else:
        with pytest.raises(ValueError, match=r"56 channels, which do not fit its 1 names .*poses"):
            Detector(path)


@pytest.mark.parametrize("columns", [8, 38, 57])
def test_finished_rows_of_more_than_six_numbers(columns, tmp_path):
    path = write(tmp_path / "m.tflite", np.zeros((300, columns), np.float32), {})
    with pytest.raises(ValueError, match=f"rows of {columns} numbers, .* 6 .*rotated boxes") as no:
        Detector(path)
    assert "--as" not in str(no.value)


@pytest.mark.parametrize(
    "order", [(5, 4, 0, 1, 2, 3), (0, 1, 2, 3, 5, 4)], ids=["class first", "class, score"]
)
def test_finished_rows_in_another_order(order, tmp_path):
    """A class number is no score, nor a score a class number."""
    table = np.zeros((100, 6), np.float32)
    table[0], table[1] = (0.1, 0.2, 0.5, 0.6, 0.9, 1), (0.1, 0.1, 0.4, 0.9, 0.8, 0)
    path = write(tmp_path / "m.tflite", table[:, order], {})
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(NAMES))
    with pytest.raises(ValueError, match="do not look like corners, score and class"):
        Detector(path, labels=labels)


def test_rows_of_all_cells_may_have_objectness(tmp_path):
    """A YOLOX has a score before those of the classes; a transposed YOLOv8 has none."""
    table = np.zeros((CELLS, 8), np.float32)
    table[5] = *xywh(), 0.9, 0.1, 0.8, 0.3
    path = write(tmp_path / "m.tflite", table, {})
    with pytest.raises(ValueError, match=r"--as yolov8 reads 4 classes, --as yolov5 objectness a"):
        Detector(path)
    assert Detector(path, 1, family="yolov8").detect(FRAME).names == ["0"]
    seen = Detector(path, 1, family="yolov5").detect(FRAME)
    assert seen.names == ["1"] and seen.scores == pytest.approx([0.72])


@pytest.mark.parametrize("shape", [(7, CELLS), (1, 1, 7, CELLS)])
def test_a_batch_that_a_converter_drops_or_adds(shape, tmp_path):
    outputs = [Output("Identity", v8_table(ROWS).reshape(shape))]
    file = TinyFile(outputs, [Input(shape=(1, *HW, 3), dtype="float32")], META)
    check(file.write(tmp_path / "m.tflite"), "yolov8")
    file.members = {}
    assert Detector(file.write(tmp_path / "m.tflite"), 1).family.name == "yolov8"


@pytest.mark.parametrize("rows", [1, 2, 4])
def test_fewer_finished_rows_than_columns(rows, tmp_path):
    table = np.zeros((rows, 6), np.float32)
    table[0] = *INPUT_BOX, 0.9, 1
    path = write(tmp_path / "m.tflite", table, {})
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(NAMES))
    seen = Detector(path, 1, labels=labels).detect(FRAME)
    assert (seen.names, seen.boxes[0].tolist()) == (["dog"], [75, 12.5, 150, 62.5])


@pytest.mark.parametrize("shape", [(1, 6), (1, 1, 1, 6), (2, 6), (5, 6), (6,), ()])
def test_scores_of_six_classes_are_no_boxes(shape, tmp_path):
    """Whatever they are; a file of six labels does not make them a YOLO's."""
    scores = np.array([0.02, 0.03, 0.05, 0.1, 0.8, 0], np.float32)
    scores = np.broadcast_to(scores, shape) if shape else scores[4]
    path = write_shaped(tmp_path / "m.tflite", np.asarray(scores))
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join("abcdef"))
    with pytest.raises(ValueError, match=r"m\.tflite: a detector of a known family expected"):
        Detector(path, labels=labels)


def write_shaped(path, values):
    """An output of just this shape, which RESHAPE gives it; TinyFile's has one side at least."""
    graph = Graph(TinyFile([Output("scores", values)]))
    graph.graph.tensors[graph.graph.outputs[0]].shape = np.array(values.shape, np.int32)
    if not values.shape:
        (operator,) = graph.graph.operators
        operator.inputs = operator.inputs[:1]
        operator.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
        operator.builtinOptions = schema.ReshapeOptionsT()
        operator.builtinOptions.newShape = np.array([], np.int32)
    path.write_bytes(graph.packed())
    return path


@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize("fill", ["-1", "class of -1", "steps"])
def test_finished_rows_without_metadata(fill, batch, tmp_path):
    """Filled up with -1, or in steps that give a class of 1.9996."""
    table = np.zeros((100, 6), np.float32)
    table[1:, {"-1": slice(None), "class of -1": 5, "steps": slice(0)}[fill]] = -1
    table[0] = *INPUT_BOX, 0.9, 2
    quantization = None
    if fill == "steps":
        quantization = (97 / 32767, 0)
        table = np.rint(table / quantization[0]).astype(np.int16)
        assert not (table[0, 5] * quantization[0]).is_integer()
    outputs = [Output("Identity", table[None] if batch else table, quantization)]
    path = tmp_path / "m.tflite"
    TinyFile(outputs, [Input(shape=(1, *HW, 3), dtype="float32")]).write(path)
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(NAMES))
    seen = Detector(path, 1, labels=labels).detect(FRAME)
    assert seen.names == [NAMES[2]]
    np.testing.assert_allclose(seen.boxes, [[75, 12.5, 150, 62.5]], atol=0.02)


@pytest.mark.parametrize("rows", [100, CELLS])
def test_finished_centers_and_sizes_without_metadata(rows, tmp_path):
    """Of an RT-DETR, which has stretched pictures besides; names do not make it a YOLO."""
    table = np.full((rows, 6), 0.3, np.float32)
    table[:, :2], table[:, 5] = np.linspace(0.2, 0.8, rows)[:, None], 2
    path = write(tmp_path / "m.tflite", table, {})
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(NAMES))
    with pytest.raises(
        ValueError, match=r"do not look like corners, .*RT-DETR.*--as yolo-end-to-end"
    ):
        Detector(path, labels=labels)


def test_channels_that_are_as_many_as_anchors_of_a_tiny_yolo(tmp_path):
    """Poses of 21 points in an input of 64 x 96 have 90 channels, 3 * (24 + 6)."""
    others = np.concatenate([v8_table({}, classes=23), pose(21, 3)[5:]])
    assert len(others) == 3 * cells(HW, (16, 32))
    with pytest.raises(ValueError, match=r"63 of whose 90 channels hold no scores .*--as yolov8"):
        Detector(write(tmp_path / "m.tflite", others, {}))


def test_finished_poses_of_an_input_with_few_cells(tmp_path):
    """There are 300 rows or as many as cells: no advice to read them as a YOLOv8."""
    table = np.concatenate([np.zeros((6, CELLS), np.float32), *[ACROSS, ACROSS * 1.5] * 17]).T
    with pytest.raises(ValueError, match="34 of whose 40 channels hold no scores") as raised:
        Detector(write(tmp_path / "m.tflite", table, {}))
    assert "--as" not in str(raised.value)


@pytest.mark.parametrize("shape", [(1, 1, *HW), (1, *HW), (1, 1, 16, 24), (1, 19, 16, 24)])
def test_maps_of_one_channel_or_channels_first(shape, tmp_path):
    """As models for depth and for classes of pixels have them."""
    inputs = Input(shape=(1, 3, *HW), dtype="float32")
    file = TinyFile([Output("x", np.zeros(shape, np.float32))], [inputs])
    with pytest.raises(ValueError, match=r"maps of the picture \(a model for segmentation"):
        Detector(file.write(tmp_path / "m.tflite"))


def four_outputs() -> list[Output]:
    """What TensorFlow's suppression leaves of a YOLOv5, as an SSD has it: all but the box order."""
    boxes = np.zeros((1, 100, 4), np.float32)
    boxes[0, 0] = 0.25, 0.3, 0.5, 0.6
    scores, classes = np.zeros((2, 1, 100), np.float32)
    scores[0, 0], classes[0, 0] = 0.9, 2
    count = np.ones(1, np.float32)
    values = {"boxes": boxes, "scores": scores, "classes": classes, "num_detections": count}
    return [Output(name, each) for name, each in values.items()]


@pytest.mark.parametrize(
    "between", [(1, CELLS, 4), (1, 4, CELLS), (3 * CELLS, 4), (1, 3 * CELLS, 4)]
)
def test_a_yolo_with_suppression_inside_is_no_ssd(between, tmp_path):
    """Its boxes lie in a letterbox, and left comes before top."""
    inputs = [Input(shape=(1, *HW, 3), dtype="float32")]
    path = tmp_path / "m.tflite"
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(NAMES))
    TinyFile(four_outputs(), inputs, between=[(1, 5, 6), between]).write(path)
    with pytest.raises(ValueError, match=r"a YOLO with suppression inside .*without --nms"):
        Detector(path, labels=labels)


def test_an_ssd_without_the_operator_is_no_yolo(tmp_path):
    """An input of 128 x 160 has 100 cells of 16 and 32 pixels, as many as boxes are left."""
    path = tmp_path / "m.tflite"
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(NAMES))
    for shape, between in (((1, *HW, 3), (1, CELLS + 1, 4)), ((1, 128, 160, 3), (100, 4))):
        inputs = [Input(shape=shape, dtype="float32")]
        TinyFile(four_outputs(), inputs, between=[between, (2, CELLS, 4)]).write(path)
        assert Detector(path, 1, labels=labels).family.name == "post-processed"
