"""What a run counts."""

import json

import numpy as np
import pytest

from edge_runtime.detector.detections import Detections
from edge_runtime.frame import Frame, Result
from edge_runtime.pipeline.stats import FPS_SECONDS, HEALTHY_SECONDS, WINDOW, Stats
from tests.edge_runtime.runs import BLACK, Clock, ScriptedSource


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def stats(clock):
    return Stats(ScriptedSource([], live=True), clock)


def result(clock, latency=0.05, ids=(), milliseconds=None):
    boxes = np.zeros((len(ids), 4), np.float32)
    found = Detections(boxes, np.full(len(ids), 0.5), np.array(ids, int), ("cat", "dog"))
    frame = Frame((4, 4), clock.now - latency, 0.0, 0, BLACK)
    return Result(frame, found, milliseconds or {"inference": 20.0}, latency)


def test_before_the_first_frame_nothing_is_made_up(stats):
    snapshot = stats.snapshot()
    assert snapshot["results"] == snapshot["fps"] == 0 and not snapshot["healthy"]
    assert snapshot["latency_ms"] is None and snapshot["frame_age_s"] is None
    json.dumps(snapshot)


@pytest.mark.parametrize("rate", [1, 10, 200])
def test_fps_is_that_of_the_last_seconds(stats, clock, rate):
    for _ in range(20 * rate):
        clock.now += 1 / rate
        stats.add(result(clock))
    assert stats.snapshot()["fps"] == pytest.approx(rate, rel=0.21)  # a frame more or less of five
    clock.now += FPS_SECONDS + 1
    assert stats.snapshot()["fps"] == 0


def test_fps_of_the_first_seconds_is_of_those(stats, clock):
    for _ in range(10):
        clock.now += 0.1
        stats.add(result(clock))
    assert stats.snapshot()["fps"] == pytest.approx(10)


def test_latency_forgets_what_is_long_ago(stats, clock):
    for latency in [9.0] * WINDOW + [0.05] * WINDOW:
        stats.add(result(clock, latency, milliseconds={"inference": 1000 * latency}))
    snapshot = stats.snapshot()
    assert snapshot["latency_ms"] == {"median": 50.0, "p90": 50.0}
    assert snapshot["ms"] == {"inference": 50.0} and snapshot["results"] == 2 * WINDOW


def test_health_goes_with_the_frames(stats, clock):
    stats.add(result(clock))
    assert stats.snapshot()["healthy"]
    clock.now += HEALTHY_SECONDS + 1
    snapshot = stats.snapshot()
    assert not snapshot["healthy"] and snapshot["frame_age_s"] > HEALTHY_SECONDS


def test_detections_are_counted_by_class(stats, clock):
    stats.add(result(clock, ids=(0, 1, 1)))
    stats.add(result(clock, ids=(1,)))
    assert stats.snapshot()["detections"] == {"cat": 1, "dog": 3}


def test_parts_add_to_what_is_there(stats):
    stats.parts["dropped"] = lambda: {"pipeline": 7}
    assert stats.snapshot()["dropped"] == {"source": 0, "pipeline": 7}
