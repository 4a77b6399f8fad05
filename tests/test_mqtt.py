"""What the MQTT sink says, and to whom: flags, topics, payloads, times. No network."""

import json
import os
import re
import subprocess
from argparse import ArgumentParser

import numpy as np
import pytest

from edge_runtime.detections import Detections
from edge_runtime.frame import Frame, Result
from edge_runtime.mqtt import reporter
from edge_runtime.mqtt.broker import Broker, make_tls, parse_broker, read_login
from edge_runtime.mqtt.home_assistant import discovery
from edge_runtime.mqtt.reporter import Mqtt, summary
from edge_runtime.mqtt.topics import Topics, class_slugs, slug
from edge_runtime.sinks import mqtt
from edge_runtime.sinks.runner import SinkRunner
from edge_runtime.sinks.sink import Context

NAMES = ("person", "dog")


def make_result(number, *class_ids, names=NAMES):
    """Frame `number`, a tenth of a second after the one before."""
    count = len(class_ids)
    boxes = np.tile(np.float32([1, 2, 30, 40]), (count, 1))
    frame = Frame((48, 64), 0.1 * number, 1e9 + 0.1 * number, number, np.zeros((48, 64, 3), "u1"))
    return Result(frame, Detections(boxes, np.full(count, 0.9), np.array(class_ids, int), names))


def parse(*flags):
    parser = ArgumentParser()
    mqtt.add_arguments(parser)
    return parser.parse_args([*map(str, flags)])


@pytest.mark.parametrize(
    ("text", "broker"),
    [
        ("mqtt://host", Broker("host", 1883, False)),
        ("mqtts://host", Broker("host", 8883, True)),
        ("mqtt://10.0.0.1:9/", Broker("10.0.0.1", 9, False)),
        ("mqtts://[::1]:9", Broker("::1", 9, True)),
    ],
)
def test_address(text, broker):
    assert parse_broker(text) == broker


@pytest.mark.parametrize(
    "text",
    [
        *("host", "host:1883", "http://host", "mqtt://", "mqtt://host:0", "mqtt://host:99999"),
        *("mqtt://host:x", "mqtt://host/topic", "mqtt://host?a", f"mqtt://{'a' * 64}.de"),
    ],
)
def test_address_refused(text):
    with pytest.raises(ValueError, match="expected, "):
        parse_broker(text)


@pytest.mark.parametrize("text", ["mqtt://user:hunter2@host", "mqtt://hunter2@host:x"])
def test_password_in_the_address_is_refused_and_not_repeated(text):
    with pytest.raises(ValueError, match="--mqtt-password-file") as refusal:
        mqtt.create(parse("--mqtt", text), Context("m", NAMES, "s"))
    assert "hunter2" not in str(refusal.value)


def test_login_from_the_environment():
    assert read_login(None, {}).user is None
    login = read_login(
        None, {"EDGE_RUNTIME_MQTT_USER": "cam", "EDGE_RUNTIME_MQTT_PASSWORD": "hunter2"}
    )
    assert (login.user, login.password) == ("cam", "hunter2")
    assert "hunter2" not in repr(login)
    with pytest.raises(ValueError, match="EDGE_RUNTIME_MQTT_USER"):
        read_login(None, {"EDGE_RUNTIME_MQTT_PASSWORD": "hunter2"})


def test_login_from_a_file(tmp_path):
    file = tmp_path / "login"
    file.write_text("cam:hunter2:with colon\n")
    file.chmod(0o640)
    login = read_login(file, {"EDGE_RUNTIME_MQTT_USER": "other"})
    assert (login.user, login.password) == ("cam", "hunter2:with colon")
    file.chmod(0o644)
    with pytest.raises(ValueError, match="chmod 600"):
        read_login(file)
    file.chmod(0o600)
    for text in ("", "hunter2", ":hunter2", "cam:hunter2\nand more"):
        file.write_text(text)
        with pytest.raises(ValueError, match="user:password expected") as refusal:
            read_login(file)
        assert "hunter2" not in str(refusal.value)


def test_certificates_that_do_not_fit(tmp_path):
    file = tmp_path / "file.pem"
    file.write_text("no certificate")
    plain, tls = Broker("host", 1883, False), Broker("host", 8883, True)
    assert make_tls(plain) is None
    assert make_tls(tls).check_hostname
    with pytest.raises(ValueError, match="mqtts://"):
        make_tls(plain, ca=file)
    with pytest.raises(ValueError, match=re.escape(str(file))):
        make_tls(tls, ca=file)
    with pytest.raises(ValueError, match=re.escape(str(file))):
        make_tls(tls, certificate=file)
    with pytest.raises(ValueError, match="--mqtt-cert"):
        make_tls(tls, key=file)
    with pytest.raises(FileNotFoundError, match=r"none\.pem"):
        make_tls(tls, ca=tmp_path / "none.pem")


