import json

import numpy as np
import pytest

from edge_runtime import Detections

BOXES = np.asarray([[0, 1, 10.126, 20], [5, 5, 6, 7]])
NAMES = ("cat", "dog")


def test_rows_names_and_dicts():
    found = Detections(BOXES, [0.75, 0.5], [1, 0], NAMES)
    assert len(found) == 2 and found.names == ["dog", "cat"]
    assert found.boxes.dtype == np.float32 and found.class_ids.dtype == np.int64
    first = {"class": "dog", "class_id": 1, "score": 0.75, "box": [0.0, 1.0, 10.13, 20.0]}
    assert json.loads(json.dumps(found.to_dicts()))[0] == first


def test_nothing_is_normal():
    nothing = Detections(np.empty((0, 4)), [], [], NAMES)
    assert len(nothing) == 0 and nothing.names == [] and nothing.to_dicts() == []


FOUND = Detections(BOXES, [0.75, 0.5], [1, 0], NAMES)
NOTHING = Detections(np.empty((0, 4)), [], [], NAMES)


@pytest.mark.parametrize(("found", "count"), [(FOUND, 2), (NOTHING, 0)])
def test_shapes_and_types_that_other_tools_take(found, count):
    assert (found.boxes.shape, found.boxes.dtype) == ((count, 4), np.float32)
    assert (found.scores.shape, found.scores.dtype) == ((count,), np.float32)
    assert (found.class_ids.shape, found.class_ids.dtype) == ((count,), np.int64)
    assert all(type(part) is np.ndarray for part in (found.boxes, found.scores, found.class_ids))


@pytest.mark.filterwarnings("ignore")  # its own
@pytest.mark.parametrize(("found", "count"), [(FOUND, 2), (NOTHING, 0)])
def test_supervision_takes_them_as_they_are(found, count):
    supervision = pytest.importorskip(
        "supervision", reason="supervision is not installed: pip install supervision"
    )
    taken = supervision.Detections(
        xyxy=found.boxes, confidence=found.scores, class_id=found.class_ids
    )
    assert len(taken) == count and len(taken.with_nms(threshold=0.5)) == count
    assert len(taken[taken.confidence > 0.6]) == (1 if count else 0)


@pytest.mark.parametrize(
    ("boxes", "scores", "class_ids", "message"),
    [
        (BOXES, [0.5, 0.75], [0, 1], "scores must fall"),
        (BOXES, [1.5, 0.5], [0, 1], r"in \[0, 1\], got 0.5 to 1.5"),
        (BOXES, [np.nan, 0.5], [0, 1], r"in \[0, 1\]"),
        (BOXES, [[0.5, 0.5]], [0, 1], r"shape \(N,\), got \(1, 2\)"),
        (BOXES[:1], [0.5, 0.5], [0, 1], r"\(2, 4\).*got \(1, 4\)"),
        (BOXES, [0.5, 0.5], [0], r"class_ids \(2,\).*got \(2, 4\) and \(1,\)"),
        ([], [], [], r"np\.empty\(\(0, 4\)\)"),
        (BOXES, [0.5, 0.5], [0, 2], r"in 0 … 1, got 0 to 2"),
        (BOXES, [0.5, 0.5], [-1, 0], "got -1 to 0; background has no id"),
        (BOXES, [0.5, 0.5], [0.0, 1.0], "must be integers, got float64"),
        (BOXES[:, ::-1], [0.5, 0.5], [0, 1], "x_min <= x_max"),
        (np.full((2, 4), np.inf), [0.5, 0.5], [0, 1], "finite"),
    ],
)
def test_rows_that_do_not_fit_are_refused(boxes, scores, class_ids, message):
    with pytest.raises(ValueError, match=message):
        Detections(boxes, scores, class_ids, NAMES)
