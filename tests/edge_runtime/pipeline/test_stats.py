"""Counters and rates of a run."""

import json

import numpy as np
import pytest

from edge_runtime.detector.detections import Detections
from edge_runtime.frame import Frame, Result
from edge_runtime.pipeline.snapshot import Dropped, Latency, ModelState, SinkCounters
from edge_runtime.pipeline.stats import FPS_SECONDS, HEALTHY_SECONDS, WINDOW, Stats
from edge_runtime.system import board
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
    assert snapshot.results == snapshot.fps == 0 and not snapshot.healthy
    assert snapshot.latency_ms is None and snapshot.frame_age_s is None
    json.dumps(snapshot.to_json())


@pytest.mark.parametrize("rate", [1, 10, 200])
def test_fps_is_that_of_the_last_seconds(stats, clock, rate):
    for _ in range(20 * rate):
        clock.now += 1 / rate
        stats.add(result(clock))
    assert stats.snapshot().fps == pytest.approx(rate, rel=0.21)  # a frame more or less of five
    clock.now += FPS_SECONDS + 1
    assert stats.snapshot().fps == 0


def test_fps_of_the_first_seconds_is_of_those(stats, clock):
    for _ in range(10):
        clock.now += 0.1
        stats.add(result(clock))
    assert stats.snapshot().fps == pytest.approx(10)


def test_latency_forgets_what_is_long_ago(stats, clock):
    for latency in [9.0] * WINDOW + [0.05] * WINDOW:
        stats.add(result(clock, latency, milliseconds={"inference": 1000 * latency}))
    snapshot = stats.snapshot()
    assert snapshot.latency_ms == Latency(median=50.0, p90=50.0)
    assert snapshot.ms == {"inference": 50.0} and snapshot.results == 2 * WINDOW


def test_health_goes_with_the_frames(stats, clock):
    stats.add(result(clock))
    assert stats.snapshot().healthy
    clock.now += HEALTHY_SECONDS + 1
    snapshot = stats.snapshot()
    assert not snapshot.healthy and snapshot.frame_age_s > HEALTHY_SECONDS


def test_detections_are_counted_by_class(stats, clock):
    stats.add(result(clock, ids=(0, 1, 1)))
    stats.add(result(clock, ids=(1,)))
    assert stats.snapshot().detections == {"cat": 1, "dog": 3}


def test_the_pipelines_numbers_are_asked_for_each_time(stats):
    dropped = iter((7, 8))
    model = ModelState("m.tflite", ("cat",), 4, "litert 2")
    sinks = {"web": SinkCounters(written=9)}
    stats.attach(lambda: next(dropped), lambda: model, lambda: sinks)
    assert stats.snapshot().dropped == Dropped(source=0, pipeline=7)
    snapshot = stats.snapshot()
    assert snapshot.dropped == Dropped(source=0, pipeline=8)
    assert (snapshot.model, snapshot.sinks) == (model, sinks)


def test_names_in_json_are_those_that_others_read(stats, clock, monkeypatch):
    held_back = {"now": ["throttled"], "since_boot": ["throttled", "under-voltage"]}
    monkeypatch.setattr(board, "read_throttling", lambda: held_back)
    monkeypatch.setattr(board, "read_temperature", lambda: 61.5)
    monkeypatch.setattr(board, "read_process_memory", lambda: 90_000_000)
    model = ModelState("m.tflite", ("cat", "dog"), 4, "litert 2", 2, 1, "damaged", "opencv")
    sinks = {"mqtt": SinkCounters(5, 1, 2, "gone", {"connected": False, "waiting": 7})}
    stats.attach(lambda: 3, lambda: model, lambda: sinks)
    clock.now += 2
    stats.add(result(clock, ids=(1,)))
    assert json.loads(json.dumps(stats.snapshot().to_json())) == {
        "uptime_s": 2.0,
        "results": 1,
        "fps": 0.5,
        "latency_ms": {"median": 50.0, "p90": 50.0},
        "ms": {"inference": 20.0},
        "frame_age_s": 0.05,
        "detections": {"dog": 1},
        "state": "closed",
        "healthy": True,
        "restarts": 0,
        "dropped": {"source": 0, "pipeline": 3},
        "board": {"temperature_c": 61.5, "throttling": held_back, "memory_bytes": 90_000_000},
        "model": {
            "path": "m.tflite",
            "classes": ["cat", "dog"],
            "threads": 4,
            "runtime": "litert 2",
            "reloads": 2,
            "reload_failures": 1,
            "reload_error": "damaged",
            "resizer": "opencv",
        },
        "sinks": {
            "mqtt": {
                "written": 5,
                "dropped": 1,
                "failed": 2,
                "error": "gone",
                "connected": False,
                "waiting": 7,
            }
        },
    }
