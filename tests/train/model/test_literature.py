"""The literature's detectors: boxes, maps and sizes as the papers give them."""

import keras
import numpy as np
import pytest

from edge_runtime.detector.anchors import make_anchors
from edge_runtime.detector.spec import AnchorLevel, DetectorSpec, embed
from train.model.backbones import BACKBONES, backbone_names
from train.model.backbones.vgg16 import INITIAL_LENGTH
from train.model.presets import PRESETS
from train.model.pretrained import freeze
from train.model.ssd import build_ssd, multiply_adds

CLASSES_90 = [f"class {number}" for number in range(90)]  # COCO's ids, 91 with background


def build(name, class_names=("a",), alpha=None):
    preset = PRESETS[name]
    spec = preset.spec(class_names)
    return build_ssd(spec, alpha or preset.alpha, preset.top_down_channels, preset.backbone)


def test_ssd300_has_the_8732_boxes_of_the_paper():
    spec = PRESETS["ssd300_vgg16"].spec(("a",))
    cells = [spec.feature_hw(level) for level in spec.levels]
    assert cells == [(n, n) for n in (38, 19, 10, 5, 3, 1)]
    assert [len(level) for level in spec.levels] == [4, 6, 6, 6, 4, 4]
    assert len(make_anchors(spec)) == 8732


# By hand: scales .1, .2, .375, .55, .725, .9 (equation 4 over five maps), and 1.075 behind them;
# w = s √a, h = s / √a; centres (i + 0.5) / cells (section 2.2).
@pytest.mark.parametrize(
    ("row", "box"),
    [
        (0, (0.5 / 38, 0.5 / 38, 0.1, 0.1)),  # conv4_3, first cell
        (1, (0.5 / 38, 0.5 / 38, 0.1414214, 0.0707107)),  # ratio 2
        (2, (0.5 / 38, 0.5 / 38, 0.0707107, 0.1414214)),  # ratio 1/2
        (3, (0.5 / 38, 0.5 / 38, 0.1414214, 0.1414214)),  # √(.1 * .2)
        (4 * 39 + 0, (1.5 / 38, 1.5 / 38, 0.1, 0.1)),  # second row, second column
        (5776 + 3, (0.5 / 19, 0.5 / 19, 0.3464102, 0.1154701)),  # conv7, ratio 3
        (5776 + 5, (0.5 / 19, 0.5 / 19, 0.2738613, 0.2738613)),  # √(.2 * .375)
        (7942 + 4, (0.05, 0.05, 0.2165064, 0.6495191)),  # conv8_2, ratio 1/3 of .375
        (8732 - 4, (0.5, 0.5, 0.9, 0.9)),  # conv11_2
        (8732 - 1, (0.5, 0.5, 0.9836158, 0.9836158)),  # √(.9 * 1.075)
    ],
)
def test_boxes_of_the_paper_by_hand(row, box):
    anchors = make_anchors(PRESETS["ssd300_vgg16"].spec(("a",)))
    np.testing.assert_allclose(anchors[row], box, atol=1e-6)


def test_boxes_at_the_rim_are_not_clipped():
    anchors = make_anchors(PRESETS["ssd300_vgg16"].spec(("a",)))
    assert (anchors[0, :2] - anchors[0, 2:] / 2 < 0).all()


@pytest.fixture(scope="module")
def vgg():
    return build("ssd300_vgg16")


@pytest.mark.slow
def test_ssd300_maps_have_the_shapes_of_the_paper(vgg):
    names = ("l2_8_scale", "fc7", "extra_32_conv", "extra_64_conv", "extra_128_conv")
    shapes = [vgg.get_layer(name).output.shape[1:] for name in (*names, "extra_512_conv")]
    expected = [(38, 512), (19, 1024), (10, 512), (5, 256), (3, 256), (1, 256)]
    assert shapes == [(cells, cells, channels) for cells, channels in expected]
    fc6, pool5 = vgg.get_layer("fc6"), vgg.get_layer("block5_pool")
    assert (fc6.kernel_size, fc6.dilation_rate) == ((3, 3), (6, 6))
    assert (pool5.pool_size, pool5.strides) == ((3, 3), (1, 1))


