"""`python -m train.summary`: facts by hand, a table, JSON and a picture; bad input is named."""

import json
import re

import keras
import numpy as np
import pytest
from keras import layers

from train.summary.__main__ import main
from train.summary.reach import receptive_fields


def test_reach_by_hand():
    """3x3: 3; 2x2 by 2: 4; 3x3 with holes of 2 at jump 2: 4 + 2 * 2 * 2; up and added: the most."""
    image = keras.Input((16, 16, 3))
    x = layers.Conv2D(2, 3, padding="same", name="first")(image)
    fine = layers.MaxPooling2D(2, name="half")(x)
    y = layers.Conv2D(2, 3, padding="same", dilation_rate=2, name="holes")(fine)
    y = layers.DepthwiseConv2D(3, 2, padding="same", name="quarter")(y)  # 12 + 2 * 2, jump 4
    up = layers.Resizing(8, 8, "nearest", name="up")(y)
    x = layers.Add(name="sum")([fine, up])
    x = layers.Conv2D(1, 3, padding="same", name="last")(x)  # 16 + 2 * 2
    names = ("first", "half", "holes", "quarter", "sum", "last")
    found = receptive_fields(keras.Model(image, x), names)
    assert [found[name] for name in names] == [3, 4, 12, 16, 16, 20]


def test_reach_is_what_the_net_sees():
    """A pixel beyond the window changes nothing, one inside does."""
    image = keras.Input((64, 64, 1))
    x = layers.Conv2D(1, 3, padding="same", dilation_rate=3, name="a")(image)
    x = layers.MaxPooling2D(2, name="b")(x)
    x = layers.AveragePooling2D(3, 1, padding="same", name="c")(x)
    model = keras.Model(image, layers.Flatten()(x))
    model.get_layer("a").set_weights([np.ones((3, 3, 1, 1)), np.ones(1)])
    reach = receptive_fields(model, ["c"])["c"]
    moved = np.zeros((65, 64, 64, 1), np.float32)
    moved[np.arange(1, 65), 32, np.arange(64)] = 1  # a bright pixel in each column of one row
    seen = model.predict_on_batch(moved).reshape(65, 32, 32)[:, 16, 16]
    changed = np.flatnonzero(seen[1:] != seen[0])
    assert changed.max() - changed.min() + 1 == reach


@pytest.mark.slow
def test_table_json_and_picture(tmp_path, capsys):
    target, picture = tmp_path / "summary.json", tmp_path / "summary.png"
    flags = ["--no-latency", "--json", str(target), "--picture", str(picture)]
    assert main(["ssd300_vgg16", "ssdlite", "--alpha", "0.35", "--classes", "20", *flags]) == 0
    table = capsys.readouterr().out
    first, second = json.loads(target.read_text())["presets"]
    assert (first["preset"], second["preset"]) == ("ssd300_vgg16", "ssdlite")
    assert (first["classes"], first["input_hw"], first["anchors"]) == (20, [300, 300], 8732)
    # conv4_3 sees 92 pixels, fc7 420; their heads two cells more.
    assert [level["reach"] for level in first["levels"]][:2] == [92 + 16, 420 + 32]
    assert [level["anchors"] for level in first["levels"]] == [5776, 2166, 600, 150, 36, 4]
    assert first["published"] == [33.1, 34.9]
    for row in (first, second):
        assert f"{row['parameters'] / 1e6:.2f}" in table
        assert f"{row['multiply_adds'] / 1e9:.2f}" in table
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ssd300_vgg16", "--input-size", "512"], "--input-size 257 to 320 .* got 512x512"),
        (["ssdlite", "--picture", "a.txt"], r"--picture is one of \.png"),
        (["ssdlite", "--json", "/dev/null/a.json"], "cannot write into /dev/null"),
    ],
)
def test_bad_input_is_named_before_anything_is_built(arguments, message, capsys):
    assert main(arguments) == 2
    assert re.search(message, capsys.readouterr().err)


@pytest.mark.parametrize("width", ["-1", "nan", "3"])
def test_a_width_that_is_none_is_named(width, capsys):
    with pytest.raises(SystemExit):
        main(["ssdlite", "--alpha", width])
    assert "0.1 to 2" in capsys.readouterr().err


def test_an_unknown_preset_is_named(capsys):
    with pytest.raises(SystemExit):
        main(["ssd512"])
    assert "ssd300_vgg16" in capsys.readouterr().err
