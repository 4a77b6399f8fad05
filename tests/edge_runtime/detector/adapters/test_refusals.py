"""Files that are no detector, or cannot run: what was found, and what to do."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from edge_runtime import Detector, SpecError
from edge_runtime.detector.adapters import foreign_registry as registry
from tests.edge_runtime.detector.adapters import test_mediapipe, test_post_processed
from tests.edge_runtime.detector.tflite_files import Input, Output, TinyFile


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


ONE = [Output("scores", zeros(1, 1001))]
FOUR = test_post_processed.outputs()
# Beside the four in a SavedModel of TensorFlow 2's detection API.
API_MORE = [
    Output(f"more_{number}", zeros(*shape))
    for number, shape in enumerate([(1, 3), (1, 3, 6), (1, 90, 4), (1, 90, 6)])
]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (TinyFile(ONE, custom="edgetpu-custom-op"), "compiled for the Edge TPU .*without _edgetpu"),
        (TinyFile(ONE, custom="FlexNonMaxSuppressionV3"), r"\(FlexNonMax.*TFLITE_BUILTINS alone"),
        (
            TinyFile(FOUR, [Input(), Input("state", (1, 8), "float32")]),
            r"one picture as the only input expected, found input uint8 \[1, 32, 48, 3\], state .*"
            "its own state",
        ),
        (TinyFile(FOUR, [Input(shape=(1, 32, 48, 1))]), r"RGB picture.*found \[1, 32, 48, 1\]"),
        (TinyFile(FOUR, [Input(shape=(4, 32, 48, 3))]), r"RGB picture.*found \[4, 32, 48, 3\]"),
        (
            TinyFile(FOUR, [Input(signature=(-1, -1, 48, 3))]),
            r"RGB picture.*found \[1, -1, 48, 3\]",
        ),
        (
            TinyFile(FOUR, [Input(shape=(4, 32, 48, 3), signature=(-1, 32, 48, 3))]),
            r"RGB picture.*found \[4, 32, 48, 3\]",
        ),
        (TinyFile(FOUR, [Input(shape=(1, 40), dtype="float32")]), r"RGB picture.*found \[1, 40\]"),
        (TinyFile(ONE), r"a classifier.*outputs scores float32 \[1, 1001\], metadata none"),
        (TinyFile([Output("x", zeros(1, 1, 1, 10))]), "a classifier"),
        (TinyFile([Output("x", zeros(1, 32, 48, 21))]), r"maps of the picture \(a model for segm"),
        (
            TinyFile([Output(n, zeros(1, s, s, 255)) for n, s in (("a", 8), ("b", 4), ("c", 2))]),
            r"a YOLO whose boxes are not decoded.*b float32 \[1, 4, 4, 255\]",
        ),
        (
            TinyFile(
                [
                    Output(f"{name}_{side}", zeros(1, side, side, channels))
                    for side in (4, 2, 1)
                    for name, channels in (("class", 27), ("box", 36))
                ]
            ),
            "raw heads of an EfficientDet or SSD.*with TFLite_Detection_PostProcess inside",
        ),
        (
            TinyFile([Output("detections", zeros(1, 100, 7))]),
            r"seven numbers \(image, four sides, score and class of an Effi.*order differs.*"
            r"detections float32 \[1, 100, 7\].*TFLite_Detection_PostProcess.*--as yolov5",
        ),
        (
            TinyFile(FOUR[:3]),
            "boxes, classes and scores without their number.*duplicates.*with TFLite_Detection_Pos",
        ),
        (
            TinyFile([*FOUR, *API_MORE]),
            "a SavedModel of TensorFlow's detection API.*export_tflite_graph_tf2",
        ),
        (
            TinyFile([Output("det", zeros(1, 116, 126)), Output("proto", zeros(1, 8, 12, 32))]),
            "a model for segmentation.*boxes decoded",
        ),
        (
            TinyFile(FOUR, members={"meta.txt": str({"stride": 32, "names": ["a"]})}),
            "a YOLO with suppression inside .*without --nms",
        ),
        (TinyFile([Output("x", zeros(1, 7, 5))]), "do not say what they are.*--as FAMILY"),
        (
            TinyFile([Output("logits", zeros(1, 6, 3)), Output("offsets", zeros(1, 6, 4))]),
            r"detector_spec\.json expected, found none.*python -m convert",
        ),
    ],
)
def test_each_is_named_with_what_to_do(file, message, tmp_path):
    with pytest.raises(ValueError, match=rf"strange\.tflite: .*{message}") as raised:
        Detector(file.write(tmp_path / "strange.tflite"))
    assert "\n" not in str(raised.value)


def test_own_may_be_asked_for(tmp_path):
    path = TinyFile(FOUR).write(tmp_path / "m.tflite")
    with pytest.raises(SpecError, match="found none"):
        Detector(path, family="own")


def test_labels_for_a_file_with_names_of_its_own(tiny_models, tmp_path):
    with pytest.raises(ValueError, match="carries the names of its classes; leave out"):
        Detector(tiny_models / "tiny_int8.tflite", labels=tmp_path / "labels.txt")


def test_damage_is_a_value_error(tmp_path, monkeypatch):
    """Bytes changed at random, all through: an error of ours, or a detector."""
    monkeypatch.setattr(registry, "try_file", lambda path, content: None)
    path = test_mediapipe.write(tmp_path / "m.tflite")
    content = np.frombuffer(path.read_bytes(), np.uint8)
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        changed = content.copy()
        places = random.integers(8, len(changed), random.integers(1, 6))
        changed[places] = random.integers(0, 256, len(places))
        try:
            file = registry.read_foreign(path, changed.tobytes(), None, None)
            for row in registry._FOREIGN.values():
                row.recognizes(file)
            file.labels(3)
        except ValueError as error:
            refused += 1
            assert str(error).startswith(str(path))
    assert 50 < refused < 390


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9])
def test_a_truncated_file(share, tmp_path):
    content = TinyFile(FOUR, metadata=b"no metadata").content()
    path = tmp_path / "cut.tflite"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"cut\.tflite"):
        Detector(path)


def test_metadata_that_are_none(tmp_path):
    path = TinyFile(FOUR, metadata=b"no metadata at all").write(tmp_path / "m.tflite")
    with pytest.raises(ValueError, match=r"m\.tflite: .*damaged .*b'M001' expected"):
        Detector(path)


def test_a_member_that_unpacks_to_gigabytes_is_not_read(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.txt", "a" * (1 << 22))
        archive.writestr("labelmap.txt", "red\ngreen")
    path = tmp_path / "m.tflite"
    path.write_bytes(TinyFile(FOUR).content() + buffer.getvalue())
    assert Detector(path, 1).class_names == ("red", "green")
