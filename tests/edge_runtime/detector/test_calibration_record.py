"""The calibration record: what goes in, and what the device says of a file that does not fit."""

import json
from dataclasses import replace

import numpy as np
import PIL
import pytest
from PIL import Image

from convert.quantize.calibration_data import describe_calibration
from edge_runtime import Detector, SpecError
from edge_runtime.__main__ import main
from edge_runtime.detector import calibration_record as device
from edge_runtime.detector.calibration_record import (
    CALIBRATION_MEMBER,
    NAMES,
    CalibrationRecord,
    digest,
    fingerprint,
    read_calibration,
)
from edge_runtime.detector.spec import embed
from tests.convert.fixtures import (  # noqa: F401
    SPEC,
    converted_fixture,
    dataset_fixture,
    frames_fixture,
    keras_path_fixture,
    make,
)
from tests.edge_runtime.detector.test_fingerprint import resized_by
from train.data.dataset import load_dataset

pytestmark = pytest.mark.slow


@pytest.fixture(name="record", scope="module")
def record_fixture(dataset):
    training = load_dataset(dataset, "train", SPEC.class_names)
    return describe_calibration(SPEC, training, training.examples[:20], 7, "min-max")


def copied(source, path, text, spec=SPEC):
    """The network of `source` with this spec and text of a record."""
    data = source.read_bytes()
    path.write_bytes(data[: data.index(b"PK\x03\x04")])
    embed(path, spec, {CALIBRATION_MEMBER: text})
    return path


def test_the_record_says_what_was_used(record, dataset):
    assert (record.images, record.data, record.split) == (20, dataset.name, "train")
    assert (record.seed, record.method, record.pillow) == (7, "min-max", PIL.__version__)
    assert list(record.boxes) == ["blue", "red"] and min(record.boxes.values()) > 0
    text = record.to_json()
    assert str(dataset.parent) not in text
    assert CalibrationRecord.from_json(text) == record


@pytest.mark.parametrize("variant", ["float32", "int8", "int8_float_head", "int16x8", "aeq_int8"])
def test_a_file_that_fits_works(converted, record, tmp_path, frames, variant):
    path = copied(converted[variant], tmp_path / "a.tflite", record.to_json())
    assert read_calibration(path) == record
    assert len(Detector(path, 1).detect(frames[0])) > 0


def test_a_file_without_a_record_loads(converted):
    assert read_calibration(converted["int8"]) is None
    Detector(converted["int8"], 1)


@pytest.mark.parametrize(
    "other", [replace(SPEC, pixel_mean=127.5), replace(SPEC, class_names=("red", "blue"))]
)
def test_another_spec_is_the_files_fault(converted, record, tmp_path, other):
    path = copied(converted["int8"], tmp_path / "a.tflite", record.to_json(), other)
    with pytest.raises(SpecError, match=rf"a\.tflite: the file is wrong.*{digest(other)} inside"):
        Detector(path)


@pytest.mark.parametrize("variant", ["int8", "float32"])
def test_another_preparation_is_the_devices_fault(
    converted, record, tmp_path, monkeypatch, variant
):
    there = replace(record, pillow="9.4.0", numpy="1.26.4")
    path = copied(converted[variant], tmp_path / "a.tflite", there.to_json())
    monkeypatch.setattr(device, "network_pixels", resized_by(Image.Resampling.BICUBIC))
    with pytest.raises(SpecError, match="this device is wrong") as caught:
        Detector(path)
    message = str(caught.value)
    (name,) = (name for name in NAMES if f"{name} is" in message)
    number = NAMES.index(name)
    assert f"{record.fingerprint[number]:.4f} expected" in message
    assert f"{fingerprint(SPEC)[number]:.4f} here" in message
    assert f"Pillow {PIL.__version__}, NumPy {np.__version__} here; Pillow 9.4.0" in message


def test_wrongly_scaled_pictures_are_the_files_fault(keras_path, frames, record, tmp_path, capsys):
    # Calibrated at pixel / 255, as most tutorials have it.
    wrong = make(
        "int8", keras_path, frames, tmp_path, replace(SPEC, pixel_mean=0, pixel_scale=1 / 255)
    )
    path = copied(wrong, tmp_path / "a.tflite", record.to_json())
    with pytest.raises(SpecError, match="the file is wrong: calibrated on wrongly scaled"):
        Detector(path)
    assert main(["detect", str(path), "photo.jpg"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"edge-runtime: {path}: the file is wrong")
    assert "its input holds 0 to 1 (scale 0.00392157, zero point -128)" in line
    assert "makes -1 to 0.9922 of the pixels (scale 0.0078125, zero point 0)" in line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": 0}, r"images must be a whole number from 1 to \d+, got 0"),
        ({"seed": True}, r"seed must be a whole number from 0 to \d+, got True"),
        ({"method": " "}, "method must be a non-empty line of text"),
        ({"pillow": "\x1b[2J"}, r"pillow must be a non-empty line of text, got '\\x1b\[2J'"),
        ({"spec_digest": "0" * 9999}, "spec_digest must have 1000 letters at most, got 9999"),
        ({"version": True}, "calibration version 1 expected, got True"),
        ({"version": 1.0}, "calibration version 1 expected, got 1.0"),
        ({"boxes": {}}, "boxes must give a number for each class"),
        ({"boxes": {"red": -1}}, "boxes must be whole numbers"),
        ({"fingerprint": [1.0]}, f"fingerprint must be {len(NAMES)} numbers"),
        ({"fingerprint": [float("nan")] * len(NAMES)}, "is not a JSON object: NaN is no number"),
        ({"version": 2}, "calibration version 1 expected, got 2"),
        ({"place": "here"}, r"fields differ: \['place'\]"),
    ],
)
def test_a_record_that_is_none_is_refused(converted, record, tmp_path, change, message):
    values = {**json.loads(record.to_json()), **change}
    path = copied(converted["int8"], tmp_path / "a.tflite", json.dumps(values))
    with pytest.raises(SpecError, match=rf"a\.tflite: calibration\.json: .*{message}.*; convert"):
        Detector(path)


def test_a_record_that_is_no_object_is_refused(converted, record, tmp_path):
    for text in ("{", "[]", record.to_json()[:-2] + ', "images": 3}', record.to_json() + "{}"):
        path = copied(converted["int8"], tmp_path / "a.tflite", text)
        with pytest.raises(SpecError, match="not a JSON object"):
            read_calibration(path)


def test_a_calibration_without_pictures_is_refused(dataset):
    training = load_dataset(dataset, "train", SPEC.class_names)
    with pytest.raises(ValueError, match="images must be"):
        describe_calibration(SPEC, training, [], 0, "min-max")
