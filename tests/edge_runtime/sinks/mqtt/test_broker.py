"""The MQTT sink against a real mosquitto: killed, restarted, refusing, encrypted."""

import json
import logging
import socket
import subprocess
import threading
import time
from argparse import ArgumentParser

import pytest

from edge_runtime.pipeline.snapshot import BoardState, Latency, Snapshot
from edge_runtime.sinks.base import Context
from edge_runtime.sinks.mqtt import connection
from edge_runtime.sinks.mqtt import flags as mqtt
from tests.conftest import HANG
from tests.edge_runtime.sinks.mqtt.certificates import Authority
from tests.edge_runtime.sinks.mqtt.mosquitto import PATIENCE, Listener, Mosquitto, wait_for
from tests.edge_runtime.sinks.mqtt.test_sink import NAMES, make_result

pytest.importorskip("paho.mqtt.client", reason="no paho-mqtt here: the extra `mqtt`")

BASE = "edge_runtime/door"
DETECTIONS = f"{BASE}/detections"
SNAPSHOT = Snapshot(fps=12.5, latency_ms=Latency(30.0, 40.0), board=BoardState(51.0))


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Attempts to reconnect follow faster than in earnest."""
    monkeypatch.setattr(connection, "FIRST_DELAY", 0.05)
    monkeypatch.setattr(connection, "LAST_DELAY", 0.2)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    wait_for(lambda: all(t.name != "mqtt" for t in threading.enumerate()), "the threads end")


@pytest.fixture
def publisher(broker, tmp_path):
    """Makes opened sinks, by flags; what is still open is closed at the end."""
    made = []

    def open_sink(*flags, url=None, classes=NAMES):
        parser = ArgumentParser()
        mqtt.add_arguments(parser)
        given = ["--mqtt", url or broker.url, "--mqtt-name", "door", "--mqtt-interval", "0"]
        given += ["--state-dir", tmp_path / "state", *flags]
        context = Context("m.tflite", classes, "s", snapshot=lambda: SNAPSHOT)
        sink = mqtt.create(parser.parse_args([*map(str, given)]))
        sink.open(context)
        made.append(sink)
        return sink

    yield open_sink
    for sink in made:
        if sink._connection._thread.is_alive():
            sink.close()


def frames(payloads):
    return [json.loads(payload)["frame"] for payload in payloads]


def in_order(numbers):
    """As they came for the first time; at least once is promised, not exactly once."""
    return list(dict.fromkeys(numbers))


def delivered(sink):
    return not sink.state().counters["waiting"]


def test_delivers(broker, publisher):
    with Listener(broker.port, "#") as listener:
        sink = publisher()
        for number in range(100):
            sink.write(make_result(number, *([1, 0] if number % 3 else [])))
        listener.wait(f"{BASE}/state", "online")
        listener.wait(f"{BASE}/camera", "online")
        listener.wait(f"{BASE}/motion", "ON")
        listener.wait(f"{BASE}/seen/person", "0")
        wait_for(lambda: delivered(sink), "all is acknowledged")
        assert sink.state().counters["connected"] and sink.state().counters["delivered"] == 100
        wait_for(lambda: len(listener.of(DETECTIONS)) == 99, "all is heard")
        messages = [json.loads(payload) for payload in listener.of(DETECTIONS)]
        assert [message["frame"] for message in messages] == list(range(1, 100))
        assert messages[0]["detections"][0]["class"] == "dog"
        assert messages[0]["width"] == 64
        (event,) = map(json.loads, listener.of(f"{BASE}/motion/event"))
        assert event == {"time": pytest.approx(1e9 + 0.1), "motion": "ON"}
        sink.close()
        assert not sink._connection._thread.is_alive()
        listener.wait(f"{BASE}/state", "offline")


def test_states_are_retained_and_discovered(broker, publisher):
    sink = publisher("--mqtt-name", "Front door", "--mqtt-interval", "1")
    sink.write(make_result(0, 0, 0))
    sink._status_due = 0
    sink.idle()
    base, node = "edge_runtime/Front_door", "edge_runtime_Front_door"

    def settled():
        return not (sink._connection._states.untold or sink._connection._states_out) and delivered(
            sink
        )

    wait_for(lambda: sink.state().counters["connected"] and settled(), "all is published")
    with Listener(broker.port, "#") as listener:
        listener.wait(f"{base}/seen/person", "2")
        wait_for(lambda: len(listener.messages) >= 12, "what is retained")
        retained = {topic: payload for topic, payload, kept in list(listener.messages) if kept}
        assert retained[f"{base}/state"] == retained[f"{base}/camera"] == "online"
        assert retained[f"{base}/motion"] == "ON"
        assert retained[f"{base}/seen/dog"] == "0"
        assert f"{base}/status" not in retained and f"{base}/detections" not in retained
        configs = {topic: text for topic, text in retained.items() if topic.endswith("/config")}
        assert f"homeassistant/binary_sensor/{node}/motion/config" in configs
        person = json.loads(configs[f"homeassistant/sensor/{node}/seen_person/config"])
        assert retained[person["state_topic"]] == "2"
        assert len(configs) == 7
        # Home Assistant starts.
        before = len(listener.messages)
        listener.publish("homeassistant/status", "online")
        wait_for(lambda: len(listener.messages) >= before + 1 + 13, "said again")
        again = {topic: text for topic, text, _ in listener.messages[before:]}
        assert again.items() >= configs.items()
        assert json.loads(again[f"{base}/status"])["temperature_c"] == 51.0


def test_another_models_leftovers_are_removed(broker, publisher):
    node = "homeassistant/sensor/edge_runtime_door"
    with Listener(broker.port, "#") as listener:
        first = publisher(classes=("person", "cat"))
        listener.wait(f"{BASE}/seen/cat", "0")
        first.close()
        publisher(classes=("person", "dog"))
        listener.wait(f"{BASE}/seen/dog", "0")
        listener.wait(f"{BASE}/seen/cat", "")
        listener.wait(f"{node}/seen_cat/config", "")
        assert listener.of(f"{node}/seen_person/config")[-1] != ""


def test_no_discovery(broker, publisher):
    with Listener(broker.port, "#") as listener:
        publisher("--mqtt-discovery", "")
        listener.wait(f"{BASE}/seen/dog", "0")
        assert all(topic.startswith(BASE) for topic, *_ in listener.messages)


def test_killed_and_restarted_under_load(broker, publisher, caplog, monkeypatch):
    """Nothing within the bound is lost, and nothing changes places."""
    gate, session = threading.Event(), connection.Connection._session

    def gated(self):  # the listener comes back first, or it would miss something
        assert gate.wait(PATIENCE)
        session(self)

    monkeypatch.setattr(connection.Connection, "_session", gated)
    gate.set()
    with Listener(broker.port, DETECTIONS) as listener:
        sink = publisher()
        written = 0

        def write_until(condition):
            nonlocal written
            deadline = time.monotonic() + PATIENCE
            while not condition():
                assert time.monotonic() < deadline
                sink.write(make_result(written, 0))
                written += 1
                time.sleep(0.002)

        for _ in range(2):
            done = sink.state().counters["delivered"] + 200
            write_until(lambda done=done: sink.state().counters["delivered"] >= done)
            gate.clear()
            broker.freeze()
            write_until(lambda: len(sink._outbox._in_flight) == connection.EVENTS_IN_FLIGHT)
            broker.kill()
            write_until(lambda: not sink.state().counters["connected"])
            sink._outbox.sync(force=True)  # some of it waits on disk, some in memory
            stop = written + 100
            write_until(lambda stop=stop: written >= stop)
            broker.start()
            listener.wait_until_ready()
            gate.set()
        write_until(lambda: sink.state().counters["connected"])
        wait_for(lambda: delivered(sink), "the broker has all of it")
        wait_for(lambda: len(set(frames(listener.of(DETECTIONS)))) == written, "all arrives")
        assert in_order(frames(listener.of(DETECTIONS))) == list(range(written))
        assert sink.state().counters["overflowed"] == 0 and sink.state().error is None
        sink._outbox.sync(force=True)
        assert sink._outbox._store.numbers_from(0) == 0  # nothing is left on disk
        assert any("connected to" in record.message for record in caplog.records)


def test_overflow_is_counted_exactly(broker, publisher):
    with Listener(broker.port, DETECTIONS, session=True):
        pass
    broker.stop()
    sink = publisher("--mqtt-buffer", "0.1")
    for number in range(1500):
        sink.write(make_result(number, 0))
        if number % 100 == 0:
            sink._outbox.sync(force=True)
    sink._outbox.sync(force=True)
    counters = sink.state().counters
    assert not counters["connected"]
    assert counters["overflowed"] > 500
    broker.start()
    with Listener(broker.port, DETECTIONS, session=True) as listener:
        wait_for(lambda: delivered(sink), "the broker has all of it")
        kept = 1501 - counters["overflowed"]  # with the one of motion, the very first
        wait_for(lambda: len(listener.of(DETECTIONS)) >= kept, "all arrives")
        assert in_order(frames(listener.of(DETECTIONS))) == list(range(1500 - kept, 1500))
        assert sink.state().counters["overflowed"] == counters["overflowed"]


def test_the_next_run_delivers_what_was_left(broker, publisher):
    with Listener(broker.port, DETECTIONS, session=True):
        pass
    broker.stop()
    for first in (0, 50):
        sink = publisher()
        for number in range(first, first + 50):
            sink.write(make_result(number, 0))
        sink.close()
    broker.start()
    with Listener(broker.port, DETECTIONS, session=True) as listener:
        sink = publisher()
        sink.write(make_result(100, 0))
        wait_for(lambda: 100 in frames(listener.of(DETECTIONS)), "all arrives")
        assert in_order(frames(listener.of(DETECTIONS))) == list(range(101))


def test_short_run_delivers_before_it_ends(broker, publisher):
    with Listener(broker.port, "#") as listener:
        sink = publisher()
        sink.write(make_result(0, 0))
        sink.close()
        assert sink.state().counters["waiting"] == 0
        wait_for(lambda: listener.of(DETECTIONS), "the detection")
        listener.wait(f"{BASE}/state", "offline")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mqtt://127.0.0.1:1", "Connection refused"),
        ("mqtt://nobody.invalid", "nobody.invalid:1883: "),  # in a resolver's own words
    ],
)
def test_nobody_there(publisher, caplog, url, said):
    sink = publisher(url=url)
    sink.write(make_result(0, 0))
    wait_for(lambda: sink.state().error, "it is said")
    assert said in sink.state().error and said in caplog.text
    sink.close()
    assert sink.state().counters["waiting"] == 2 and not sink.state().counters["connected"]


def test_somebody_who_says_nothing(publisher):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sink = publisher(url=f"mqtt://127.0.0.1:{silent.getsockname()[1]}")
        sink.write(make_result(0, 0))
        sink.close()
    assert sink.state().counters["waiting"] == 2 and not sink.state().counters["connected"]


def test_garbage_from_the_other_end(publisher, caplog):
    """Somebody else's server: the thread lives, and says it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        sink = publisher(url=f"mqtt://127.0.0.1:{server.getsockname()[1]}")
        for nonsense in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x00", b"\xff" * 50):
            connection, _ = server.accept()
            with connection:
                connection.sendall(nonsense)
        connection, _ = server.accept()  # it has come back
        connection.close()
    assert "is tried again" in caplog.text
    assert sink._connection._thread.is_alive()


