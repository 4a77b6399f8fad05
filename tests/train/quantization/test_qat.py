"""Quantisation-aware training: it learns, goes on, and the file gets the ranges it has learnt."""

import numpy as np
import pytest

from convert.quantize.equalization import equalize
from convert.runtime_versions import operator_name
from convert.tflite import load_model
from convert.verify import CHANNEL_AXIS, read_model
from edge_runtime.detector.calibration_record import read_calibration
from edge_runtime.detector.spec import read_member, read_spec
from tests.convert.fixtures import make
from tests.train.runs import STILL, few_pictures_expected, losses, stopped_after_an_epoch
from train.config import QAT_DEFAULTS, TrainConfig
from train.quantization.fused_ops import find_ops
from train.quantization.learnt_ranges import RANGES_MEMBER, ranges_to_json, read_ranges
from train.quantization.simulated_net import INPUT, Quantization, build_int8_net

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_preset")]


def run_qat(scenes, out, start_from, *flags):
    from train.__main__ import main

    recipe = ("--batch-size=4", f"--start-from={start_from}", *STILL)
    with few_pictures_expected():
        return main(["--data", str(scenes), "--out", str(out), "--qat", *recipe, *flags])


def test_the_file_has_the_ranges_that_were_learnt(trained, scenes, tmp_path, capsys):
    out = tmp_path / "qat.keras"
    assert run_qat(scenes, out, trained, "--epochs=10", "--learning-rate=0.003") == 0
    history = losses(out)
    assert history[-1] < history[0]
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert last.startswith("best validation AP")
    assert f"make convert MODEL={trained} QAT={out} DATA={scenes}" in last

    ranges, spec = read_ranges(out), read_spec(out)
    assert spec == read_spec(trained)
    model = load_model(out, spec)
    assert set(ranges) == {INPUT} | {u.name for u in find_ops(model)[0] if u.rounds}
    assert read_ranges(trained) is None
    record = read_calibration(out)
    assert (record.images, record.split) == (8, "train")
    assert "learnt" in record.method

    # float32 lies beside it and shows the plain net; int8 takes over the ranges without pictures.
    graph = read_model(make("int8", out, (), tmp_path, spec)).subgraphs[0]
    found = {
        (float(t.quantization.scale[0]), int(t.quantization.zeroPoint[0]))
        for t in graph.tensors
        if t.quantization is not None
        and t.quantization.scale is not None
        and t.quantization.zeroPoint is not None
    }
    for name, (low, high) in ranges.items():
        scale = (high - low) / 255
        zero_point = -128 - round(low / scale)
        assert any(abs(s - scale) < 1e-5 * scale and abs(z - zero_point) <= 1 for s, z in found), (
            f"{name}: {scale} {zero_point} not among {found}"
        )


def test_weights_have_the_scales_that_were_trained(trained, tmp_path):
    spec = read_spec(trained)
    frames = [np.full((64, 64, 3), value, np.uint8) for value in (0, 90, 255)]
    model = equalize(load_model(trained, spec), frames, spec)
    units = {u.layers[0].name: u for u in find_ops(model)[0] if u.convolves}
    from train.quantization.simulated_net import fold

    limits = []
    for unit in units.values():
        layer = fold(unit, Quantization(), rounds=True)
        kernel = np.asarray(layer.folded()[0])
        others = (0, 1, 3) if layer.depthwise else (0, 1, 2)
        limits.append(np.abs(kernel).max(axis=others) / 127)
    model = read_model(make("int8", trained, frames, tmp_path, spec))
    graph = model.subgraphs[0]
    scales = []
    for operator in graph.operators:
        kind = operator_name(model.operatorCodes[operator.opcodeIndex])
        if kind in CHANNEL_AXIS:
            scales.append(np.asarray(graph.tensors[operator.inputs[1]].quantization.scale))
    assert len(scales) == len(limits)
    for limit in limits:
        same = [s for s in scales if s.shape == limit.shape and np.allclose(s, limit, rtol=1e-5)]
        assert same, limit


