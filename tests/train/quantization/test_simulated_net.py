"""The simulated int8 net: its steps, what it rounds, and that the file computes the same."""

import keras
import numpy as np
import pytest
from keras import layers

from convert.quantize.bias_correction import correct_rounding
from edge_runtime.detector.detector import Detector
from edge_runtime.detector.spec import AnchorLevel, DetectorSpec
from tests.convert.fixtures import (  # noqa: F401
    SPEC,
    draw_picture,
    frames_fixture,
    keras_path_fixture,
    make,
    make_model,
)
from train.quantization.calibrate import calibrate_ranges
from train.quantization.fake_quant import FakeQuant, FoldedConvolution
from train.quantization.fused_ops import find_ops, head_ops, output_ops
from train.quantization.simulated_net import INPUT, Quantization, build_int8_net, check_ranges

pytestmark = pytest.mark.slow


def small_net():
    """Two levels with a shared trunk: batch norm, padding, an addition and a concatenation."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="stem")(image)
    x = layers.BatchNormalization(name="stem_bn")(x)
    x = layers.ReLU(6.0, name="stem_relu")(x)
    y = layers.ZeroPadding2D(1, name="pad")(x)
    y = layers.DepthwiseConv2D(3, use_bias=False, name="deep")(y)
    y = layers.BatchNormalization(name="deep_bn")(y)
    x = layers.Add(name="sum")([x, y])
    small = layers.Conv2D(4, 1, strides=2, name="down")(x)
    outputs = {}
    for kind in ("logits", "offsets"):
        rows = []
        for number, level in enumerate((x, small)):
            head = layers.Conv2D(4, 1, name=f"{kind}_{number}")(level)
            rows.append(layers.Reshape((-1, 4), name=f"{kind}_{number}_rows")(head))
        outputs[kind] = layers.Concatenate(axis=1, name=kind)(rows)
    model = keras.Model(image, outputs)
    rng = np.random.default_rng(0)
    for layer in model.layers:  # statistics as a training leaves them
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 2, w.shape) for w in layer.get_weights()])
    return model


IMAGES = np.random.default_rng(1).uniform(-1, 1, (3, 8, 8, 3)).astype(np.float32)


def differences(net, model):
    got, expected = net(IMAGES), model(IMAGES)
    return [float(np.abs(got[name] - expected[name]).mean()) for name in expected]


def test_units_are_the_steps_of_a_tflite_file():
    units, outputs = find_ops(small_net())
    found = {unit.name: unit for unit in units}
    assert [layer.name for layer in found["stem_relu"].layers] == ["stem", "stem_bn", "stem_relu"]
    assert [layer.name for layer in found["deep_bn"].layers] == ["deep", "deep_bn"]
    rounding = [unit.name for unit in units if unit.rounds]
    # The heads' own outputs take the range of what they are joined to.
    assert sorted(rounding) == sorted(["stem_relu", "deep_bn", "sum", "down", "logits", "offsets"])
    assert [found["logits"].output, found["offsets"].output] == outputs


def test_heads_and_outputs():
    model = small_net()
    assert output_ops(model) == {"logits", "offsets"}
    heads = head_ops(model)
    assert {"logits", "logits_0", "logits_1_rows", "offsets"} <= heads
    assert not heads & {"stem_relu", "sum", "down"}


def test_the_output_of_a_single_level_is_rounded_before_it_is_reshaped():
    model = small_net()
    rows = model.get_layer("logits_0_rows").output
    single = keras.Model(model.input, {"logits": rows})
    assert output_ops(single) == {"logits_0"}


def test_folding_alone_changes_nothing():
    model = small_net()
    everything = {unit.name for unit in find_ops(model)[0]}
    net = build_int8_net(model, Quantization(), keep_float=everything)
    assert max(differences(net, model)) < 1e-5


def test_activations_fall_on_the_steps_of_their_range():
    x = np.linspace(-3, 7, 101, dtype=np.float32)
    got = np.asarray(FakeQuant("x", (-1.0, 4.1))(x))
    scale = 5.1 / 255
    expected = np.clip(np.rint(x / scale), -50, 205) * scale  # zero point -128 + 50
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("kind", [layers.Conv2D, layers.DepthwiseConv2D])
def test_weights_have_255_steps_a_channel(kind):
    layer = kind(3, 3) if kind is layers.Conv2D else kind(3)
    layer.build((None, 8, 8, 3))
    axis = 3 if kind is layers.Conv2D else 2
    folded = FoldedConvolution(layer, None, rounds=True)
    kernel = np.asarray(layer.kernel)
    others = tuple(i for i in range(4) if i != axis)
    scale = np.abs(kernel).max(axis=others, keepdims=True) / 127
    np.testing.assert_allclose(folded.rounded(kernel), np.rint(kernel / scale) * scale, atol=1e-6)


def test_a_unit_is_returned_to_float():
    model = small_net()
    spec = spec_of_small_net()
    ranges = calibrate_ranges(model, pictures(), spec)
    rounded = build_int8_net(model, Quantization(ranges))
    logits = head_ops(model) & {n for n in head_ops(model) if n.startswith("logits")}
    better = build_int8_net(model, Quantization(ranges), keep_float=logits)
    before, after = differences(rounded, model), differences(better, model)
    assert after[0] < before[0]
    assert after[1] == before[1]


def spec_of_small_net():
    levels = (AnchorLevel(1, (0.5,), (1.0,)), AnchorLevel(2, (0.5,), (1.0,)))
    return DetectorSpec((8, 8), ("a", "b", "c"), levels)


def pictures(count=4):
    rng = np.random.default_rng(2)
    return [rng.integers(0, 256, (8, 8, 3), np.uint8) for _ in range(count)]


def test_ranges_are_what_the_pictures_show_and_hold_zero():
    model, spec = small_net(), spec_of_small_net()
    ranges = calibrate_ranges(model, pictures(), spec)
    outputs = [model(np.float32((p - 128.0) / 128)[None])["logits"] for p in pictures()]
    low, high = ranges["logits"]
    assert low == pytest.approx(min(0, *(float(np.min(o)) for o in outputs)), rel=1e-5)
    assert high == pytest.approx(max(0, *(float(np.max(o)) for o in outputs)), rel=1e-5)
    assert ranges["stem_relu"][0] == 0
    assert ranges[INPUT] == (-1, 127 / 128)  # of all pixels there can be
    check_ranges(model, ranges, "x")


def test_ranges_of_another_net_are_refused():
    model = small_net()
    ranges = calibrate_ranges(model, pictures(), spec_of_small_net())
    del ranges["sum"]
    with pytest.raises(ValueError, match=r"a\.keras: int8 ranges for the 7 tensors.*sum"):
        check_ranges(model, ranges, "a.keras")


def test_bias_correction_puts_the_means_back():
    """Weights whose rounding all goes one way, as 0.4 steps, shift every mean; biases undo it."""
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(2, 1, name="only")(image)
    model = keras.Model(image, {"logits": layers.Reshape((-1, 2), name="rows")(x)})
    kernel = np.full((1, 1, 3, 2), 0.4 / 127, np.float32)
    kernel[0, 0, 0] = 1.0  # sets the scale: the others are rounded to 0
    model.get_layer("only").set_weights([kernel, np.zeros(2, np.float32)])
    spec = DetectorSpec((8, 8), ("a",), (AnchorLevel(1, (0.5,), (1.0,)),), pixel_mean=0)
    frames = [np.clip(picture, 100, 255) for picture in pictures(8)]
    ranges = calibrate_ranges(model, frames, spec)
    quantization = correct_rounding(model, ranges, frames, spec)
    images = np.stack([frame / 128 for frame in frames]).astype(np.float32)
    exact = np.asarray(model(images)["logits"])

    def shift(quantization):
        return np.asarray(build_int8_net(model, quantization)(images)["logits"] - exact).mean()

    # By hand: two channels of mean about 178 / 128, each with a weight that lost 0.4 / 127.
    mean = images[..., 1:].sum(-1).mean() * 0.4 / 127
    assert shift(Quantization(ranges)) == pytest.approx(-mean, abs=1.5e-3)
    assert abs(shift(quantization)) < 1.5e-3


def test_the_file_computes_what_the_net_simulates(keras_path, frames, tmp_path):
    model = make_model()
    ranges = calibrate_ranges(model, frames, SPEC)
    net = build_int8_net(model, correct_rounding(model, ranges, frames, SPEC))
    detector = Detector(make("int8", keras_path, frames, tmp_path))
    rng = np.random.default_rng(5)
    for _ in range(5):
        frame = draw_picture(rng, SPEC.class_names)[0]
        tensor = detector.preprocess(frame).astype(np.float32) / 128
        simulated = net(tensor)
        raws = detector.invoke(detector.preprocess(frame))
        for name, raw in zip(("logits", "offsets"), raws, strict=True):
            scale, zero_point = detector._network.outputs[name].quantization
            steps = (raw.astype(np.float32) - zero_point) - np.asarray(simulated[name][0]) / scale
            assert np.abs(steps).max() <= 1.01  # kernels may round a half the other way
            assert np.mean(np.abs(steps) > 0.01) < 0.1
