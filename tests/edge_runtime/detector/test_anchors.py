import numpy as np

from edge_runtime.detector.anchors import make_anchors
from edge_runtime.detector.spec import AnchorLevel, DetectorSpec
from tests import reference


def test_two_by_two_map_by_hand():
    # Input 32 wide, 32 high; cells of 16. Size 0.5 is 16 pixels; ratio 4 makes it 32 wide, 8 high.
    spec = DetectorSpec((32, 32), ("thing",), (AnchorLevel(16, (0.5, 0.5), (1.0, 4.0)),))
    expected = [
        [0.25, 0.25, 0.5, 0.5],
        [0.25, 0.25, 1.0, 0.25],
        [0.75, 0.25, 0.5, 0.5],  # columns before rows
        [0.75, 0.25, 1.0, 0.25],
        [0.25, 0.75, 0.5, 0.5],
        [0.25, 0.75, 1.0, 0.25],
        [0.75, 0.75, 0.5, 0.5],
        [0.75, 0.75, 1.0, 0.25],
    ]
    anchors = make_anchors(spec)
    assert anchors.dtype == np.float32
    np.testing.assert_array_equal(anchors, np.asarray(expected, np.float32))


def test_non_square_input_by_hand():
    # 32 high, 64 wide: sizes refer to the 32, so a square anchor of 16 pixels is 0.25 × 0.5.
    spec = DetectorSpec((32, 64), ("thing",), (AnchorLevel(32, (0.5,), (1.0,)),))
    np.testing.assert_array_equal(
        make_anchors(spec),
        np.asarray([[0.25, 0.5, 0.25, 0.5], [0.75, 0.5, 0.25, 0.5]], np.float32),
    )


def test_against_loops():
    levels = (
        AnchorLevel(8, (0.1, 0.15, 0.1), (1.0, 1.0, 3.0)),
        AnchorLevel(32, (0.4,), (0.5,)),
        AnchorLevel(64, (0.9, 0.8), (1.0, 2.0)),
    )
    spec = DetectorSpec((75, 140), ("a", "b"), levels)  # no side is a multiple of a stride
    np.testing.assert_allclose(make_anchors(spec), reference.anchors(spec), rtol=1e-6)