def test_two_of_one_name_are_told(broker, publisher, tmp_path, caplog):
    first = publisher()
    wait_for(lambda: first.state().counters["connected"], "the first is in")
    second = publisher("--state-dir", tmp_path / "other")
    wait_for(lambda: "another --mqtt-name" in caplog.text, "it is said")
    first.close()
    wait_for(lambda: second.state().counters["connected"], "the second stays")


def test_to_be_thrown_out_twice_after_a_while_is_suspicious_too(publisher):
    """Pauses grow: the other client of our name comes back when we have been in for a minute."""
    sink = publisher()
    wait_for(lambda: sink.state().counters["connected"], "it is in")
    sink.close()
    ours = sink._connection
    ours.connected, ours._connected_at = True, time.monotonic() - 60
    assert ours._suspicion() == ""  # a broker that was restarted
    assert "another --mqtt-name" in ours._suspicion()
    ours.connected = False
    assert ours._suspicion() == ""  # it never let us in


def test_a_connection_that_breaks_off_every_few_seconds_is_taken_up_soon(publisher):
    sink = publisher()
    wait_for(lambda: sink.state().counters["connected"], "it is in")
    sink.close()
    ours = sink._connection
    for lasted, delay, soon in ((0.5, 1, False), (2, 1, True), (2, 16, False), (20, 60, True)):
        ours.connected, ours._connected_at = True, time.monotonic() - lasted
        assert ours._has_helped(delay) == soon, lasted
    ours.connected = False
    assert not ours._has_helped(1)  # it did not let us in this time


