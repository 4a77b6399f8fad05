"""MediaPipe's two outputs: anchors, scales and background, by boxes worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge_runtime import Detector
from tests.edge_runtime.detector.metadata_files import Info, make_decoding, make_metadata
from tests.edge_runtime.detector.tflite_files import Input, Output, TinyFile

FRAME = np.zeros((100, 200, 3), np.uint8)
ANCHORS = [(0.5, 0.5, 0.2, 0.4), (0.25, 0.25, 0.1, 0.1), (0.5, 0.5, 0.2, 0.4)]  # cx, cy, w, h
# Raw (y, x, h, w). The first moves half its anchor's height down, a whole width to the left, and
# is twice as wide; scales of 10 and 5.
RAW = np.array(
    [[5, -10, 0, 5 * math.log(2)], [0, 0, 0, 0], [5, -10, 0, 5 * math.log(2)]], np.float32
)
FIRST_BOX = (20, 50, 100, 90)  # center (.3, .7), size (.4, .4)
SECOND_BOX = (40, 20, 60, 30)
# Background, then two classes; the third row is a duplicate of the first.
SCORES = np.array([[0.1, 0.2, 0.9], [0.9, 0.7, 0.1], [0, 0.1, 0.6]], np.float32)
LABELS = {"labels.txt": "background\nred\ngreen"}
INFOS = [Info("location", box_order=(1, 0, 3, 2)), Info("score", "labels.txt")]


def write(
    path,
    raw=RAW,
    scores=SCORES,
    decoding=None,
    infos=INFOS,
    members=LABELS,
    order=1,
    raw_scale=None,
    score_scale=None,
):
    """order: -1 for the scores first. raw_scale, score_scale: (scale, zero point)."""
    found = [Output("x", raw[None], raw_scale), Output("y", scores[None], score_scale)]
    decoding = make_decoding(ANCHORS) if decoding is None else decoding
    metadata = make_metadata([Info("image", mean=[127.5], std=[127.5])], infos[::order], decoding)
    return TinyFile(found[::order], [Input()], members, metadata).write(path)


def check(path, **arguments):
    detector = Detector(path, 1, **arguments)
    assert (detector.family.name, detector.class_names) == ("mediapipe", ("red", "green"))
    assert not detector.keeps_aspect
    seen = detector.detect(FRAME)
    assert seen.names == ["green", "red"] and seen.scores == pytest.approx([0.9, 0.7], abs=0.01)
    np.testing.assert_allclose(seen.boxes, [FIRST_BOX, SECOND_BOX], atol=0.5)


@pytest.mark.parametrize("order", [1, -1])
def test_anchors_scales_and_background(order, tmp_path):
    check(write(tmp_path / "m.tflite", order=order))


def test_quantized_outputs(tmp_path):
    raw = np.rint(RAW / 0.1 + 128).astype(np.uint8)
    scores = np.rint(SCORES * 250).astype(np.uint8)
    scales = {"raw_scale": (0.1, 128), "score_scale": (0.004, 0)}
    check(write(tmp_path / "m.tflite", raw, scores, **scales))


def test_scores_before_a_sigmoid(tmp_path):
    scores = np.log(np.clip(SCORES, 0.01, 0.99) / (1 - np.clip(SCORES, 0.01, 0.99)))
    check(
        write(tmp_path / "m.tflite", scores=scores, decoding=make_decoding(ANCHORS, sigmoid=True))
    )
    detector = Detector(tmp_path / "m.tflite", 1, score_threshold=0)
    assert len(detector.detect(FRAME)) == 2  # every anchor, and the duplicate suppressed
    detector.score_threshold = 1
    assert len(detector.detect(FRAME)) == 0


def test_sizes_that_are_no_logarithms_and_other_scales(tmp_path):
    raw = np.array([[0.5, -1, 1, 2], [0, 0, 1, 1], [0, 0, 0, 0]], np.float32)
    decoding = make_decoding(ANCHORS, (1, 1, 1, 1), exponential=False)
    check(write(tmp_path / "m.tflite", raw, decoding=decoding))


def test_without_background_every_column_is_a_class(tmp_path):
    path = write(tmp_path / "m.tflite", scores=SCORES[:, 1:], members={"labels.txt": "red\ngreen"})
    check(path)


@pytest.mark.parametrize("first", ["background", "???", "__background__", "N/A"])
def test_a_background_by_other_names(first, tmp_path):
    path = write(tmp_path / "m.tflite", members={"labels.txt": f"{first}\nred\ngreen"})
    check(path)
    assert not Detector(path, 1).unused_names


@pytest.mark.parametrize(
    "text",
    ["red\ngreen", "background\nred\ngreen", "???\nred\ngreen", "1 red\n2 green", "0 red\n1 green"],
)
def test_names_for_the_columns_after_the_background(text, tmp_path):
    labels = tmp_path / "mine.txt"
    labels.write_text(text)
    check(write(tmp_path / "m.tflite"), labels=labels)


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("red\ngreen\nblue", "got 3, the first 'red'"),
        ("background\nred", "got 1, the first 'red'"),
        ("0 background\n1 red", "got 2, the first 'background'"),
        ("???\na\nb\nc", "got 3, the first 'a'"),
    ],
)
def test_names_that_forget_the_background_are_refused(text, got, tmp_path):
    labels = tmp_path / "mine.txt"
    labels.write_text(text)
    with pytest.raises(ValueError, match=rf"mine\.txt: 2 class names expected, or .*{got}"):
        Detector(write(tmp_path / "m.tflite"), labels=labels)


def test_names_of_a_file_that_names_none_are_of_every_column(tmp_path):
    labels = tmp_path / "mine.txt"
    labels.write_text("blue\nred\ngreen")
    detector = Detector(write(tmp_path / "m.tflite", members={}), 1, labels=labels)
    assert detector.class_names == ("blue", "red", "green")


def test_four_classes_are_told_from_boxes_by_name(tmp_path):
    scores = np.concatenate([SCORES, np.zeros((3, 1), np.float32)], axis=1)
    members = {"labels.txt": "background\nred\ngreen\nblue"}
    seen = Detector(write(tmp_path / "m.tflite", scores=scores, members=members), 1).detect(FRAME)
    assert seen.names == ["green", "red"]
    path = write(tmp_path / "m.tflite", scores=scores, members=members, infos=INFOS, order=-1)
    assert Detector(path, 1).detect(FRAME).names == ["green", "red"]


def test_anchors_of_another_number_are_refused(tmp_path):
    path = write(tmp_path / "m.tflite", decoding=make_decoding(ANCHORS[:2]))
    with pytest.raises(ValueError, match=r"m\.tflite: 3 anchors expected by its outputs, found 2"):
        Detector(path)


def test_anchors_of_another_kind_are_named(tmp_path):
    path = write(tmp_path / "m.tflite", decoding=make_decoding(ANCHORS, fixed=False))
    with pytest.raises(ValueError, match="boxes and scores without the anchors that they need"):
        Detector(path)


@pytest.mark.parametrize("scales", [(0, 10, 5, 5), (10, 10, float("nan"), 5)])
def test_scales_that_divide_by_nothing_are_refused(scales, tmp_path):
    path = write(tmp_path / "m.tflite", decoding=make_decoding(ANCHORS, scales))
    with pytest.raises(ValueError, match=r"m\.tflite: .*positive scales"):
        Detector(path)


def test_boxes_and_scores_without_anchors_are_named(tmp_path):
    outputs = [Output("x", RAW[None]), Output("y", SCORES[None])]
    path = TinyFile(outputs).write(tmp_path / "m.tflite")
    with pytest.raises(ValueError, match=r"without the anchors that they need: .*x float32"):
        Detector(path)
    with pytest.raises(ValueError, match="and no anchors; export it again"):
        Detector(path, family="mediapipe")
