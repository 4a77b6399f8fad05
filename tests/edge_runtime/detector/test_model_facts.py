"""A file's own account of its inputs and outputs."""

from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.detector.model_facts import ModelFacts
from tests.edge_runtime.detector.tflite_files import Input, Output, TinyFile


@pytest.mark.parametrize(
    ("signature", "shape"),
    [
        ((), (1, 2, 3)),
        ((1, 2, 3), (1, 2, 3)),
        ((-1, 2, 3), (1, 2, 3)),  # interpreters open an open batch as the shape has it
        ((-1, -1, 3), (1, -1, 3)),
        ((1, 2, -1), (1, 2, -1)),
        ((-1, 2), (1, 2, 3)),  # of another tensor
    ],
)
def test_sides_that_are_left_open(signature, shape):
    output = Output("x", np.zeros((1, 2, 3), np.float32), signature=signature)
    facts = ModelFacts(TinyFile([output], [Input(shape=(1, 2, 3), signature=signature)]).content())
    assert facts.inputs[0].shape == shape
    assert facts.outputs[0].shape == shape
