"""Exported files: the net inside as it was; outputs known by the tiny net's weights."""

import importlib
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from flatbuffers import flexbuffers

from convert.export.exporter import build, export
from convert.export.forms import MEDIAPIPE, OPENCV, POSTPROCESS, Thresholds
from convert.export.graph import ALIGNMENT
from convert.export.source import open_source
from convert.runtime_versions import operator_name
from convert.verify import read_model
from edge_runtime import Detector, read_spec
from edge_runtime.detector.anchors import make_anchors
from edge_runtime.detector.model_file import read_model_file
from edge_runtime.detector.postprocess import dequantize, softmax
from edge_runtime.detector.resize import resize
from edge_runtime.media.images import read_image
from tests.conftest import HANG, ROOT
from tests.tiny_model import CELL_BOX

SHIPPED = ROOT / "models" / "digits_int8.tflite"
FORMS = [POSTPROCESS, MEDIAPIPE, OPENCV]
# A channel of 255 or 200 is 1.992 or 1.5625 above black, a class 4 times as much, background 4.
SCORES = [1 / (1 + np.exp(4 - 4 * level / 128)) for level in (255, 200)]
ONE_PIXEL = 1 / 32


@pytest.fixture(scope="module", params=["tiny_float", "tiny_int8"])
def original(request, tiny_models):
    return tiny_models / f"{request.param}.tflite"


@pytest.fixture(scope="module")
def exported(original, tmp_path_factory):
    """form → file."""
    folder = tmp_path_factory.mktemp("exported")
    *files, labels = export(open_source(original), FORMS, folder)
    assert labels.read_text() == "0 red\n1 green\n"
    return {form.name: path for form, path in zip(FORMS, files, strict=True)}


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """The shipped detector and its exported forms."""
    *files, _ = export(open_source(SHIPPED), FORMS, tmp_path_factory.mktemp("shipped"))
    return files


def run(path, pixels, num_threads=1):
    """Outputs in the file's order, for (H, W, 3) uint8 of the input's size."""
    interpreter = Interpreter(str(path), num_threads=num_threads)
    interpreter.allocate_tensors()
    (entry,) = interpreter.get_input_details()
    assert entry["dtype"] is np.uint8
    interpreter.set_tensor(entry["index"], pixels[None])
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def two_cells():
    """Red in row 0, column 2; green in row 1, column 0, as `red_frame`, of the input's size."""
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:16, 32:] = (255, 0, 0)
    pixels[16:, :16] = (0, 200, 0)
    return pixels


def test_four_outputs_are_decoded_boxes_class_ids_falling_scores_and_their_number(exported):
    boxes, class_ids, scores, count = run(exported["postprocess"], two_cells())
    assert (boxes.shape, class_ids.shape, scores.shape) == ((1, 100, 4), (1, 100), (1, 100))
    # Nothing overlaps. A black cell has logits 4, 0, 0: 0.018 for each class. The colored ones have
    # less than 0.01 for the other color.
    assert count.tolist() == [4 * 2 + 2]
    assert class_ids[0, :2].tolist() == [0, 1]
    assert scores[0, :2] == pytest.approx(SCORES, abs=0.01)
    assert scores[0, 2:10] == pytest.approx([0.018] * 8, abs=0.002)
    assert (np.diff(scores[0]) <= 0).all()
    left, top, right, bottom = CELL_BOX
    red = [top / 32, (left + 32) / 48, bottom / 32, (right + 32) / 48]
    green = [(top + 16) / 32, left / 48, (bottom + 16) / 32, right / 48]  # not clipped: 34 / 32
    np.testing.assert_allclose(boxes[0, :2], [red, green], atol=0.2 * ONE_PIXEL)


