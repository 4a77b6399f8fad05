import json
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image

from convert.benchmark import robustness
from convert.benchmark.report import ApPair
from convert.benchmark.robustness import (
    CLEAN,
    CONDITIONS,
    NOISE_SIGMA,
    apply,
    compare_with_clean,
    measure_robustness,
)
from edge_runtime.detector.detections import Detections
from train.data.dataset import Example
from train.evaluation.coco import evaluate


@pytest.fixture(name="frame")
def frame_fixture():
    """(60, 90, 3): smooth from 20 to 160, with a sharp square."""
    ramp = np.linspace(20, 160, 90)[None, :, None].repeat(60, axis=0).repeat(3, axis=2)
    frame = ramp.astype(np.uint8)
    frame[20:40, 30:60] = (160, 30, 90)
    return frame


def contrast(frame):
    return frame.astype(float).std()


def edges(frame):
    return np.abs(np.diff(frame.astype(float), axis=1)).max()


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_condition_changes_the_picture_and_nothing_else(frame, condition):
    before = frame.copy()
    got = apply(condition, frame, "a")
    assert (got.shape, got.dtype) == (frame.shape, np.uint8)
    assert (got != frame).mean() > 0.02
    assert (frame == before).all()
    assert (apply(condition, frame, "a") == got).all()


@pytest.mark.parametrize(
    ("condition", "factor"),
    [("darkened x0.3", 0.3), ("darkened x0.5", 0.5), ("brightened x1.5", 1.5)],
)
def test_brightness(frame, condition, factor):
    got = apply(condition, frame, "a")
    assert got.mean() == pytest.approx(factor * frame.mean(), rel=0.01)
    assert apply("brightened x1.5", np.full((2, 2, 3), 200, np.uint8), "a").max() == 255


def test_low_contrast_keeps_the_mean(frame):
    got = apply("low contrast x0.4", frame, "a")
    assert got.mean() == pytest.approx(frame.mean(), abs=0.5)
    assert contrast(got) == pytest.approx(0.4 * contrast(frame), rel=0.02)


def test_blur_softens_edges_with_the_size_of_the_picture(frame):
    assert edges(apply("blurred", frame, "a")) < edges(frame)
    large = frame.repeat(10, axis=0).repeat(10, axis=1)
    assert edges(apply("blurred", large, "a")) < 0.2 * edges(large)


def test_noise_has_its_size_and_depends_on_the_picture(frame):
    gray = np.full((100, 100, 3), 128, np.uint8)
    name = f"noisy, sigma {NOISE_SIGMA}"
    got = apply(name, gray, "a").astype(float)
    assert got.std() == pytest.approx(NOISE_SIGMA, rel=0.05)
    assert got.mean() == pytest.approx(128, abs=1)
    assert (apply(name, gray, "b") != got).any()


def test_jpeg_loses_color_detail(frame):
    (name,) = (name for name in CONDITIONS if name.startswith("JPEG"))
    change = np.abs(apply(name, frame, "a").astype(int) - frame)
    assert 1 < change.mean() < 20


def row(first, second):
    return {"float32": ApPair(first, first), "int8": ApPair(second, second)}


def test_rows_compare_with_the_clean_difference():
    got = compare_with_clean(
        {
            CLEAN: row(0.90, 0.89),
            "at the limit": row(0.50, 0.485),
            "beyond": row(0.50, 0.484),
            "better": row(0.30, 0.31),
            "blank": row(None, None),
        }
    )
    json.dumps([asdict(line) for line in got], allow_nan=False)
    assert [line.condition for line in got] == [
        *(CLEAN, "at the limit", "beyond", "better", "blank")
    ]
    assert [line.passes for line in got] == [True, True, False, True, None]
    assert got[0].against_clean == ApPair(0, 0)
    assert got[2].difference.ap50 == pytest.approx(-0.016)
    assert got[2].against_clean.ap50 == pytest.approx(-0.006)
    assert got[3].against_clean.ap == pytest.approx(0.02)
    assert got[4].difference == ApPair(None, None)
    assert got[1].models == row(0.50, 0.485)


class BlindInTheDark:
    """Finds the one object of a grey picture while it is brighter than that."""

    def __init__(self, darkest):
        self.darkest = darkest

    def detect(self, frame):
        seen = [0][: int(frame.mean() > self.darkest)]
        boxes = np.asarray([(0, 0, 20, 10)] * len(seen), np.float32).reshape(-1, 4)
        return Detections(boxes, np.ones(len(seen)), np.asarray(seen, int), ("object",))


def test_what_clips_dark_pictures_fails_there_alone(tmp_path, monkeypatch):
    examples = []
    for number in range(3):
        path = tmp_path / f"{number}.png"
        Image.fromarray(np.full((20, 40, 3), 120, np.uint8)).save(path)
        box = np.array([[0, 0, 0.5, 0.5]], np.float32)
        examples.append(Example(path, 40, 20, box, np.zeros(1, int), np.zeros(1, bool), path.stem))
    reads = []
    monkeypatch.setattr(
        robustness, "read_image", lambda path: (reads.append(path), np.asarray(Image.open(path)))[1]
    )
    everything = [(example.boxes, np.ones(1), np.zeros(1, int)) for example in examples]
    perfect = evaluate(examples, everything, ["object"])
    detectors = {"float32": BlindInTheDark(0), "int8": BlindInTheDark(50)}
    clean = dict.fromkeys(detectors, perfect)
    rows = measure_robustness(detectors, examples, ["object"], clean)
    assert [row.condition for row in rows] == [CLEAN, *CONDITIONS]
    assert [row.condition for row in rows if not row.passes] == ["darkened x0.3"]
    assert rows[1].models == {"float32": ApPair(1, 1), "int8": ApPair(0, 0)}
    assert len(reads) == len(examples)  # once for all conditions and models
