"""`python -m convert.explain` on a tiny detector, whole and broken on purpose."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from convert.explain import __main__ as command
from convert.explain.quantization import read_tflite_ranges
from convert.explain.report import Explanation
from convert.explain.switchable_net import SwitchableNet
from convert.explain.tables import format_explanation
from convert.pipeline import ConversionInput, write_variant
from edge_runtime.detector.detector import Detector
from edge_runtime.detector.preprocess import preprocess
from edge_runtime.detector.resize import resize
from edge_runtime.detector.spec import embed
from edge_runtime.media.images import read_image
from tests.conftest import HANG, ROOT
from tests.convert.explain.conftest import SMALL, build, save
from tests.convert.fixtures import write_dataset
from train.quantization.calibrate import calibrate_ranges

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", name="exploding")
def exploding_fixture(tmp_path_factory):
    """As `model`, with a coarse offset head that has run away; nothing is found there."""
    model = build()
    coarse = model.get_layer("offsets_coarse")
    coarse.set_weights([2e4 * weight for weight in coarse.get_weights()])
    return save(model, tmp_path_factory.mktemp("exploding") / "cells.keras")


def run(capsys, out, path, dataset, *flags):
    """(report, what was printed)"""
    given = [path, "--data", dataset, "--out", out, "--calibration-images", 20, *flags]
    assert command.main(list(map(str, given))) == 0, capsys.readouterr().err
    text = capsys.readouterr().out
    report = json.loads((out / "explain.json").read_text())
    assert text.splitlines()[-1] == str(out / "explain.json")
    assert text.splitlines()[-2] == f"advice: {report['advice']['line']}"
    with Image.open(out / "explain.png") as picture:
        assert picture.size[0] > 1000
    return report, text


def test_a_sound_model_needs_nothing(model_path, dataset, tmp_path):
    out = tmp_path / "out"
    given = [model_path, "--data", dataset, "--out", out, "--calibration-images", "20"]
    done = subprocess.run(
        [sys.executable, "-m", "convert.explain", *map(str, given)],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # not one line of TensorFlow
    assert {path.name for path in out.iterdir()} == {"explain.json", "explain.png"}
    report = json.loads((out / "explain.json").read_text())
    assert (
        done.stdout.partition("\n")[2]  # after what the data set was recognised as
        == f"{format_explanation(*Explanation.from_json(report))}\n{out / 'explain.json'}\n"
    )
    assert report["command"].startswith("python -m convert.explain ")
    assert report["advice"]["cause"] == "small_loss"
    assert report["advice"]["line"].startswith("nothing to do: int8 loses 0.00 AP points")
    assert report["data"]["split"] == "val"  # so that advice is not tuned on the test pictures
    units = {unit["name"]: unit for unit in report["units"]}
    assert list(units)[:2] == ["input", "re_lu"]
    assert max(unit["saturated"] for unit in units.values()) < 0.01
    assert units["input"]["rmse_steps"]["total"] == pytest.approx(0, abs=1e-3)
    # Rounding alone makes an error of 1/√12 of a step.
    assert 0.1 < units["re_lu"]["rmse_steps"]["local"] < 0.5
    assert units["logits_fine"]["range_of"] == "logits"
    assert units["logits_fine"]["range"] == units["logits"]["range"]
    assert {block["name"] for block in report["blocks"]} >= {"input", "re_lu", "offsets"}


def test_an_exploding_offset_head_is_named(exploding, dataset, tmp_path, capsys):
    report, text = run(capsys, tmp_path, exploding, dataset)
    assert report["advice"]["cause"] == "one_block"
    line = report["advice"]["line"]
    assert line.startswith("keep offsets in float: python -m convert ")
    assert "--keep-float offsets, which wins back" in line
    assert "is stretched by offsets_coarse, while the others need only [" in line
    ap = report["ap"]
    assert ap["int8"]["ap"] < ap["float"]["ap"] - 0.2
    assert ap["offsets"]["ap"] == pytest.approx(ap["float"]["ap"], abs=0.02)
    assert "offsets" in text


def test_black_calibration_pictures_are_named(model_path, tmp_path, capsys):
    data = write_dataset(tmp_path / "data", {"train": 20, "test": 12, "val": 12})
    for path in (data / "JPEGImages").glob("train_*"):
        Image.new("RGB", (128, 96)).save(path)
    report, _ = run(capsys, tmp_path / "out", model_path, data)
    line = report["advice"]["line"]
    assert report["advice"]["cause"] == "flat"
    assert "all 20 calibration pictures are black (pixels 0..0)" in line
    assert "% of the values of " in line


def test_ranges_of_another_scale_are_named(model, model_path, dataset, tmp_path, capsys):
    wrong = replace(SMALL, pixel_mean=0.0, pixel_scale=1 / 255)
    frames = [resize(read_image(path), SMALL.input_hw) for path in pictures(dataset)]
    ranges = calibrate_ranges(model, frames, wrong)
    path = tmp_path / "ranges.json"
    path.write_text(json.dumps(ranges))
    report, _ = run(capsys, tmp_path / "out", model_path, dataset, "--ranges", path)
    assert report["advice"]["cause"] == "input"
    assert (
        "the input's range is [0, 1], the device delivers [-1, 0.992]" in report["advice"]["line"]
    )


def pictures(dataset):
    return sorted((dataset / "JPEGImages").glob("train_*"))[:20]


def test_narrow_ranges_saturate(model, model_path, dataset, tmp_path, capsys):
    path = tmp_path / "ranges.json"
    path.write_text(json.dumps({"ranges": {"cell": [0.0, 0.05]}}))
    report, _ = run(capsys, tmp_path / "out", model_path, dataset, "--ranges", path)
    assert report["advice"]["cause"] == "saturating"
    assert "calibrate on other pictures: " in report["advice"]["line"]
    assert "the values of cell saturate (range [0, 0.05]" in report["advice"]["line"]


def test_ranges_of_a_report_are_those_of_its_net(model_path, dataset, tmp_path, capsys):
    """Of equalized channels where it says so, which a report of earlier versions does not."""
    first, _ = run(capsys, tmp_path, model_path, dataset)
    met = {unit["name"]: unit["met"] for unit in first["units"]}
    path = tmp_path / "ranges.json"
    assert first["calibration"]["equalized"]
    for equalized in (True, False):
        if not equalized:
            del first["calibration"]["equalized"]
        path.write_text(json.dumps(first))
        report, _ = run(capsys, tmp_path / "out", model_path, dataset, "--ranges", path)
        assert report["calibration"]["equalized"] is equalized
        again = {unit["name"]: unit["met"] for unit in report["units"]}
        assert (again["re_lu"] == pytest.approx(met["re_lu"], rel=1e-3)) == equalized


def test_an_int8_file_is_explained_with_its_own_ranges(
    source, model_path, dataset, tmp_path, capsys
):
    report, text = run(capsys, tmp_path, model_path, dataset, "--int8", source.target("int8"))
    assert report["advice"]["cause"] == "small_loss"
    assert report["ap"]["file"]["ap"] == pytest.approx(report["ap"]["float"]["ap"], abs=0.02)
    assert "int8 file itself" in text
    assert report["int8"] == "cells_int8.tflite"


def test_an_int8_file_of_another_scale_is_named(source, model_path, dataset, tmp_path, capsys):
    other = ConversionInput(model_path, SMALL, source.frames, tmp_path)
    model, quantization = source.quantized
    ranges = {**quantization.ranges, "input": (0.0, 1.0)}
    other.quantized = model, replace(quantization, ranges=ranges)
    path = tmp_path / "scaled.tflite"
    write_variant("int8", other, path)
    embed(path, SMALL)
    report, _ = run(capsys, tmp_path / "out", model_path, dataset, "--int8", path)
    assert "the input's range is [0, 1], the device delivers" in report["advice"]["line"]


def test_ranges_of_a_file_are_those_of_calibration(source):
    found = read_tflite_ranges(source.target("int8"), source.model)
    wanted = source.quantized[1].ranges
    assert set(found) == set(wanted)
    for name, ends in wanted.items():
        step = (ends[1] - ends[0]) / 255
        assert found[name] == pytest.approx(ends, abs=step)  # its zero point is a whole number


def test_the_simulation_tells_the_truth_about_the_file(source, frames):
    """Outputs of the file are those of the net with switches, to a step or two of rounding."""
    # A channel without weights keeps its bias, which the file counts in steps of the weights.
    kernel, bias = source.model.get_layer("offsets_fine").get_weights()
    assert not kernel[..., 2:].any()
    assert bias[2:].all()
    detector = Detector(source.target("int8"))
    net = SwitchableNet(*source.quantized)
    for frame in frames[:5]:
        simulated = net.run(preprocess(frame, SMALL))
        real = detector.invoke(detector.preprocess(frame))
        for name, values in zip(("logits", "offsets"), real, strict=True):
            scale, zero = detector._network.outputs[name].quantization
            steps = np.abs((values.astype(float) - zero) - simulated[name][0] / scale)
            assert np.ptp(values.astype(int)) > 20
            assert steps.max() < 2.1
            assert np.mean(steps > 0.5) < 0.1
