"""ImageNet weights: taken over whole, and refused where they are none."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest

from edge_runtime.detector.spec import AnchorLevel, DetectorSpec
from train.model.backbones import BACKBONES, backbone_names
from train.model.backbones.mobilenet_v2_short import NEW_LAYERS
from train.model.backbones.vgg16 import thin_out
from train.model.presets import PRESETS
from train.model.pretrained import freeze, load_backbone
from train.model.ssd import build_ssd

pytestmark = pytest.mark.slow

SPEC = DetectorSpec((64, 64), ("a",), tuple(AnchorLevel(s, (0.2,), (1.0,)) for s in (16, 32)))
ALPHA = 0.35


def reference(alpha=ALPHA):
    return keras.applications.MobileNetV2(
        input_shape=(64, 64, 3), alpha=alpha, include_top=False, weights=None
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A file like the one that Keras downloads: every array differs from its initial value."""
    model = reference()
    rng = np.random.default_rng(0)
    model.set_weights([w + rng.uniform(0.1, 0.2, w.shape) for w in model.get_weights()])
    path = tmp_path_factory.mktemp("weights") / "backbone.weights.h5"
    model.save_weights(path)
    return path, model


@pytest.fixture(scope="module")
def refusing():
    """A net for what is refused before a weight of it is set."""
    return build_ssd(SPEC, ALPHA)