def test_two_outputs_are_offsets_and_scores_without_background(exported):
    location, score = run(exported["mediapipe"], two_cells())
    assert (location.shape, score.shape) == ((1, 6, 4), (1, 6, 2))
    assert score[0, 2] == pytest.approx([SCORES[0], 0], abs=0.01)  # row 0, column 2
    assert score[0, 3] == pytest.approx([0, SCORES[1]], abs=0.01)
    # ty, tx, th, tw of tests/tiny_model.py, in steps of an int8 output.
    expected = np.tile([1.25, 0, 0, np.log(0.5) / 0.2], (6, 1))
    np.testing.assert_allclose(location[0], expected, atol=0.05)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_the_net_inside_keeps_its_bytes(form):
    """Of the shipped file: each tensor, its content, and each operator, where it was."""
    before = read_model(SHIPPED)
    content = build(open_source(SHIPPED), form, Thresholds())
    after = schema.ModelT.InitFromPackedBuf(content, 0)
    old, new = before.subgraphs[0], after.subgraphs[0]
    assert len(old.tensors) == 238
    for ours, theirs in zip(old.tensors, new.tensors, strict=False):
        assert (ours.name, ours.type, ours.buffer) == (theirs.name, theirs.type, theirs.buffer)
        assert list(ours.shape) == list(theirs.shape)
        for field in ("scale", "zeroPoint"):
            values = [getattr(tensor.quantization, field) for tensor in (ours, theirs)]
            np.testing.assert_array_equal(*values)
    for ours, theirs in zip(before.buffers, after.buffers, strict=False):
        np.testing.assert_array_equal(ours.data, theirs.data)
    operators = new.operators[1 : 1 + len(old.operators)]  # the first is QUANTIZE
    assert len(operators) == len(old.operators) > 50
    for ours, theirs in zip(old.operators, operators, strict=True):
        assert list(ours.inputs) == list(theirs.inputs)
        assert list(ours.outputs) == list(theirs.outputs)
        codes = [m.operatorCodes[o.opcodeIndex] for m, o in ((before, ours), (after, theirs))]
        assert operator_name(codes[0]) == operator_name(codes[1])
        assert codes[0].version == codes[1].version
        if ours.builtinOptions is not None:
            assert vars(ours.builtinOptions) == vars(theirs.builtinOptions)


def test_every_pixel_value_reaches_the_net_as_our_own_runtime_gives_it(shipped):
    """The outputs for noise are those of the file that was exported, to the last bit."""
    pixels = np.random.default_rng(0).integers(0, 256, (320, 320, 3), np.uint8)
    detector = Detector(SHIPPED, num_threads=1)
    logits, offsets = detector.invoke(detector.preprocess(pixels))
    quantization = {name: t.quantization for name, t in detector._network.outputs.items()}
    location, score = run(shipped[1], pixels)
    expected = dequantize(offsets, quantization["offsets"]).astype(np.float32)
    np.testing.assert_array_equal(location[0], expected)
    scores = softmax(dequantize(logits, quantization["logits"]))[:, 1:]
    np.testing.assert_allclose(score[0], scores, atol=1e-6)


def test_the_file_says_what_its_readers_go_by(shipped):
    interpreter = Interpreter(str(shipped[0]))
    details = interpreter.get_output_details()
    name = "TFLite_Detection_PostProcess"
    assert [d["name"] for d in details] == [name, f"{name}:1", f"{name}:2", f"{name}:3"]
    assert [d["shape"].tolist() for d in details] == [[1, 100, 4], [1, 100], [1, 100], [1]]
    (signature,) = interpreter._get_full_signature_list().values()
    boxes, class_ids, scores, count = (d["index"] for d in details)
    assert signature["outputs"] == {
        "output_0": count,
        "output_1": scores,
        "output_2": class_ids,
        "output_3": boxes,
    }
    (entry,) = interpreter.get_input_details()
    assert list(signature["inputs"].values()) == [entry["index"]]
    assert entry["shape"].tolist() == [1, 320, 320, 3] and entry["quantization"] == (1 / 128, 128)