@pytest.mark.slow
def test_every_cell_of_conv4_3_begins_with_length_20(vgg):
    probe = keras.Model(vgg.input, vgg.get_layer("l2_8_scale").output)
    image = np.random.default_rng(0).uniform(-1, 1, (1, 300, 300, 3)).astype(np.float32)
    lengths = np.linalg.norm(probe.predict_on_batch(image), axis=-1)
    np.testing.assert_allclose(lengths, INITIAL_LENGTH, rtol=1e-3)
    scale = vgg.get_layer("l2_8_scale")
    assert scale.trainable
    assert np.asarray(scale.kernel).shape == (1, 1, 512, 1)
    assert not vgg.get_layer("l2_8_norm").trainable


@pytest.mark.slow
def test_a_cell_of_zeros_gives_finite_gradients():
    """As ReLU leaves them; the plain unit vector has a gradient of 1e12 there."""
    tf = pytest.importorskip("tensorflow", reason="no TensorFlow here: make setup")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("gradients by TensorFlow's tape")
    model = build("ssd300_vgg16", alpha=0.125)
    norm = model.get_layer("l2_8_norm")
    x = tf.Variable(tf.zeros((1, 1, 1, model.get_layer("l2_8_norm").scale.shape[0])))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(norm(x))
    assert np.abs(tape.gradient(total, x)).max() < 1e3


# Parameters and multiply-adds as published: Howard et al. 2017, table 13 (COCO, 300 pixels);
# Sandler et al. 2018, table 6 (COCO, 320 pixels). Ours are of 91 classes: COCO's ids, background.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "side", "parameters", "madds"),
    [
        ("ssd300_vgg16", 300, 33.1e6, 34.9e9),
        ("ssd_mobilenet_v1", 300, 6.8e6, 1.2e9),
        ("ssdlite", 320, 4.3e6, 0.8e9),
    ],
)
def test_sizes_are_those_published(name, side, parameters, madds):
    preset = PRESETS[name]
    spec = preset.spec(CLASSES_90, (side, side))
    model = build_ssd(spec, preset.alpha, preset.top_down_channels, preset.backbone)
    assert model.count_params() == pytest.approx(parameters, rel=0.1)
    assert multiply_adds(model) == pytest.approx(madds, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ssd300_vgg16", "ssd_mobilenet_v1"])
def test_the_file_loads_with_standard_layers(name, tmp_path):
    model = build(name, alpha=0.25)
    path = tmp_path / "model.keras"
    model.save(path)
    embed(path, PRESETS[name].spec(("a",)))
    loaded = keras.saving.load_model(path, compile=False)
    assert {type(layer).__module__.split(".")[0] for layer in loaded.layers} == {"keras"}
    assert backbone_names(loaded) == backbone_names(model)
    side = PRESETS[name].input_hw[0]
    image = np.random.default_rng(0).uniform(-1, 1, (1, side, side, 3)).astype(np.float32)
    expected, found = (net(image, training=False) for net in (model, loaded))
    for kind in ("logits", "offsets"):
        np.testing.assert_array_equal(*map(np.asarray, (found[kind], expected[kind])))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "frozen", "free"),
    [
        ("ssd300_vgg16", "block3_conv3", "block4_conv1"),
        ("ssd_mobilenet_v1", "conv_pw_3", "conv_dw_4"),
    ],
)
def test_three_blocks_freeze(name, frozen, free):
    model = build(name, alpha=0.25)
    freeze(model, 3, batch_norm=False)
    assert not model.get_layer(frozen).trainable
    assert model.get_layer(free).trainable
    assert model.get_layer("logits_16_conv").trainable


@pytest.mark.parametrize("side", [256, 321, 512])
def test_an_input_without_a_level_of_one_cell_is_refused(side):
    with pytest.raises(ValueError, match=rf"--input-size 257 to 320 .* got {side}x{side}.*1x1"):
        PRESETS["ssd300_vgg16"].spec(("a",), (side, side))


def test_a_net_whose_maps_do_not_fit_the_anchors_is_refused():
    """As with a file of anchors, which knows nothing of the preset's limits."""
    levels = tuple(AnchorLevel(stride, (0.2,), (1.0,)) for stride in (16, 128))
    with pytest.raises(ValueError, match=r"of 512 pixels the map of stride 128 of vgg16 has 6"):
        build_ssd(DetectorSpec((300, 512), ("a",), levels), backbone="vgg16")


def test_the_limits_of_the_preset_are_those_of_the_net():
    preset, net = PRESETS["ssd300_vgg16"], BACKBONES["vgg16"]
    fitting = [
        side
        for side in range(1, 2049)
        if all(net.cells(side, level.stride) == -(-side // level.stride) for level in preset.levels)
    ]
    assert fitting == list(range(preset.least, preset.most + 1))
