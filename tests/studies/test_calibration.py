"""Ranges by other methods, and the study that compares them."""

import json

import numpy as np
import pytest

from convert import tflite
from convert.quantize.equalization import equalize
from studies.calibration import study
from studies.calibration.__main__ import main
from studies.calibration.methods import METHODS, NARROWEST, Observed
from studies.calibration.report import StudyReport, format_study
from tests.convert.fixtures import dataset_fixture, keras_path_fixture  # noqa: F401

pytestmark = pytest.mark.slow

# Two pictures of one layer: almost everything in [-1, 1], one number far out.
USUAL = np.linspace(-1, 1, 2000)
SAMPLES = np.stack([USUAL, USUAL])
SAMPLES[0, 0] = -1.0
SAMPLES[1, -1] = 9.0
OBSERVED = Observed(
    (-1.0, 0.9921875),
    {"a": np.array([(-1.0, 1.0), (-0.5, 9.0)]), "dead": np.zeros((2, 2))},
    {"a": SAMPLES, "dead": np.zeros((2, 2000))},
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("min-max", (-1, 9)),
        ("mean of min-max", (-0.75, 5)),
        ("99.9 %", tuple(np.percentile(SAMPLES, (0.1, 99.9)))),
    ],
)
def test_ranges(name, expected):
    ranges = METHODS[name](OBSERVED)
    assert ranges["a"] == pytest.approx(expected)
    assert ranges["input"] == (-1.0, 0.9921875)  # of all pixels, whatever was seen
    assert ranges["dead"] == (0, NARROWEST)


def test_least_squares_weighs_the_outlier_against_the_rest():
    low, high = METHODS["least squares"](OBSERVED)["a"]
    # One number in 4000 off by 9 - h costs less than steps of h / 255 for the others, or not:
    errors = []
    for share in np.linspace(0.3, 1, 36):
        scale = 10 * share / 255
        zero = round(1 * share / scale)
        steps = np.clip(np.rint(SAMPLES / scale) + zero, 0, 255) - zero
        errors.append((np.mean((steps * scale - SAMPLES) ** 2), -share, 9 * share))
    _, expected_low, expected_high = min(errors)
    assert (low, high) == pytest.approx((expected_low, expected_high))


def test_the_command(keras_path, dataset, tmp_path, capsys, monkeypatch):
    equalized_by = []

    def counted(model, frames, spec):
        equalized_by.append(len(frames))
        return equalize(model, frames, spec)

    monkeypatch.setattr(study, "equalize", counted)
    given = [keras_path, "--data", dataset, "--out", tmp_path, "--split", "test"]
    assert main(list(map(str, given))) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == str(tmp_path / "calibration.json")
    report = json.loads((tmp_path / "calibration.json").read_text())
    reference, *rows = report["rows"]
    assert reference["method"] == "float32" and reference["ap50"] == 1
    assert [row["images"] for row in rows if row["method"] == "min-max"] == [1, 10, 30, 30, 30]
    assert [row["corrected"] for row in rows].count(False) == 1
    assert [row["equalized"] for row in rows].count(False) == 2
    assert equalized_by == [1, 10, 30]  # as calibration with so many pictures does it
    assert {row["method"] for row in rows} == set(METHODS)
    assert all(0 < row["score_error"] < 0.1 for row in rows)
    assert format_study(StudyReport.from_json(report)) in out
    assert (tmp_path / "calibration.png").read_bytes().startswith(b"\x89PNG")


def test_two_splits_are_wanted(keras_path, dataset, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tflite, "load_model", lambda *_: pytest.fail("work began"))
    given = [keras_path, "--data", dataset, "--out", tmp_path, "--split", "train"]
    assert main(list(map(str, given))) == 2
    assert "two splits expected" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