def test_the_operators_options(shipped, tmp_path):
    source = open_source(SHIPPED)
    (path,) = export(source, [OPENCV], tmp_path, Thresholds(iou=0.25, max_detections=7))
    graph = read_model(path).subgraphs[0]
    options = bytes(graph.operators[-1].customOptions)
    assert flexbuffers.Loads(options) == {
        "max_detections": 7,
        "max_classes_per_detection": 1,
        "num_classes": 10,
        "use_regular_nms": 1,
        "nms_score_threshold": pytest.approx(0.01),
        "nms_iou_threshold": 0.25,
        "x_scale": 10,
        "y_scale": 10,
        "h_scale": 5,
        "w_scale": 5,
    }
    # OpenCV takes every value for 4 bytes; types stand behind them, then 3 bytes of the root.
    values, types = options[-53:-13], options[-13:-3]
    assert np.frombuffer(values, "<f4").tolist()[-3:] == [5, 10, 10]  # w, x, y: keys are sorted
    assert set(types) == {1 << 2 | 2, 3 << 2 | 2}  # int and float, each of 2**2 bytes
    anchors = graph.tensors[graph.operators[-1].inputs[2]]
    stored = np.frombuffer(read_model(path).buffers[anchors.buffer].data, np.float32)
    x, y, w, h = make_anchors(source.spec)[1]
    assert stored.reshape(-1, 4)[1].tolist() == [y, x, h, w]


def in_order(outputs):
    """Equal scores by class: threads hand them to the operator in any order."""
    boxes, class_ids, scores, count = outputs
    rows = np.lexsort((class_ids[0], -scores[0].round(4)))
    return boxes[:, rows], class_ids[:, rows], scores[:, rows], count


@pytest.mark.parametrize("num_threads", [2, 3, 4, 16])
def test_no_class_is_skipped_on_several_threads(num_threads, shipped):
    """The operator never finds the class with the number of threads; of ten, all are looked for."""
    scene = read_image(ROOT / "docs" / "detections.jpg")
    pixels = resize(np.ascontiguousarray(scene[:, ::-1]), (320, 320))
    one = run(shipped[0], pixels)
    assert set(one[1][0, : int(one[3][0])]) > {0, 2, 3, 4}
    for alone, together in zip(
        in_order(one), in_order(run(shipped[0], pixels, num_threads)), strict=True
    ):
        np.testing.assert_allclose(together, alone, atol=1e-5)
    if num_threads < 10:  # else there is none of that number
        skipped = run(shipped[2], pixels, num_threads)
        assert num_threads in one[1] and num_threads not in skipped[1]


def test_contents_are_aligned_as_the_schema_asks(shipped):
    for path in shipped:
        data = path.read_bytes()
        model = schema.Model.GetRootAs(data, 0)
        places = []
        for number in range(model.BuffersLength()):
            field = model.Buffers(number)._tab
            offset = field.Offset(4)
            if offset:
                places.append(field.Vector(offset))
        assert len(places) > 100
        assert [place for place in places if place % ALIGNMENT] == []


def test_spec_labels_and_what_the_file_carried_stay_inside_and_undeflated(shipped):
    for path in shipped:
        assert read_spec(path) == read_spec(SHIPPED)
        assert read_model_file(path).is_sealed  # checksums of its own
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(SHIPPED) as before:
            assert archive.read("labels.txt") == b"0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n"
            assert set(archive.namelist()) == {*before.namelist(), "export.txt"}
            for name in ("calibration.json", "training.json"):
                assert archive.read(name) == before.read(name)
            assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
            assert archive.read("min_runtime_version.txt") == b"2.3.0"


def test_what_the_second_generation_of_litert_needs_is_there(shipped):
    """CompiledModel ends the process on a file of unknown shapes; hence in one of its own."""
    module = "ai_edge_litert.compiled_model"
    try:
        importlib.import_module(module)
    except ImportError as error:
        pytest.skip(f"this ai-edge-litert has no CompiledModel: {error}")
    code = f"""
import sys, numpy
from {module} import CompiledModel
model = CompiledModel.from_file(sys.argv[1])
inputs, outputs = model.create_input_buffers(0), model.create_output_buffers(0)
inputs[0].write(numpy.full((1, 320, 320, 3), 128, numpy.uint8))
model.run_by_index(0, inputs, outputs)
print(len(outputs[0].read(400, numpy.float32)))
"""
    command = [sys.executable, "-c", code, str(shipped[0])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG)
    assert done.stdout.splitlines()[-1:] == ["400"], done.stderr
