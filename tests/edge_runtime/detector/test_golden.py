"""The shipped detector finds on this machine what it found on the one that wrote golden/.

Every processor's kernels round in their own way, so scores and boxes are compared with room for a
few steps of int8, and what scores near the threshold may be missing or new.
"""

import json

import pytest

from tests.edge_runtime.detector import golden

SCORE_STEPS = 0.03
BOX_PIXELS = 2.0


@pytest.fixture(scope="module")
def found():
    return golden.look()


def matches(one: dict, others: list[dict]) -> bool:
    return any(
        one["class"] == other["class"]
        and one["score"] == pytest.approx(other["score"], abs=SCORE_STEPS)
        and one["box"] == pytest.approx(other["box"], abs=BOX_PIXELS)
        for other in others
    )


@pytest.mark.parametrize("name", [path.name for path in sorted(golden.FOLDER.glob("*.jpg"))])
def test_same_finds_as_written_down(name, found):
    expected = json.loads(golden.RECORD.read_text(encoding="utf-8"))[name]
    sure = golden.SCORE_THRESHOLD + SCORE_STEPS
    assert sum(one["score"] >= sure for one in expected) >= 4, "a picture with little to compare"
    for here, there in ((found[name], expected), (expected, found[name])):
        missing = [one for one in here if one["score"] >= sure and not matches(one, there)]
        assert not missing