def test_a_key_with_a_pass_phrase_is_refused_and_asks_nobody(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-passout", "pass:x", "-subj", "/CN=camera", "-keyout", key, "-out", certificate]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("no openssl here, which makes the certificates: apt install openssl")
    with pytest.raises(ValueError, match="pass phrase"):
        make_tls(Broker("host", 8883, True), certificate=certificate, key=key)


def test_flags_that_do_not_fit(capsys):
    assert mqtt.create(parse(), Context("m", NAMES, "s")) is None
    for flags in (["--mqtt-buffer", "0"], ["--mqtt-interval", "-1"], ["--mqtt-interval", "nan"]):
        with pytest.raises(SystemExit):
            parse(*flags)
        assert "expected, got" in capsys.readouterr().err
    with pytest.raises(ValueError, match="--mqtt-discovery"):
        mqtt.create(
            parse("--mqtt", "mqtt://host", "--mqtt-discovery", "ha/#"), Context("m", NAMES, "s")
        )


def test_state_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}:/elsewhere")  # systemd's list
    assert mqtt.state_folder() == tmp_path
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    if os.name == "posix":
        assert mqtt.state_folder() == tmp_path / ".local" / "state" / "edge-runtime"


def test_names_fit_for_topics():
    assert slug("Front door/#+ 1") == "Front_door_1"
    assert slug("Küche") == "Kuche"
    assert re.fullmatch("[a-z0-9_]+", slug("дверь"))
    assert slug("дверь") != slug("зверь")
    names = ("a b", "a_b", "a-b", "a/b", "person")
    slugs = class_slugs(names)
    assert tuple(slugs) == names
    assert len(set(slugs.values())) == len(names)
    assert slugs["person"] == "person" and slugs["a b"] == "a_b" and slugs["a-b"] == "a-b"


def test_discovery_is_what_home_assistant_documents():
    topics = Topics("Front door")
    seen = {"person": "edge_runtime/Front_door/seen/person"}
    configs = discovery("homeassistant", "Front door", topics, seen, "m.tflite")
    allowed = r"homeassistant/(sensor|binary_sensor)/[a-zA-Z0-9_-]+/[a-zA-Z0-9_-]+/config"
    assert all(re.fullmatch(allowed, topic) for topic in configs)
    entities = {topic.split("/")[3]: json.loads(text) for topic, text in configs.items()}
    assert set(entities) == {"motion", "seen_person", "camera", "fps", "latency", "temperature"}
    assert len({entity["unique_id"] for entity in entities.values()}) == len(entities)
    for entity in entities.values():
        assert entity["device"]["identifiers"] == ["edge_runtime_Front_door"]
        assert entity["device"]["name"] == "Front door"
        assert entity["origin"]["name"]
        assert entity["state_topic"].startswith("edge_runtime/Front_door/")
        assert ("availability" in entity) != ("availability_topic" in entity)
    person = entities["seen_person"]
    assert (person["name"], person["state_class"]) == ("person", "measurement")
    assert person["state_topic"] == seen["person"]
    assert {one["topic"] for one in person["availability"]} == {topics.state, topics.camera}
    assert entities["motion"]["device_class"] == "motion"
    status = summary({"fps": 9.5, "latency_ms": {"median": 80.0}, "board": {"temperature_c": 50}})
    for short in ("fps", "latency", "temperature"):
        entity = entities[short]
        assert entity["entity_category"] == "diagnostic" and entity["expire_after"] > 60
        key = re.fullmatch(r"{{ value_json\.(\w+) }}", entity["value_template"])[1]
        assert status[key] is not None


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
        self.snapshot = {"fps": 10.0, "model": {"classes": list(NAMES)}}
        context = Context("folder/m.tflite", NAMES, "s", snapshot=lambda: self.snapshot)
        options = None  # the link's
        self.sink = Mqtt(options, "door", folder, 10**6, context, interval, clock=lambda: self.now)
        self.sink.open()
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
        run.snapshot["uptime_s"] = number / 10
        run.look(number)
    said = [json.loads(text) for text in run.told("status")]
    assert [status["uptime_s"] for status in said] == [5, 35, 65]
    assert said[0]["fps"] == 10.0 and said[0]["temperature_c"] is None


def test_another_model_has_other_topics(run):
    run.look(0, 0)
    run.snapshot["model"]["classes"] = ["dog", "cat"]
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


def test_its_counters_stand_among_the_runners(run):
    run.look(0, 0)
    run.link.error = "host:1883: Connection refused"
    counters = SinkRunner(run.sink, True, print).counters()
    assert counters == {
        **{"written": 0, "dropped": 0, "failed": 0, "error": "host:1883: Connection refused"},
        **{"connected": False, "waiting": 2, "delivered": 0, "overflowed": 0},
    }
