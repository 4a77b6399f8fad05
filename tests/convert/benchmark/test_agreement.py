import json
from dataclasses import asdict

import numpy as np
import pytest

from convert.benchmark.agreement import (
    NONE,
    PictureMatch,
    match,
    mean_score_error,
    most_different,
    summarize,
)
from train.data.dataset import Example

LEFT, RIGHT = (0.0, 0.0, 0.4, 0.4), (0.5, 0.5, 0.9, 0.9)
WIDER = (0.0, 0.0, 0.5, 0.4)  # IoU with LEFT: 0.16 / 0.2


def found(*rows):
    """(box, score, class id) of each detection."""
    boxes, scores, class_ids = zip(*rows, strict=True) if rows else ((), (), ())
    return (
        np.asarray(boxes, np.float32).reshape(-1, 4),
        np.asarray(scores, np.float32),
        np.asarray(class_ids, np.int64),
    )


def picture(first, second, image_id="a"):
    example = Example("a.png", 10, 10, np.zeros((0, 4)), np.zeros(0), np.zeros(0), image_id)
    return PictureMatch(example, (first, second), *match(first, second, 0.5))


def test_the_same_detections_agree_wholly():
    one = found((LEFT, 0.9, 0), (RIGHT, 0.6, 1))
    got = picture(one, one)
    assert got.rows.tolist() == [[0, 0], [1, 1]]
    assert got.ious == pytest.approx(1)
    assert got.difference == pytest.approx(0)


@pytest.mark.parametrize(
    ("first", "second", "rows", "difference"),
    [
        # |0.9 - 0.7| + 1 - 0.8
        (found((LEFT, 0.9, 0)), found((WIDER, 0.7, 0)), [[0, 0]], 0.4),
        # Another class is no partner: 0.9 + 1 and 0.8 + 1.
        (found((LEFT, 0.9, 0)), found((LEFT, 0.8, 1)), [[0, NONE], [NONE, 0]], 3.7),
        # A guess below the threshold is a partner, and alone it is nothing.
        (found((LEFT, 0.51, 0)), found((LEFT, 0.49, 0), (RIGHT, 0.3, 0)), [[0, 0]], 0.02),
        (found((LEFT, 0.4, 0)), found((LEFT, 0.49, 0)), [], 0),
        # The better one chooses first and takes what overlaps most, not what scores best.
        (
            found((WIDER, 0.6, 0), (LEFT, 0.8, 0)),
            found((WIDER, 0.9, 0), (LEFT, 0.7, 0)),
            [[1, 1], [0, 0]],
            0.4,
        ),
        # Of two for one partner the worse stays alone.
        (found((LEFT, 0.9, 0), (WIDER, 0.6, 0)), found((WIDER, 0.9, 0)), [[0, 0], [1, NONE]], 1.8),
        (found(), found((LEFT, 0.5, 0)), [[NONE, 0]], 1.5),
        (found((LEFT, 0.5, 0)), found(), [[0, NONE]], 1.5),
        (found(), found(), [], 0),
    ],
)
def test_pairs(first, second, rows, difference):
    got = picture(first, second)
    assert got.rows.tolist() == rows
    assert got.difference == pytest.approx(difference, abs=1e-6)


def test_overlap_at_the_limit():
    half = (0.0, 0.0, 0.2, 0.4)  # IoU 0.5 with LEFT
    less = (0.0, 0.0, 0.19, 0.4)
    assert picture(found((LEFT, 0.9, 0)), found((half, 0.9, 0))).rows.tolist() == [[0, 0]]
    assert len(picture(found((LEFT, 0.9, 0)), found((less, 0.9, 0))).rows) == 2


def test_summary_by_hand():
    matches = [
        picture(found((LEFT, 0.9, 0), (RIGHT, 0.6, 1)), found((WIDER, 0.8, 0)), "two"),
        picture(found((LEFT, 0.4, 0)), found((LEFT, 0.7, 0)), "one"),
        picture(found(), found(), "none"),
    ]
    assert mean_score_error(matches) == pytest.approx(0.2)
    got = summarize(matches, ("float32", "int8"), 0.5)
    got = asdict(got)
    json.dumps(got, allow_nan=False)
    assert got["both"] == 1
    assert got["only"] == {"float32": 1, "int8": 1}
    assert got["alone"] == {"float32": 1, "int8": 0}  # the other int8 had a partner of 0.4
    assert got["score_difference"]["mean"] == pytest.approx((-0.1 + 0.3) / 2)
    assert got["score_difference"]["mean_abs"] == pytest.approx(0.2)
    assert got["score_difference"]["max_abs"] == pytest.approx(0.3)
    assert got["iou"]["mean"] == pytest.approx(0.9)
    assert got["iou"]["min"] == pytest.approx(0.8)
    assert [row["image_id"] for row in got["pictures"]] == ["two", "one"]
    assert got["pictures"][0]["difference"] == pytest.approx(0.1 + 0.2 + 1.6, abs=1e-3)


def test_nothing_found_at_all():
    nothing = [picture(found(), found())]
    assert mean_score_error(nothing) is None
    got = summarize(nothing, ("float32", "int8"), 0.5)
    assert (got.both, got.score_difference, got.iou, got.pictures) == (0, None, None, ())


def test_ten_pictures_the_most_different_first_ties_in_order():
    scores = [0.5, 0.9, 0.7, 0.7, *[0.6] * 10]
    matches = [picture(found((LEFT, s, 0)), found(), str(i)) for i, s in enumerate(scores)]
    got = [match.example.image_id for match in most_different(matches)]
    assert got == ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]
