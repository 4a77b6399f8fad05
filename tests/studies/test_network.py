"""`studies/network`: the variants are what they say, and the page shows what was measured."""

import json

import keras
import numpy as np
import pytest

from studies.network.files import _new_layers, delegation
from studies.network.instructions import count_instructions
from studies.network.nets import Body
from studies.network.report import (
    STAGES,
    cells,
    instructions_markdown,
    stage_cells,
    tables,
)
from studies.network.stages import cut, stage_of
from studies.network.training import register
from studies.network.variants import CLASSES, VARIANTS, WHOLE
from studies.speed.bare import BareNetwork
from tests.conftest import ROOT
from train.model.backbones import BACKBONES, backbone_of
from train.model.presets import PRESETS
from train.model.ssd import build_ssd

SHIPPED = ROOT / "models" / "digits_int8.tflite"


@pytest.fixture(scope="module")
def found():
    """Written by `make network`."""
    return json.loads((ROOT / "studies/network/network.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_the_unchanged_body_is_keras_applications_own():
    image, features = Body().build((64, 64), 0.35)
    model = keras.Model(image, features[32])
    original = keras.applications.MobileNetV2(
        input_shape=(64, 64, 3), alpha=0.35, include_top=False, weights=None
    )
    for layer in original.layers:
        if layer.weights:
            model.get_layer(layer.name).set_weights(layer.get_weights())
    pixels = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)
    np.testing.assert_allclose(model(pixels), original(pixels), atol=1e-5)
    assert model.count_params() == original.count_params()


@pytest.mark.slow
@pytest.mark.parametrize(("stem", "first"), [("plain block 1", "Conv1"), ("patch", "patch")])
def test_another_beginning_leaves_the_later_blocks(stem, first):
    image, features = Body(stem).build((64, 64), 0.5)
    model = keras.Model(image, features, name="mobilenet_v2_ssd")
    assert {stride: map_.shape[1] for stride, map_ in features.items()} == {8: 8, 16: 4, 32: 2}
    assert next(layer.name for layer in model.layers if layer.weights) == first
    new = _new_layers(model, 0.5)
    assert new and all(name.startswith((first, "block_1_")) for name in new)
    assert _new_layers(model, 0.3) is None  # no such weights are published


@pytest.fixture(name="presets")
def presets_fixture():
    """Those of `train`, as they were afterwards."""
    kept = [(known, dict(known)) for known in (PRESETS, BACKBONES)]
    register()
    yield PRESETS
    for known, before in kept:
        known.clear()
        known.update(before)


@pytest.mark.slow
def test_a_variant_can_be_trained_as_a_preset(presets):
    for name in ("no_stride_8", "plain_no_last", "plain_heads"):
        preset = presets[f"network_{name}"]
        spec = preset.spec(CLASSES)
        model = build_ssd(spec, preset.alpha, preset.top_down_channels, preset.backbone)
        variant = next(each for each in VARIANTS if each.name == name)
        expected, expected_spec = variant.build()
        assert spec == expected_spec
        # With an unchanged body it is keras.applications' own, which pads in layers of their own.
        assert [w.path for w in model.weights] == [w.path for w in expected.weights]
        assert model.count_params() == expected.count_params()
        assert backbone_of(model) is not None  # so that --start-from and freezing know it
    assert "network_bilinear" not in presets


def test_instructions_are_those_of_the_blocks_that_ran():
    log = b"""----------------
IN: kernel
0x7fffd8b2c9cc:  d503201f  nop
0x7fffd8b2c9d0:  97df4472  bl       #0x7fffd82fdba0

Trace 0: 0x7fffe96d2040 [00001001/00007fffd8b2c9cc/00000001/00008200] kernel
----------------
IN:
0x7fffd82fdbb0:  d65f03c0  ret

Trace 0: 0x7fffe96d2300 [00001001/00007fffd82fdbb0/00000001/00008200]
Trace 0: 0x7fffe96d2040 [00001001/00007fffd8b2c9cc/00000001/00008200] kernel
"""
    assert count_instructions(log.splitlines()) == 2 + 1 + 2


def test_names_are_different_and_the_first_is_the_whole_net():
    names = [variant.name for variant in VARIANTS]
    assert len(set(names)) == len(names)
    assert VARIANTS[0] == WHOLE and WHOLE.preset().backbone == "mobilenet_v2"
    assert WHOLE.body == Body() and not WHOLE.resize and WHOLE.separable_head


@pytest.mark.slow
def test_one_variant_is_the_shipped_net():
    variant = next(each for each in VARIANTS if each.says.endswith("shipped"))
    model, spec = variant.build()
    preset = PRESETS["digits"]
    shipped = build_ssd(spec, preset.alpha, preset.top_down_channels, preset.backbone)
    assert [(w.path, w.shape) for w in model.weights] == [
        (w.path, w.shape) for w in shipped.weights
    ]
    pixels = np.random.default_rng(0).uniform(-1, 1, (1, *spec.input_hw, 3)).astype(np.float32)
    shipped.set_weights(model.get_weights())
    for kind, found in model(pixels).items():
        np.testing.assert_array_equal(found, shipped(pixels)[kind])


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("net/block_3_pad/Pad;net/block_3_depthwise_folded/add", "backbone, 40x40"),
        ("net/up_16/resize", "top-down path"),
        ("net/logits_8_conv/add", "heads"),
    ],
)
def test_an_operator_has_a_stage(name, stage):
    assert stage_of(name, 40) == stage


