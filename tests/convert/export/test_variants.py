"""Every variant of `python -m convert`, exported: it finds what the variant itself finds."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from convert.export.exporter import export
from convert.export.forms import POSTPROCESS
from convert.export.source import open_source
from convert.variants import VARIANTS
from edge_runtime import Detector
from tests.convert.fixtures import (  # noqa: F401
    converted_fixture,
    draw_picture,
    frames_fixture,
    keras_path_fixture,
)

pytestmark = pytest.mark.slow

MADE = [name for name, row in VARIANTS.items() if not row.flag]


@pytest.mark.parametrize("variant", [name for name in MADE if name != "int16x8"])
def test_a_variant_exported(converted, frames, tmp_path, variant):
    path = converted[variant]
    exported, labels = export(open_source(path), [POSTPROCESS], tmp_path)
    assert labels.read_text() == "0 blue\n1 red\n"
    detector = Detector(path, num_threads=1)
    interpreter = Interpreter(str(exported), num_threads=1)
    interpreter.allocate_tensors()
    (entry,) = interpreter.get_input_details()
    seen = 0
    for frame in frames[:5]:
        ours = detector.detect(frame)
        interpreter.set_tensor(entry["index"], frame[None])
        interpreter.invoke()
        boxes, class_ids, scores, _ = (
            interpreter.get_tensor(detail["index"])[0]
            for detail in interpreter.get_output_details()
        )
        count = len(ours)
        seen += count
        assert (scores[:count] >= 0.5).all() and (scores[count:] < 0.5).all()
        # Rows of equal scores may stand in another order.
        mine = sorted(zip(ours.class_ids, map(tuple, ours.boxes.round(0)), strict=True))
        clipped = np.clip(boxes[:count, [1, 0, 3, 2]], 0, 1) * 64
        theirs = sorted(zip(class_ids[:count], map(tuple, clipped.round(0)), strict=True))
        for (our_class, our_box), (their_class, their_box) in zip(mine, theirs, strict=True):
            assert our_class == their_class
            np.testing.assert_allclose(our_box, their_box, atol=1)
    assert seen > 5


def test_int16_is_refused_by_its_type(converted):
    with pytest.raises(ValueError, match="input of type INT8 or FLOAT32 expected, found INT16"):
        open_source(converted["int16x8"])
