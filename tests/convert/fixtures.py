"""A data set and a detector for it that needs no training: coloured cells on grey noise.

Every cell of a 4x4 grid is red, blue or background, and the network's weights are set by hand to
average a cell and compare its channels, so the right answer is known.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from convert.pipeline import ConversionInput, write_variant
from convert.variants import VARIANT_MEMBER, VARIANTS
from edge_runtime.detector.spec import AnchorLevel, DetectorSpec, embed
from train.data.formats.voc import write_annotation

SPEC = DetectorSpec(
    input_hw=(64, 64),
    class_names=("blue", "red"),
    levels=(AnchorLevel(16, (0.25,), (1.0,)), AnchorLevel(32, (0.5,), (1.0,))),
)
CELL_WH = (32, 24)  # in pictures of 128x96: not square, so that a swap of x and y shows
COLORS = {"blue": (40, 40, 230), "red": (230, 40, 40)}


def write_dataset(root: Path, splits: dict[str, int], names=("blue", "red"), seed=0) -> Path:
    """A VOC folder; every picture holds at least one cell of a random one of `names`."""
    rng = np.random.default_rng(seed)
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for split, count in splits.items():
        ids = [f"{split}_{number:03}" for number in range(count)]
        (root / f"ImageSets/Main/{split}.txt").write_text("".join(f"{i}\n" for i in ids))
        for image_id in ids:
            pixels, boxes, found = draw_picture(rng, names)
            Image.fromarray(pixels).save(root / f"JPEGImages/{image_id}.png")
            path = root / f"Annotations/{image_id}.xml"
            write_annotation(path, f"{image_id}.png", 128, 96, boxes, found)
    return root


def draw_picture(rng: np.random.Generator, names) -> tuple[np.ndarray, np.ndarray, list[str]]:
    pixels = rng.integers(100, 156, (96, 128, 1), np.uint8).repeat(3, axis=2)
    boxes, found = [], []
    for cell in rng.choice(16, rng.integers(1, 5), replace=False):
        x, y = cell % 4 * CELL_WH[0], cell // 4 * CELL_WH[1]
        found.append(str(rng.choice(names)))
        boxes.append((x, y, x + CELL_WH[0], y + CELL_WH[1]))
        pixels[y : y + CELL_WH[1], x : x + CELL_WH[0]] = COLORS[found[-1]]
    return pixels, np.array(boxes), found


def make_model():
    """(1 or B, 64, 64, 3) → logits (B, 20, 3), offsets (B, 20, 4): convolutions, ReLU6, concat."""
    keras.utils.set_random_seed(0)
    image = keras.Input((64, 64, 3))
    x = layers.Conv2D(6, 4, strides=4, use_bias=False, name="average")(image)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(6.0)(x)
    fine = layers.DepthwiseConv2D(4, strides=4, use_bias=False, name="cell")(x)
    coarse = layers.DepthwiseConv2D(2, strides=2, use_bias=False, name="half")(fine)
    outputs = {}
    for kind, width in (("logits", 3), ("offsets", 4)):
        rows = [
            layers.Reshape((-1, width))(layers.Conv2D(width, 1, name=f"{kind}_{name}")(level))
            for name, level in (("fine", fine), ("coarse", coarse))
        ]
        outputs[kind] = layers.Concatenate(axis=1, name=kind)(rows)
    model = keras.Model(image, outputs)
    _set_weights(model)
    return model


def _set_weights(model) -> None:
    # Six channels: the positive and the negative part of each colour.
    average = np.zeros((4, 4, 3, 6), np.float32)
    for color in range(3):
        average[:, :, color, 2 * color : 2 * color + 2] = np.array([1, -1]) / 16
    model.get_layer("average").set_weights([average])
    model.get_layer("cell").set_weights([np.full((4, 4, 6, 1), 1 / 16, np.float32)])
    model.get_layer("half").set_weights([np.full((2, 2, 6, 1), 1 / 4, np.float32)])
    blue_minus_red = np.array([-1, 1, 0, 0, 1, -1], np.float32)
    kernel = 8 * np.stack([np.zeros(6), blue_minus_red, -blue_minus_red], axis=1)
    for name, bias in (("fine", -6.0), ("coarse", -20.0)):  # the coarse level finds nothing
        layer = model.get_layer(f"logits_{name}")
        layer.set_weights([kernel.reshape(1, 1, 6, 3), np.array([0.0, bias, bias])])
        offsets = model.get_layer(f"offsets_{name}")
        offsets.set_weights([0.05 * weight for weight in offsets.get_weights()])


@pytest.fixture(scope="session", name="dataset")
def dataset_fixture(make_once) -> Path:
    """Do not change it: all tests share it, as they do the other files of this module."""
    counts = {"train": 30, "test": 12, "val": 12}
    return make_once("cells", lambda folder: write_dataset(folder, counts))


@pytest.fixture(scope="session", name="keras_path")
def keras_path_fixture(make_once) -> Path:
    def save(folder: Path) -> None:
        make_model().save(folder / "cells.keras")
        embed(folder / "cells.keras", SPEC)

    return make_once("cells_model", save) / "cells.keras"


@pytest.fixture(scope="session", name="frames")
def frames_fixture() -> list[np.ndarray]:
    """Calibration pictures, (64, 64, 3) uint8."""
    rng = np.random.default_rng(1)
    pictures = [draw_picture(rng, ("blue", "red"))[0] for _ in range(20)]
    return [np.asarray(Image.fromarray(p).resize((64, 64))) for p in pictures]


def make(variant: str, keras_path: Path, frames, folder: Path, spec=SPEC, **options) -> Path:
    """One variant, of those that are not made of another's file, with its spec inside."""
    source = ConversionInput(keras_path, spec, frames, folder, **options)
    path = source.target(variant)
    write_variant(variant, source, path)
    embed(path, spec, {VARIANT_MEMBER: variant})
    return path


@pytest.fixture(scope="session", name="converted")
def converted_fixture(keras_path, frames, make_once) -> dict[str, Path]:
    """variant → file with its spec, of all that a model becomes without further flags."""

    def targets(folder: Path) -> tuple[ConversionInput, dict[str, Path]]:
        source = ConversionInput(keras_path, SPEC, frames, folder)
        return source, {name: source.target(name) for name, row in VARIANTS.items() if not row.flag}

    def convert(folder: Path) -> None:
        source, paths = targets(folder)
        for variant, path in paths.items():
            write_variant(variant, source, path)
        for variant, path in paths.items():  # only now: some are made of the float32 file
            embed(path, SPEC, {VARIANT_MEMBER: variant})

    _, paths = targets(make_once("cells_converted", convert))
    return paths
