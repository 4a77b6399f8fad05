"""`python -m convert.explain` on a tiny detector, whole and broken on purpose."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from convert import explain as command
from convert.explain_table import format_explanation
from convert.file_ranges import read_tflite_ranges
from convert.recipes import RECIPES, Source
from edge_runtime.detector import Detector
from edge_runtime.images import read_image
from edge_runtime.preprocess import preprocess, resize
from edge_runtime.spec import AnchorLevel, embed
from tests.conftest import ROOT
from tests.convert_fixtures import (  # noqa: F401
    SPEC,
    dataset_fixture,
    frames_fixture,
    make_model,
    write_dataset,
)

# Its fine anchors are smaller than the cells, so that boxes need offsets that int8 can spoil.
SMALL = replace(SPEC, levels=(AnchorLevel(16, (0.2,), (1.0,)), AnchorLevel(32, (0.5,), (1.0,))))
GROWTH = math.log(0.25 / 0.2) / SMALL.variances[1]


@pytest.fixture(scope="module", name="model")
def model_fixture():
    """Finds every cell, with anchors of SMALL."""
    return build()


def build():
    import keras

    keras.utils.clear_session()  # Keras numbers layers without a name: let the names be known
    model = make_model()
    layer = model.get_layer("offsets_fine")
    kernel, _ = layer.get_weights()
    kernel[..., 2:] = 0
    layer.set_weights([kernel, np.array([0, 0, GROWTH, GROWTH])])
    return model


def save(model, path):
    model.save(path)
    embed(path, SMALL)
    return path


@pytest.fixture(scope="module", name="model_path")
def model_path_fixture(model, tmp_path_factory):
    return save(model, tmp_path_factory.mktemp("model") / "cells.keras")


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
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # not one line of TensorFlow
    assert {path.name for path in out.iterdir()} == {"explain.json", "explain.png"}
    report = json.loads((out / "explain.json").read_text())
    assert done.stdout == f"{format_explanation(report)}\n{out / 'explain.json'}\n"
    assert report["command"].startswith("python -m convert.explain ")
    assert report["advice"]["cause"] == "small_loss"
    assert report["advice"]["line"].startswith("nothing to do: int8 loses 0.00 AP points")
    assert report["data"]["split"] == "test"  # there is no val
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
    data = write_dataset(tmp_path / "data", {"train": 20, "test": 12})
    for path in (data / "JPEGImages").glob("train_*"):
        Image.new("RGB", (128, 96)).save(path)
    report, _ = run(capsys, tmp_path / "out", model_path, data)
    line = report["advice"]["line"]
    assert report["advice"]["cause"] == "flat"
    assert "all 20 calibration pictures are black (pixels 0..0)" in line
    assert "% of the values of " in line


def test_ranges_of_another_scale_are_named(model, model_path, dataset, tmp_path, capsys):
    from train.calibrate import measure_ranges

    wrong = replace(SMALL, pixel_mean=0.0, pixel_scale=1 / 255)
    frames = [resize(read_image(path), SMALL.input_hw) for path in pictures(dataset)]
    ranges = measure_ranges(model, frames, wrong)
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


@pytest.fixture(scope="module", name="source")
def source_fixture(model_path, frames, tmp_path_factory):
    """The tiny detector with its int8 file, as `python -m convert` makes it."""
    source = Source(model_path, SMALL, frames, tmp_path_factory.mktemp("int8"))
    RECIPES["int8"](source, source.target("int8"))
    embed(source.target("int8"), SMALL)
    return source


def test_an_int8_file_is_explained_with_its_own_ranges(
    source, model_path, dataset, tmp_path, capsys
):
    report, text = run(capsys, tmp_path, model_path, dataset, "--int8", source.target("int8"))
    assert report["advice"]["cause"] == "small_loss"
    assert report["ap"]["file"]["ap"] == pytest.approx(report["ap"]["float"]["ap"], abs=0.02)
    assert "int8 file itself" in text
    assert report["int8"] == "cells_int8.tflite"


def test_an_int8_file_of_another_scale_is_named(source, model_path, dataset, tmp_path, capsys):
    other = Source(model_path, SMALL, source.frames, tmp_path)
    ranges = {**source.quantization.ranges, "input": (0.0, 1.0)}
    other.quantization = replace(source.quantization, ranges=ranges)
    path = tmp_path / "scaled.tflite"
    RECIPES["int8"](other, path)
    embed(path, SMALL)
    report, _ = run(capsys, tmp_path / "out", model_path, dataset, "--int8", path)
    assert "the input's range is [0, 1], the device delivers" in report["advice"]["line"]


def test_ranges_of_a_file_are_those_of_calibration(source):
    found = read_tflite_ranges(source.target("int8"), source.model)
    wanted = source.quantization.ranges
    assert set(found) == set(wanted)
    for name, ends in wanted.items():
        step = (ends[1] - ends[0]) / 255
        assert found[name] == pytest.approx(ends, abs=step)  # its zero point is a whole number


def test_the_simulation_tells_the_truth_about_the_file(source, frames):
    """Outputs of the file are those of the net with switches, to a step or two of rounding."""
    from convert.switched_net import SwitchedNet

    # A channel without weights keeps its bias, which the file counts in steps of the weights.
    kernel, bias = source.model.get_layer("offsets_fine").get_weights()
    assert not kernel[..., 2:].any()
    assert bias[2:].all()
    detector = Detector(source.target("int8"))
    net = SwitchedNet(source.model, source.quantization)
    for frame in frames[:5]:
        simulated = net.run(preprocess(frame, SMALL))
        real = detector.invoke(detector.preprocess(frame))
        for name, values in zip(("logits", "offsets"), real, strict=True):
            scale, zero = detector._network.outputs[name].quantization
            steps = np.abs((values.astype(float) - zero) - simulated[name][0] / scale)
            assert np.ptp(values.astype(int)) > 20
            assert steps.max() < 2.1
            assert np.mean(steps > 0.5) < 0.1


def test_another_models_file_is_refused(source, dataset, tmp_path, capsys):
    other = tmp_path / "other.keras"
    source.model.save(other)
    embed(other, SPEC)
    model_path, flags = other, ["--int8", source.target("int8")]
    assert "give the int8 file" in fail(capsys, model_path, dataset, tmp_path, *flags)


def test_a_truncated_int8_file(source, model_path, dataset, tmp_path, capsys):
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(source.target("int8").read_bytes()[:-100])
    assert "truncated" in fail(capsys, model_path, dataset, tmp_path / "out", "--int8", cut)


def test_the_simulation_is_what_the_converter_exports(model, dataset, frames):
    """One net with switches stands for the nets that `python -m convert --keep-float` makes."""
    from convert.rounding import correct_rounding
    from convert.switched_net import SwitchedNet
    from train.calibrate import measure_ranges
    from train.int8_net import build_int8_net

    quantization = correct_rounding(model, measure_ranges(model, frames, SMALL), frames, SMALL)
    images = np.concatenate([preprocess(frame, SMALL) for frame in frames[:4]])
    net = SwitchedNet(model, quantization)
    for in_float in ((), ("re_lu",), ("cell", "logits"), ("input", "logits_fine")):
        wanted = build_int8_net(model, quantization, in_float).predict_on_batch(images)
        with net.switched(in_float):
            got = net.run(images)
        for name in ("logits", "offsets"):
            np.testing.assert_allclose(got[name], wanted[name], atol=1e-5)
    with net.switched(weights=False, outputs=False):
        got = net.run(images)
    for name, wanted in model.predict_on_batch(images).items():
        np.testing.assert_allclose(got[name], wanted, atol=1e-4)
    assert all(np.ptp(values) > 0 for values in got.values())


def test_a_unit_alone_in_int8_gets_what_float_gives(model, frames):
    from convert.switched_net import SwitchedNet
    from train.calibrate import measure_ranges
    from train.int8_net import Quantization

    ranges = measure_ranges(model, frames, SMALL)
    net = SwitchedNet(model, Quantization({**ranges, "re_lu": (0.0, 0.1)}))
    images = preprocess(frames[0], SMALL)
    with net.switched(weights=False, outputs=False):
        exact = net.observe(images)
    alone, whole = net.observe_alone(images), net.observe(images)
    assert alone["re_lu"].max() == pytest.approx(0.1)  # clipped
    step = ranges["cell"][1] / 255
    np.testing.assert_allclose(alone["cell"], exact["cell"], atol=step)
    assert np.abs(whole["cell"] - exact["cell"]).max() > 10 * step


def fail(capsys, path, dataset, out, *flags):
    given = [path, "--data", dataset, "--out", out, "--calibration-images", 20, *flags]
    assert command.main(list(map(str, given))) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    return err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--calibration-images", 5], "at least 20"),
        (["--calibration-images", 31], "lower --calibration-images to 30"),
        (["--split", "train"], "calibration has not seen"),
        (["--split", "nowhere"], "no split 'nowhere'"),
        (["--ranges", "nothing.json"], "nothing.json"),
        (["--int8", "nothing.tflite"], "no model file at nothing.tflite"),
    ],
)
def test_bad_input_stops_before_the_model_is_loaded(
    model_path, dataset, tmp_path, capsys, monkeypatch, flags, message
):
    monkeypatch.setattr(command, "load_model", lambda *_: pytest.fail("long work began"))
    (tmp_path / "explain.json").write_text("earlier")
    assert message in fail(capsys, model_path, dataset, tmp_path, *flags)
    assert (tmp_path / "explain.json").read_text() == "earlier"


def test_a_model_without_spec_and_a_truncated_one(model, model_path, dataset, tmp_path, capsys):
    bare = tmp_path / "bare.keras"
    model.save(bare)
    assert "detector_spec.json expected" in fail(capsys, bare, dataset, tmp_path / "out")
    cut = tmp_path / "cut.keras"
    cut.write_bytes(model_path.read_bytes()[:-2000])
    assert "truncated" in fail(capsys, cut, dataset, tmp_path / "out")


def test_data_of_other_classes(model_path, tmp_path, capsys):
    data = write_dataset(tmp_path / "data", {"train": 20, "test": 8})
    for path in (data / "Annotations").iterdir():
        path.write_text(path.read_text().replace("<name>red", "<name>green"))
    assert "expected one of blue, red" in fail(capsys, model_path, data, tmp_path / "out")


@pytest.mark.parametrize("text", ["[]", "{", '{"cell": [1, 2]}', '{"cell": 3}'])
def test_a_file_without_ranges(model_path, dataset, tmp_path, capsys, text):
    path = tmp_path / "ranges.json"
    path.write_text(text)
    err = fail(capsys, model_path, dataset, tmp_path / "out", "--ranges", path)
    assert "with low <= 0 <= high expected" in err


def test_ranges_of_unknown_layers(model_path, dataset, tmp_path, capsys):
    path = tmp_path / "ranges.json"
    path.write_text('{"nobody": [0, 1]}')
    err = fail(capsys, model_path, dataset, tmp_path / "out", "--ranges", path)
    assert "'nobody', which it lacks" in err