def test_stages_end_in_the_whole_file(tmp_path):
    parts = cut(SHIPPED, tmp_path)
    assert [name for name, _ in parts] == STAGES
    sizes = [path.stat().st_size for _, path in parts]
    assert sizes == sorted(sizes)
    assert set(BareNetwork(parts[-1][1]).quantizations) == {11, 4}
    BareNetwork(parts[0][1]).invoke()
    whole, last = delegation(SHIPPED), delegation(parts[-1][1])
    assert whole == last and whole.partitions == 1 + sum(whole.outside.values())


def test_the_variants_measured_are_those_of_the_study(found):
    assert [row["facts"]["name"] for row in found["variants"]] == [each.name for each in VARIANTS]
    for row in found["variants"]:
        for kind in ("float32", "int8"):
            levels = 1 if row["facts"]["name"] == "no_stride_8" else 2
            if row["facts"]["name"] in ("bilinear", "repeat"):
                levels = 0
            wanted = {"RESIZE_NEAREST_NEIGHBOR": levels} if levels else {}
            assert row["facts"]["delegation"][kind] == {
                "partitions": levels + 1,
                "outside": wanted,
            }


def test_the_page_has_the_study(found):
    page = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    assert tables(found) in page
    machine = found["machine"]
    prose = " ".join(page.split())
    assert machine["cores"] == 1
    where = f"one core of an {machine['cpu']}, {machine['interpreter']}"
    assert f"{where}, one thread, {machine['date'][:10]}" in prose
    assert found["command"] == "python -m studies.network"


def test_the_page_has_the_instructions_on_arm():
    """Written by `python -m studies.network.instructions`."""
    contents = [
        json.loads((ROOT / f"studies/network/{cpu}.json").read_text(encoding="utf-8"))
        for cpu in ("cortex-a76", "cortex-a72")
    ]
    assert instructions_markdown(contents) in (ROOT / "docs/results.md").read_text(encoding="utf-8")


def test_what_is_said_of_the_best_variant_was_measured(found):
    prose = " ".join((ROOT / "docs/results.md").read_text(encoding="utf-8").split())
    rows = {row["facts"]["name"]: row for row in found["variants"]}
    best, whole = rows["plain_no_last"], rows["mobilenet_v2"]
    off = [1 - best["ratio"][kind]["median"] for kind in ("int8", "float32")]
    off.append(1 - best["facts"]["bytes"]["int8"] / whole["facts"]["bytes"]["int8"])
    words = "{:.0f} % off int8, {:.0f} % off float32, and {:.0f} % off the file"
    assert words.format(*(100 * each for each in off)) in prose
    for cpu in ("cortex-a76", "cortex-a72"):
        content = json.loads((ROOT / f"studies/network/{cpu}.json").read_text(encoding="utf-8"))
        counts = content["millions"]
        share = 1 - counts["plain_no_last_int8"] / counts["mobilenet_v2_int8"]
        assert f"{100 * share:.0f} % on a {cpu}" in prose


def test_a_cell_that_was_not_measured_is_blank(found):
    row = found["variants"][0] | {"ap": None}
    assert cells(row)[-1] == "" and cells(row | {"ap": 0.5})[-1] == "50.00"
    shares = [float(cell) for cell in stage_cells(row)[1:] if cell]
    assert sum(shares) == pytest.approx(100, abs=4)
