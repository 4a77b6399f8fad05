"""Cost of a frame without a clock: bytes allocated, and Python's own instructions.

Both are the same on a busy machine as on an idle one. The limits leave a quarter of room for other
versions of Python and NumPy; what breaks them is an array more of the frame's size, or a loop over
detections with calls of NumPy in it.
"""

import sys
import tracemalloc

import numpy as np
import pytest

from edge_runtime import Detector
from edge_runtime.detector.calibration_record import fingerprint
from edge_runtime.detector.postprocess import decode_outputs
from tests.conftest import ROOT

SIDE, CLASSES = 90, 10
RUNTIME = str(ROOT / "edge_runtime")


@pytest.fixture(scope="module")
def detector():
    return Detector(ROOT / "models" / "digits_int8.tflite", num_threads=1)


def peak_bytes(work):
    """Most that is allocated at once during the second of two calls, over what was before."""
    work()
    tracemalloc.start()
    try:
        kept = work()
        del kept
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def instructions(work):
    """Instructions of Python that the runtime's own functions run in a call."""
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        if not frame.f_code.co_filename.startswith(RUNTIME):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    work()
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def decoding(kept):
    """`decode_outputs` of 8100 anchors, of which so many are sure and none overlaps another."""
    random = np.random.default_rng(0)
    logits = np.full((SIDE**2, CLASSES + 1), -100, np.int8)
    logits[:, 0] = 100
    rows = random.permutation(SIDE**2)[:kept]
    logits[rows, 0], logits[rows, 1 + rows % CLASSES] = -100, 100
    y, x = np.divmod(np.arange(SIDE**2), SIDE)
    anchors = np.full((SIDE**2, 4), 0.5 / SIDE, np.float32)
    anchors[:, 0], anchors[:, 1] = (x + 0.5) / SIDE, (y + 0.5) / SIDE
    offsets = np.zeros((SIDE**2, 4), np.int8)
    arguments = (logits, offsets, anchors, (0.1, 0.2), 0.5, 0.45, 100, (0.1, 0), (0.1, 0))
    assert len(decode_outputs(*arguments)[1]) == kept
    return lambda: decode_outputs(*arguments)


def test_a_frame_of_the_networks_size_costs_its_tensor(detector):
    frame = np.zeros((*detector.input_hw, 3), np.uint8)
    assert peak_bytes(lambda: detector.preprocess(frame)) < 1.25 * frame.nbytes
    assert peak_bytes(lambda: detector.detect(frame)) < 1.25 * frame.nbytes


def test_a_larger_frame_costs_its_small_copy_and_its_tensor(detector):
    frame = np.zeros((720, 1280, 3), np.uint8)
    small = np.prod((*detector.input_hw, 3))
    assert peak_bytes(lambda: detector.preprocess(frame)) < 1.25 * 2 * small


def test_frames_leave_nothing_behind(detector):
    frame = np.random.default_rng(0).integers(0, 256, (320, 320, 3)).astype(np.uint8)
    detector.detect(frame)
    tracemalloc.start()
    try:
        detector.detect(frame)
        begin = tracemalloc.get_traced_memory()[0]
        for _ in range(20):
            detector.detect(frame)
        assert tracemalloc.get_traced_memory()[0] - begin < 10_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kept", [0, 10, 100])
def test_decoding_costs_two_arrays_of_the_logits_size_and_the_overlaps(kept):
    logits = SIDE**2 * (CLASSES + 1)
    assert peak_bytes(decoding(kept)) < 1.25 * (2 * logits + 8 * kept**2)


def test_the_instructions_of_a_decoding_do_not_grow_with_anchors_or_detections():
    few, many = instructions(decoding(10)), instructions(decoding(100))
    assert few < 1.25 * 1500
    # The greedy choice takes about 50 for each detection; a call of NumPy with what it is given
    # takes 10 to 20.
    assert (many - few) / 90 < 60


def test_the_instructions_of_a_frame(detector):
    frame = np.zeros((*detector.input_hw, 3), np.uint8)
    assert instructions(lambda: detector.detect(frame)) < 1.25 * 1400


def test_a_fingerprint_at_load_is_no_peak(detector):
    assert peak_bytes(lambda: fingerprint(detector.spec)) < 3_000_000