def test_every_backbone_layer_takes_over_its_weights(trained):
    path, source = trained
    model = build_ssd(SPEC, ALPHA)
    heads = model.get_layer("logits_16_conv").get_weights()
    count = load_backbone(model, ALPHA, path)
    assert count == sum(bool(layer.weights) for layer in source.layers)
    for layer in (layer for layer in source.layers if layer.weights):
        for ours, theirs in zip(
            model.get_layer(layer.name).get_weights(), layer.get_weights(), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(model.get_layer("logits_16_conv").get_weights()[0], heads[0])


def test_a_short_net_takes_over_all_but_what_it_changes(trained, capsys):
    """And what began anew is not kept as it is with the first blocks."""
    path, source = trained
    model = build_ssd(SPEC, ALPHA, backbone="mobilenet_v2_short")
    load_backbone(model, ALPHA, path)
    names, new = backbone_names(model), set(NEW_LAYERS)
    assert {"Conv1", "block_2_expand", "block_16_project"} < set(names) - new
    for name in set(names) - new:
        for ours, theirs in zip(
            model.get_layer(name).get_weights(), source.get_layer(name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    assert "block_1_depthwise, block_1_depthwise_BN" in capsys.readouterr().out
    freeze(model, blocks=3, batch_norm=True)
    kept = {name for name in names if not model.get_layer(name).trainable}
    assert kept & new == set()
    assert {"Conv1", "bn_Conv1", "block_2_project", "block_16_project_BN"} < kept
    assert not {"block_3_expand", "block_16_project"} & kept


def test_the_backbone_of_a_trained_detector_keeps_all_of_its_first_blocks():
    """Whatever of it ImageNet's weights had nothing for: it has learnt that since."""
    model = build_ssd(SPEC, ALPHA, backbone="mobilenet_v2_short")
    freeze(model, blocks=3, batch_norm=False, from_imagenet=False)
    kept = {name for name in backbone_names(model) if not model.get_layer(name).trainable}
    assert {"Conv1", *NEW_LAYERS, "block_2_project_BN"} <= kept
    assert not {"block_3_expand", "block_16_project"} & kept


def test_random_weights_are_refused(tmp_path, refusing):
    path = tmp_path / "random.weights.h5"
    reference().save_weights(path)
    with pytest.raises(ValueError, match=r"trained weights expected.*--from-scratch"):
        load_backbone(refusing, ALPHA, path)


def test_weights_that_are_not_finite_are_refused(trained, tmp_path, refusing):
    _, source = trained
    model = reference()
    model.set_weights([np.full_like(w, np.nan) for w in source.get_weights()])
    path = tmp_path / "broken.weights.h5"
    model.save_weights(path)
    with pytest.raises(ValueError, match="Conv1 is not finite"):
        load_backbone(refusing, ALPHA, path)


def test_weights_of_another_width_are_refused(trained):
    path, _ = trained
    with pytest.raises(ValueError, match=r"alpha 0\.5 and no top expected"):
        load_backbone(build_ssd(SPEC, 0.5), 0.5, path)


def test_no_file_and_no_weights_file_are_refused(tmp_path, refusing):
    with pytest.raises(ValueError, match=r"no backbone weights at .*--from-scratch"):
        load_backbone(refusing, ALPHA, tmp_path / "none.weights.h5")
    path = tmp_path / "text.weights.h5"
    path.write_text("no weights", encoding="utf-8")
    with pytest.raises(ValueError, match=r"text\.weights\.h5: weights of MobileNetV2"):
        load_backbone(refusing, ALPHA, path)


def test_a_failed_download_says_what_to_do(monkeypatch, refusing):
    """Without a network Keras raises a bare Exception; here it must not even try one."""

    def no_network(*args, **kwargs):
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.src.applications.mobilenet_v2.file_utils, "get_file", no_network)
    with pytest.raises(
        ValueError, match=r"URL fetch failure; .*--backbone-weights.*--from-scratch"
    ):
        load_backbone(refusing, ALPHA)


def test_real_imagenet_weights_fit():
    """BACKBONE_WEIGHTS names a file for alpha 1.0."""
    path = os.environ.get("BACKBONE_WEIGHTS")
    if not path:
        pytest.skip("BACKBONE_WEIGHTS does not name ImageNet weights of MobileNetV2 1.0")
    assert load_backbone(build_ssd(SPEC, 1.0), 1.0, Path(path)) > 100


# No file of VGG16's or MobileNet's real weights is at hand: random ones in the form that Keras
# saves stand in for them here.
@pytest.mark.parametrize(
    ("preset", "alpha", "anew"), [("ssd_mobilenet_v1", 0.25, []), ("ssd300_vgg16", 1, ["fc6"])]
)
def test_weights_of_other_backbones_are_taken_over(preset, alpha, anew, tmp_path, capsys):
    kind = BACKBONES[PRESETS[preset].backbone]
    width = {"alpha": alpha} if kind.has_alpha else {}
    build = getattr(keras.applications, kind.application)
    source = build(input_shape=(64, 64, 3), include_top=False, weights=None, **width)
    for layer in source.layers:
        layer.set_weights([w + 0.01 for w in layer.get_weights()])
    path = tmp_path / "other.weights.h5"
    source.save_weights(path)
    spec = PRESETS[preset].spec(("a",))
    model = build_ssd(spec, alpha, 0, PRESETS[preset].backbone)
    load_backbone(model, alpha, path)
    for layer in (layer for layer in source.layers[3:] if layer.weights):
        for ours, theirs in zip(
            model.get_layer(layer.name).get_weights(), layer.get_weights(), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    said = capsys.readouterr().out
    assert all(name in said for name in anew)
    # The first layers see the device's pixels, and answer as Keras's do to what those stand for.
    pixels = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3))
    ours = first_maps(model, source, preset, pixels)
    np.testing.assert_allclose(ours[0], ours[1], rtol=1e-3, atol=1e-3)


def first_maps(model, source, preset, pixels):
    """Outputs of the first convolution: the detector's and Keras's, their rims left out."""
    name = {"ssd300_vgg16": "block1_conv1", "ssd_mobilenet_v1": "conv1_relu"}[preset]
    side = model.input_shape[1]
    frame = np.full((1, side, side, 3), 128)
    frame[:, :64, :64] = pixels
    ours = keras.Model(model.input, model.get_layer(name).output)
    theirs = keras.Model(source.input, source.get_layer(name).output)
    preprocess_input = {
        "ssd300_vgg16": keras.applications.vgg16.preprocess_input,
        "ssd_mobilenet_v1": lambda x: x / 128 - 1,
    }[preset]
    found = ours.predict_on_batch((frame.astype(np.float32) - 128) / 128)
    wanted = theirs.predict_on_batch(preprocess_input(pixels.astype(np.float32)))
    return found[:, 1:28, 1:28], wanted[:, 1:28, 1:28]


def test_a_top_becomes_the_convolutions_of_ssd():
    """Every third row and column of fc1's 7x7 cells, every fourth of its outputs."""
    dense = np.arange(7 * 7 * 2 * 8, dtype=np.float32).reshape(7 * 7 * 2, 8)
    kernel, bias = thin_out(dense, np.arange(8.0), 7, keras.Variable(np.zeros((3, 3, 2, 3))))
    cells = dense.reshape(7, 7, 2, 8)
    np.testing.assert_array_equal(kernel, cells[::3, ::3][:, :, :, [0, 4, 7]])
    np.testing.assert_array_equal(bias, [0, 4, 7])


def test_weights_of_another_architecture_are_refused(trained):
    path, _ = trained
    spec = PRESETS["ssd_mobilenet_v1"].spec(("a",), (64, 64))
    with pytest.raises(ValueError, match=r"weights of MobileNet with.*those of MobileNetV2, VGG16"):
        load_backbone(build_ssd(spec, 0.25, 0, "mobilenet_v1"), 0.25, path)


def test_a_width_that_vgg_has_no_weights_for_is_refused():
    spec = PRESETS["ssd300_vgg16"].spec(("a",))
    with pytest.raises(ValueError, match=r"VGG16 are of --alpha 1, got 0\.25"):
        load_backbone(build_ssd(spec, 0.25, 0, "vgg16"), 0.25)
