"""VGG's kinds of layers in int8: pooling, holes, biases without batch norm, vectors of length 1."""

import keras
import numpy as np
import pytest
from keras import layers

from convert.tflite import convert_int8, export
from convert.verify import find_problems, operator_name, read_model
from edge_runtime.detector.detector import Detector
from edge_runtime.detector.spec import AnchorLevel, DetectorSpec, embed
from train.data.dataset import load_dataset
from train.quantization.calibrate import calibrate_ranges
from train.quantization.fake_quant import FakeQuant
from train.quantization.qat import make_int8_views
from train.quantization.simulated_net import Quantization, build_int8_net

pytestmark = pytest.mark.slow

SPEC = DetectorSpec((32, 32), ("a",), (AnchorLevel(8, (0.5,), (1.0,)),))
CHANNELS = 16


def small_vgg(scale=CHANNELS**-0.5):
    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="conv1")(image)
    x = layers.MaxPooling2D(2, padding="same", name="pool1")(x)
    x = layers.Conv2D(CHANNELS, 3, strides=2, padding="same", activation="relu", name="conv2")(x)
    x = layers.Conv2D(
        CHANNELS, 3, padding="same", dilation_rate=2, activation="relu", name="holes"
    )(x)
    x = layers.MaxPooling2D(3, 1, padding="same", name="pool2")(x)
    norm = layers.RMSNormalization(name="norm")
    x = norm(x)
    norm.scale.assign(np.full(CHANNELS, scale, np.float32))
    norm.trainable = False
    factors = keras.initializers.RandomUniform(5, 20)
    x = layers.DepthwiseConv2D(1, use_bias=False, depthwise_initializer=factors, name="scale")(x)
    outputs = {}
    for kind, width in (("logits", 2), ("offsets", 4)):
        head = layers.Conv2D(width, 3, padding="same", name=f"{kind}_conv")(x)
        outputs[kind] = layers.Reshape((-1, width), name=f"{kind}_rows")(head)
    return keras.Model(image, outputs, name="small_vgg")


FRAMES = [np.random.default_rng(i).integers(0, 256, (32, 32, 3), np.uint8) for i in range(4)]


def write(model, ranges, path, keep_float=()):
    net = build_int8_net(model, Quantization(ranges), keep_float)
    convert_int8(export(net, SPEC, path.with_suffix("")), path)
    embed(path, SPEC, {"min_runtime_version.txt": "2.3.0"})
    return net


def operators(path):
    model = read_model(path)
    codes = model.operatorCodes
    return [operator_name(codes[op.opcodeIndex]) for op in model.subgraphs[0].operators]


def test_the_file_is_of_integers_and_computes_what_the_net_simulates(tmp_path):
    model, path = small_vgg(), tmp_path / "vgg.tflite"
    ranges = calibrate_ranges(model, FRAMES, SPEC)
    assert ranges["norm"] == (-1, 127 / 128)  # TensorFlow Lite's, whatever the pictures
    net = write(model, ranges, path)
    assert operators(path).count("L2_NORMALIZATION") == 1
    assert find_problems(path, "int8") == []
    detector = Detector(path)
    for frame in FRAMES:
        tensor = detector.preprocess(frame)
        simulated = net(tensor.astype(np.float32) / 128)
        for name, raw in zip(("logits", "offsets"), detector.invoke(tensor), strict=True):
            scale, zero_point = detector._network.outputs[name].quantization
            steps = (raw.astype(np.float32) - zero_point) - np.asarray(simulated[name][0]) / scale
            # A cell's length is taken of whole numbers here, of float there: a step of 1/128 apart
            # now and then, which the heads see.
            assert np.mean(np.abs(steps) > 1.01) < 0.1


def test_length_can_stay_in_float(tmp_path):
    model, path = small_vgg(), tmp_path / "mixed.tflite"
    write(model, calibrate_ranges(model, FRAMES, SPEC), path, keep_float={"norm"})
    found = operators(path)
    assert "L2_NORMALIZATION" not in found
    assert "RSQRT" in found
    assert find_problems(path, "int8_mixed") == []


def test_a_scale_that_int8_lacks_is_refused():
    model = small_vgg(scale=1.0)
    with pytest.raises(ValueError, match=r"norm: in int8 a scale of 1/√channels, 0\.25, expected"):
        build_int8_net(model, Quantization(calibrate_ranges(model, FRAMES, SPEC)))


def test_quantisation_aware_training_leaves_length_alone(tmp_path, scenes):
    path = tmp_path / "vgg.keras"
    small_vgg().save(path)
    embed(path, SPEC)
    views = make_int8_views(path, SPEC, load_dataset(scenes, "train"), seed=0)
    assert not views.export.get_layer("norm").trainable
    assert views.export.get_layer("scale").trainable
    ranges = [layer for layer in views.evaluation.layers if isinstance(layer, FakeQuant)]
    learns = {layer.of: layer.trainable for layer in ranges}
    assert (learns["norm"], learns["scale"]) == (False, True)