def test_ranges_move_with_the_training(trained, scenes, tmp_path):
    still, moved = tmp_path / "still.keras", tmp_path / "moved.keras"
    assert run_qat(scenes, still, trained, "--epochs=1", "--learning-rate=1e-9") == 0
    assert run_qat(scenes, moved, still, "--epochs=2", "--learning-rate=0.01") == 0
    before, after = read_ranges(still), read_ranges(moved)  # the second began with the first's
    changed = [name for name in before if before[name] != pytest.approx(after[name], rel=1e-4)]
    assert len(changed) > len(before) / 2
    assert after["fine_relu"][0] == 0  # an end at 0 stays there


def test_it_resumes_where_it_stopped(trained, scenes, tmp_path, monkeypatch):
    whole, parts = tmp_path / "whole.keras", tmp_path / "parts.keras"
    assert run_qat(scenes, whole, trained, "--epochs=2") == 0
    with stopped_after_an_epoch(monkeypatch):
        assert run_qat(scenes, parts, trained, "--epochs=2") == 130
    assert run_qat(scenes, parts, trained, "--epochs=2", "--resume") == 0
    np.testing.assert_allclose(losses(parts), losses(whole), rtol=1e-3)
    for name, ends in read_ranges(whole).items():
        assert read_ranges(parts)[name] == pytest.approx(ends, rel=1e-3, abs=1e-5)


def test_without_a_float_detector(scenes, tmp_path, capsys):
    from train.__main__ import main

    out = tmp_path / "out.keras"
    assert main(["--data", str(scenes), "--out", str(out), "--qat"]) == 2
    assert "give --start-from FILE" in capsys.readouterr().err
    assert not out.exists()


def test_a_net_of_another_shape_cannot_be_asked_for(trained, scenes, tmp_path, capsys):
    assert run_qat(scenes, tmp_path / "out.keras", trained, "--input-size=96") == 2
    assert "got --input-size as well; leave it out" in capsys.readouterr().err


def test_other_defaults(capsys):
    from train.__main__ import main

    with pytest.raises(SystemExit):
        main(["--qat", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert f"(default: {QAT_DEFAULTS['learning_rate']})" in text
    assert set(QAT_DEFAULTS) <= set(vars(TrainConfig()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "object .* expected"),
        ('{"a": 1}', "object .* expected"),
        ('{"a": [1, 2]}', "low <= 0 <= high expected, got 1 to 2 for a"),
        ('{"a": [0, 0]}', "got 0 to 0 for a"),
        ('{"a": [-1, Infinity]}', "got -1 to inf for a"),
    ],
)
def test_broken_ranges(tmp_path, text, message):
    import zipfile

    path = tmp_path / "a.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(RANGES_MEMBER, text)
    with pytest.raises(ValueError, match=message):
        read_ranges(path)


def test_ranges_survive_the_file(tmp_path):
    import zipfile

    ranges = {"input": (-1.0, 0.9921875), "a": (0.0, 0.1 + 0.2)}
    path = tmp_path / "a.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(RANGES_MEMBER, ranges_to_json(ranges))
    assert read_ranges(path) == ranges
    assert read_member(path, RANGES_MEMBER) is not None


def test_what_is_saved_is_what_was_measured(trained):
    """The net that validation measures shares its variables with the one that is saved."""
    spec = read_spec(trained)
    plain = load_model(trained, spec)
    net = build_int8_net(plain, Quantization({INPUT: (-1.0, 0.9921875)}))
    image = np.zeros((1, *spec.input_hw, 3), np.float32)
    before = np.asarray(net(image)["logits"])
    head = plain.get_layer("logits_conv")
    head.set_weights([head.get_weights()[0], head.get_weights()[1] + 1.0])
    assert np.asarray(net(image)["logits"]) == pytest.approx(before + 1.0, abs=1e-5)
