"""What the MQTT sink tells, and when. No network."""

import json
from dataclasses import replace

import numpy as np
import pytest

from edge_runtime.detector.detections import Detections
from edge_runtime.frame import Frame, Result
from edge_runtime.pipeline.snapshot import ModelState, Snapshot
from edge_runtime.sinks.base import Context, SinkState
from edge_runtime.sinks.mqtt import sink as reporter
from edge_runtime.sinks.mqtt.sink import Mqtt

NAMES = ("person", "dog")
MODEL = ModelState("folder/m.tflite", NAMES, threads=1, runtime="litert 2")


def make_result(number, *class_ids, names=NAMES):
    """Frame `number`, a tenth of a second after the one before."""
    count = len(class_ids)
    boxes = np.tile(np.float32([1, 2, 30, 40]), (count, 1))
    frame = Frame((48, 64), 0.1 * number, 1e9 + 0.1 * number, number, np.zeros((48, 64, 3), "u1"))
    return Result(frame, Detections(boxes, np.full(count, 0.9), np.array(class_ids, int), names))


class FakeLink:
    """Notes what it is told."""

    def __init__(self, options, outbox, on_message):
        self.connected = False
        self.error = None
        self.states = {}
        self.told = []
        self.repeated = 0

    def start(self):
        pass

    def wake(self):
        pass

    def close(self, seconds):
        pass

    def set(self, topic, payload, retain=True):
        if self.states.get(topic) != payload:
            self.told.append((topic.removeprefix("edge_runtime/door/"), payload))
        self.states[topic] = payload

    def knows(self, topic):
        return topic in self.states

    def repeat(self):
        self.repeated += 1


class Run:
    """A sink with a clock, an outbox and no network."""

    def __init__(self, folder, interval=1.0):
        self.now = 100.0
        self.snapshot = Snapshot(fps=10.0, model=MODEL)
        context = Context("folder/m.tflite", NAMES, "s", snapshot=lambda: self.snapshot)
        options = None  # the link's
        self.sink = Mqtt(options, "door", folder, 10**6, interval, clock=lambda: self.now)
        self.sink.open(context)
        self.link = self.sink._link
        self.link.told.clear()

    def look(self, number, *class_ids, names=NAMES):
        """A frame at a tenth of a second after the one before."""
        self.now = 100 + 0.1 * number
        self.sink.write(make_result(number, *class_ids, names=names))

    def events(self):
        """Frames of detections and words of motion that came since the last call."""
        found = []
        while message := self.sink._outbox.take():
            self.sink._outbox.acknowledge(message.number)
            event = json.loads(message.payload)
            found.append(event["frame"] if "frame" in event else event["motion"])
        return found

    def told(self, topic):
        return [payload for name, payload in self.link.told if name == topic]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(reporter, "Link", FakeLink)
    run = Run(tmp_path / "one")
    yield run
    run.sink.close()


def test_changes_at_once_the_same_once_a_second(run):
    for number in range(35):
        run.look(number, *([0] if number >= 3 else []))
    assert run.events() == ["ON", 3, 13, 23, 33]
    run.look(36, 0, 0)
    run.look(40)
    for number in range(41, 60):
        run.look(number)
    assert run.events() == [36, 40]  # the last object has gone: once
    assert run.told("seen/person") == ["1", "2", "0"]
    assert run.told("seen/dog") == []


def test_flicker_is_told_five_times_a_second(run):
    for number in range(100):
        run.now = 100 + 0.03 * number
        run.sink.write(make_result(number, *([1] if number % 2 else [])))
    events = run.events()
    assert events[0] == "ON" and 10 <= len(events) <= 17


def test_a_change_that_came_too_soon_is_told_when_no_frame_follows(run):
    run.look(0, 0)
    run.look(1)
    assert run.events() == ["ON", 0]
    run.now += 1
    run.sink.idle()
    assert run.events() == [1]
    assert run.told("seen/person") == ["1", "0"]


def test_a_change_that_was_none_is_not_told(run):
    run.look(0, 0)
    run.look(1)
    run.look(2, 0)
    run.now += 1
    run.sink.idle()
    assert run.events() == ["ON", 0]


def test_every_frame_with_interval_0(tmp_path, monkeypatch):
    monkeypatch.setattr(reporter, "Link", FakeLink)
    run = Run(tmp_path, interval=0.0)
    for number in range(6):
        run.look(number, *([0] if number < 4 else []))
    assert run.events() == ["ON", 0, 1, 2, 3, 4]
    run.sink.close()


def test_motion_ends_some_seconds_after_the_last_object(run):
    run.look(0, 1)
    run.look(1)
    for number in range(10, 80, 10):
        run.look(number, *([0] if number == 20 else []))
        assert run.told("motion")[-1] == ("ON" if number < 70 else "OFF")
    assert run.told("motion") == ["ON", "OFF"]
    assert [event for event in run.events() if event in ("ON", "OFF")] == ["ON", "OFF"]


def test_a_blind_camera_is_said(run):
    run.look(0, 0)
    for _ in range(20):
        run.now += 1
        run.sink.idle()
    assert run.told("camera") == ["online", "offline"]
    assert run.told("motion") == ["ON", "OFF"]


def test_status_every_half_minute(run):
    for number in range(0, 700, 10):
        run.snapshot = replace(run.snapshot, uptime_s=number / 10)
        run.look(number)
    said = [json.loads(text) for text in run.told("status")]
    assert [status["uptime_s"] for status in said] == [5, 35, 65]
    assert said[0]["fps"] == 10.0 and said[0]["temperature_c"] is None


def test_another_model_has_other_topics(run):
    run.look(0, 0)
    run.snapshot = replace(run.snapshot, model=replace(MODEL, classes=("dog", "cat")))
    run.link.told.clear()
    run.look(10, 1, names=("dog", "cat"))
    node = "homeassistant/sensor/edge_runtime_door"
    told = dict(run.link.told)
    assert told["seen/person"] == "" and told[f"{node}/seen_person/config"] == ""
    assert told["seen/cat"] == "1"
    assert json.loads(told[f"{node}/seen_cat/config"])["name"] == "cat"
    assert not any("dog" in topic and payload == "" for topic, payload in told.items())


def test_home_assistants_start_and_leftovers_of_earlier_runs(run):
    run.sink._heard("homeassistant/status", "offline")
    assert run.link.repeated == 0
    run.sink._heard("homeassistant/status", "online")
    assert run.link.repeated == 1
    old = "homeassistant/sensor/edge_runtime_door/seen_cat/config"
    known = old.replace("cat", "dog")
    before = run.link.states[known]
    run.sink._heard(known, before)
    run.sink._heard(old, "{}")
    assert run.link.states[known] == before
    assert run.link.states[old] == ""


def test_overflow_is_said_once_a_minute(run, caplog):
    run.look(0, 0)
    for number in range(1, 100):
        run.sink._outbox.overflowed += 7
        run.look(number)
    assert [record.message for record in caplog.records] == [
        "mqtt: 7 events are lost so far: the buffer of 1 MB is full"
    ]
    run.look(700)
    assert "693 events" in caplog.records[-1].message


def test_its_own_counters_and_what_ails_it(run):
    run.look(0, 0)
    run.link.error = "host:1883: Connection refused"
    assert run.sink.state() == SinkState(
        error="host:1883: Connection refused",
        counters={"connected": False, "waiting": 2, "delivered": 0, "overflowed": 0},
    )