def test_the_same_trouble_after_a_moment_of_connection_is_not_said_again(publisher, caplog):
    """Weak Wi-Fi that breaks off every few seconds would fill the journal."""
    sink = publisher()
    wait_for(lambda: sink.state().counters["connected"], "it is in")
    sink.close()
    ours = sink._connection
    for _ in range(3):
        ours._say(ConnectionError("the connection was closed"))
        assert "was closed" in sink.state().error
        ours._say_connected()
        assert sink.state().error is None
    assert caplog.text.count("is tried again") == caplog.text.count("again, 0 events wait") == 1


@pytest.fixture
def guarded(tmp_path):
    (tmp_path / "guarded").mkdir()
    passwords = tmp_path / "guarded" / "passwords"
    command = ["mosquitto_passwd", "-b", "-c", str(passwords), "cam", "hunter2"]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=HANG)
    except FileNotFoundError:
        pytest.skip("no mosquitto_passwd here: sudo apt install mosquitto")
    lines = ("allow_anonymous false", f"password_file {passwords}")
    with Mosquitto(tmp_path / "guarded", lines) as broker:
        yield broker


def test_user_and_password(guarded, publisher, monkeypatch, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    file = tmp_path / "login"
    file.touch(0o600)
    file.write_text("cam:wrong")
    sink = publisher("--mqtt-password-file", file, url=guarded.url)
    sink.write(make_result(0, 0))
    wait_for(lambda: "refuses us: Not authorized" in caplog.text, "the refusal is said")
    attempts = (tmp_path / "guarded" / "mosquitto.log").read_text
    wait_for(lambda: attempts().count("not authorised") >= 3, "it is tried again")
    assert caplog.text.count("refuses us") == 1
    sink.close()
    assert sink.state().counters["waiting"] == 2
    file.write_text("cam:hunter2")
    sink = publisher("--mqtt-password-file", file, url=guarded.url)
    wait_for(lambda: delivered(sink), "what waited is delivered")
    sink.close()
    monkeypatch.setenv("EDGE_RUNTIME_MQTT_USER", "cam")
    monkeypatch.setenv("EDGE_RUNTIME_MQTT_PASSWORD", "hunter2")
    sink = publisher(url=guarded.url)
    wait_for(lambda: sink.state().counters["connected"], "it lets us in")
    assert "hunter2" not in caplog.text and "wrong" not in caplog.text


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A throw-away authority, and what it says of the broker and of the camera."""
    authority = Authority(tmp_path_factory.mktemp("certificates"), "ca")
    authority.sign("broker", "broker", "subjectAltName=IP:127.0.0.1")
    authority.sign("camera", "camera", "subjectAltName=DNS:camera")
    return authority.folder


def test_tls(certificates, publisher, tmp_path, caplog):
    folder = tmp_path / "tls"
    folder.mkdir()
    lines = (
        "allow_anonymous true",
        f"cafile {certificates}/ca.pem",
        f"certfile {certificates}/broker.pem",
        f"keyfile {certificates}/broker.key",
        "require_certificate true",
    )
    with Mosquitto(folder, lines) as broker:
        url = broker.url.replace("mqtt:", "mqtts:")
        sink = publisher(url=url)  # the system knows nothing of this authority
        wait_for(lambda: "named with --mqtt-ca" in caplog.text, "the certificate is not believed")
        sink.close()
        stranger = url.replace("127.0.0.1", "localhost")
        sink = publisher("--mqtt-ca", certificates / "ca.pem", url=stranger)
        wait_for(
            lambda: "it is not made out to localhost" in caplog.text,
            "the name is not that of the broker",
        )
        sink.close()
        sink = publisher("--mqtt-ca", certificates / "ca.pem", url=url)
        wait_for(
            lambda: "ask for a certificate of ours? --mqtt-cert" in caplog.text, "it wants ours"
        )
        sink.close()
        sink = publisher(url=broker.url)
        wait_for(lambda: "want TLS, mqtts://?" in caplog.text, "it speaks TLS only")
        sink.close()
        ours = [
            "--mqtt-cert",
            certificates / "camera.pem",
            "--mqtt-key",
            certificates / "camera.key",
        ]
        sink = publisher("--mqtt-ca", certificates / "ca.pem", *ours, url=url)
        for number in range(300):
            sink.write(make_result(number, 0))
        wait_for(lambda: delivered(sink), "all is acknowledged")
        sink.close()
