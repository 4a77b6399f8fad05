"""The baseline: int8 by TensorFlow's converter alone."""

from dataclasses import replace

import numpy as np
import pytest

from convert.pipeline import ConversionInput
from convert.quantize.calibration_data import describe_calibration
from convert.quantize.converter_ptq import representative_dataset, with_extremes
from convert.tflite import INPUT_NAME
from convert.variants import CALIBRATED_HERE
from convert.verify import find_problems
from edge_runtime.detector.calibration_record import CalibrationRecord
from edge_runtime.detector.detector import Detector
from edge_runtime.detector.preprocess import pixel_range, preprocess
from tests.convert.fixtures import (  # noqa: F401
    SPEC,
    dataset_fixture,
    frames_fixture,
    keras_path_fixture,
    make,
)
from train.data.dataset import load_dataset

pytestmark = pytest.mark.slow

DARK = np.full((64, 64, 3), 12, np.uint8)
OTHER_PIXELS = replace(SPEC, pixel_mean=0, pixel_scale=0.5)


def test_samples_are_what_the_device_feeds_and_one_with_every_pixel_value():
    frames = [DARK, DARK + 1]
    first, *samples = representative_dataset(with_extremes(frames), SPEC)()
    for sample, frame in zip(samples, frames, strict=True):
        np.testing.assert_array_equal(sample[INPUT_NAME], preprocess(frame, SPEC))
    assert (first[INPUT_NAME].min(), first[INPUT_NAME].max()) == pixel_range(SPEC)
    changed = (first[INPUT_NAME] != samples[0][INPUT_NAME]).any(axis=-1)
    assert changed.sum() == 2  # pixels
    assert (DARK == 12).all()  # the caller's frame is as it was


@pytest.mark.parametrize("spec", [SPEC, OTHER_PIXELS], ids=["usual", "unscaled"])
def test_dark_pictures_do_not_narrow_the_input(keras_path, tmp_path, spec):
    path = make("int8_converter", keras_path, [DARK] * 3, tmp_path, spec)
    assert find_problems(path, "int8_converter") == []
    frame = np.resize(np.arange(256, dtype=np.uint8), (64, 64, 3))
    assert len(np.unique(Detector(path).preprocess(frame))) == 256


def test_the_record_names_the_method(keras_path, dataset, tmp_path, frames):
    train = load_dataset(dataset, "train", SPEC.class_names)
    record = describe_calibration(SPEC, train, train.examples[:20], 0, CALIBRATED_HERE)
    source = ConversionInput(keras_path, SPEC, frames, tmp_path, record)
    text = source.calibration("int8_converter")
    found = CalibrationRecord.from_json(text)
    assert found.method == "by the TensorFlow converter"
    assert replace(found, method=record.method) == record
