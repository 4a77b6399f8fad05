"""The network: size as published, row order as the anchors, loadable without this code."""

import keras
import numpy as np
import pytest

from edge_runtime.detector.anchors import make_anchors
from edge_runtime.detector.spec import AnchorLevel, DetectorSpec, embed, read_spec
from train.model.batch_norm import with_fused_batch_norm
from train.model.presets import PRESETS
from train.model.ssd import build_ssd, multiply_adds

pytestmark = pytest.mark.slow


def test_plain_preset_has_the_size_that_the_paper_reports():
    """MobileNetV2 paper, table 6: 4.3 M parameters, 0.8 B multiply-adds, 91 classes at 320."""
    preset = PRESETS["ssdlite"]
    spec = preset.spec([f"class {i}" for i in range(90)], (320, 320))  # 91 with background
    model = build_ssd(spec, preset.alpha, preset.top_down_channels)
    assert model.count_params() == pytest.approx(4.3e6, rel=0.1)
    assert multiply_adds(model) == pytest.approx(0.8e9, rel=0.1)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("input_hw", [(96, 96), (100, 180)])
def test_every_preset_has_one_row_for_each_anchor(name, input_hw):
    preset = PRESETS[name]
    if preset.least > min(input_hw):
        input_hw = (preset.least, preset.most)
    spec = preset.spec(("a", "b"), input_hw)
    alpha = 0.25 if preset.backbone != "mobilenet_v2" else 0.35  # widths that there are
    model = build_ssd(spec, alpha, preset.top_down_channels and 16, preset.backbone)
    count = len(make_anchors(spec))
    assert model.output["logits"].shape == (None, count, 3)
    assert model.output["offsets"].shape == (None, count, 4)


def test_rows_stand_where_their_anchors_do():
    """A spot in one corner must move the rows of the anchors there most (catches x/y swaps)."""
    level = AnchorLevel(8, (0.1, 0.2), (1.0, 1.0))
    spec = DetectorSpec((64, 160), ("a",), (level,))
    keras.utils.set_random_seed(0)
    model = build_ssd(spec, alpha=0.35)
    images = np.zeros((2, 64, 160, 3), np.float32)
    images[1, :8, 144:152] = 1  # top right
    rows = model.predict_on_batch(images)["offsets"]
    moved = np.abs(rows[1] - rows[0]).sum(axis=1)
    x, y = np.average(make_anchors(spec)[:, :2], axis=0, weights=moved)
    assert x > 0.75
    assert y < 0.4
    assert (moved[make_anchors(spec)[:, 0] < 0.2] == 0).all()  # beyond the receptive field


def test_a_stride_that_the_net_lacks_is_refused():
    spec = DetectorSpec((64, 64), ("a",), (AnchorLevel(4, (0.1,), (1.0,)),))
    with pytest.raises(ValueError, match=r"strides .*8.*512.* got \[4\]"):
        build_ssd(spec)


def test_the_file_loads_with_standard_layers_and_its_spec(tmp_path):
    spec = PRESETS["fpnlite"].spec(("a", "b"), (64, 64))
    model = build_ssd(spec, 0.35, 16)
    path = tmp_path / "model.keras"
    model.save(path)
    embed(path, spec)
    loaded = keras.saving.load_model(path, compile=False)
    kinds = {type(layer).__module__.split(".")[0] for layer in loaded.layers}
    assert kinds == {"keras"}
    assert read_spec(path) == spec
    image = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)
    expected, found = (net(image, training=False) for net in (model, loaded))
    for name in ("logits", "offsets"):
        np.testing.assert_array_equal(*map(np.asarray, (found[name], expected[name])))


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow alone has the fused operation"
)
def test_fused_batch_norm_trains_as_keras_does():
    """Output and statistics are alike; the fused variance is the unbiased one, n / (n - 1)."""
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(inputs)
    plain = keras.Model(inputs, keras.layers.BatchNormalization(momentum=0.9)(x))
    fused = with_fused_batch_norm(plain)
    assert [type(layer).__name__ for layer in fused.layers][-1] == "FusedBatchNormalization"
    images = np.random.default_rng(0).normal(3, 2, (8, 16, 16, 3)).astype(np.float32)
    np.testing.assert_allclose(
        np.asarray(fused(images, training=True)),
        np.asarray(plain(images, training=True)),
        atol=1e-4,
    )
    for ours, theirs in zip(fused.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3)
