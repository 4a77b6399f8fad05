"""A tiny detector to be explained, whole, and its int8 file."""

import math
from dataclasses import replace

import keras
import numpy as np
import pytest

from convert.pipeline import ConversionInput, write_variant
from edge_runtime.detector.spec import AnchorLevel, embed
from tests.convert.fixtures import SPEC, dataset_fixture, frames_fixture, make_model  # noqa: F401

# Its fine anchors are smaller than the cells, so that boxes need offsets that int8 can spoil.
SMALL = replace(SPEC, levels=(AnchorLevel(16, (0.2,), (1.0,)), AnchorLevel(32, (0.5,), (1.0,))))
GROWTH = math.log(0.25 / 0.2) / SMALL.variances[1]


@pytest.fixture(scope="module", name="model")
def model_fixture():
    """Finds every cell, with anchors of SMALL."""
    return build()


def build():
    keras.utils.clear_session()  # Keras numbers layers without a name: let the names be known
    model = make_model()
    layer = model.get_layer("offsets_fine")
    kernel, _ = layer.get_weights()
    kernel[..., 2:] = 0
    layer.set_weights([kernel, np.array([0, 0, GROWTH, GROWTH])])
    return model


def save(model, path):
    model.save(path)
    embed(path, SMALL)
    return path


@pytest.fixture(scope="module", name="model_path")
def model_path_fixture(model, tmp_path_factory):
    return save(model, tmp_path_factory.mktemp("model") / "cells.keras")


@pytest.fixture(scope="module", name="source")
def source_fixture(model_path, frames, tmp_path_factory):
    """The tiny detector with its int8 file, as `python -m convert` makes it."""
    source = ConversionInput(model_path, SMALL, frames, tmp_path_factory.mktemp("int8"))
    write_variant("int8", source, source.target("int8"))
    embed(source.target("int8"), SMALL)
    return source
