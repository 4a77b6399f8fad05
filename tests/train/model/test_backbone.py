"""ImageNet weights: taken over whole, and refused where they are none."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest

from edge_runtime.detector.spec import AnchorLevel, DetectorSpec
from train.model.backbone import load_backbone
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


def test_random_weights_are_refused(tmp_path):
    path = tmp_path / "random.weights.h5"
    reference().save_weights(path)
    with pytest.raises(ValueError, match=r"trained weights expected.*--from-scratch"):
        load_backbone(build_ssd(SPEC, ALPHA), ALPHA, path)


def test_weights_that_are_not_finite_are_refused(trained, tmp_path):
    _, source = trained
    model = reference()
    model.set_weights([np.full_like(w, np.nan) for w in source.get_weights()])
    path = tmp_path / "broken.weights.h5"
    model.save_weights(path)
    with pytest.raises(ValueError, match="Conv1 is not finite"):
        load_backbone(build_ssd(SPEC, ALPHA), ALPHA, path)


def test_weights_of_another_width_are_refused(trained):
    path, _ = trained
    with pytest.raises(ValueError, match=r"alpha 0\.5 and no top expected"):
        load_backbone(build_ssd(SPEC, 0.5), 0.5, path)


def test_no_file_and_no_weights_file_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no backbone weights at .*--from-scratch"):
        load_backbone(build_ssd(SPEC, ALPHA), ALPHA, tmp_path / "none.weights.h5")
    path = tmp_path / "text.weights.h5"
    path.write_text("no weights", encoding="utf-8")
    with pytest.raises(ValueError, match=r"text\.weights\.h5: weights of MobileNetV2"):
        load_backbone(build_ssd(SPEC, ALPHA), ALPHA, path)


def test_a_failed_download_says_what_to_do(monkeypatch):
    """Without a network Keras raises a bare Exception; here it must not even try one."""

    def no_network(*args, **kwargs):
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.src.applications.mobilenet_v2.file_utils, "get_file", no_network)
    with pytest.raises(
        ValueError, match=r"URL fetch failure; .*--backbone-weights.*--from-scratch"
    ):
        load_backbone(build_ssd(SPEC, ALPHA), ALPHA)


def test_real_imagenet_weights_fit():
    """BACKBONE_WEIGHTS names a file for alpha 1.0."""
    path = os.environ.get("BACKBONE_WEIGHTS")
    if not path:
        pytest.skip("BACKBONE_WEIGHTS does not name ImageNet weights of MobileNetV2 1.0")
    assert load_backbone(build_ssd(SPEC, 1.0), 1.0, Path(path)) > 100
