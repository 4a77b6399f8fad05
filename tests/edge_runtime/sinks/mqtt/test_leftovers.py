"""Cameras that were renamed: what stays at a real broker, who removes it, and who does not."""

import json
import socket
import threading
from argparse import ArgumentParser

import pytest

from edge_runtime.__main__ import main
from edge_runtime.commands.mqtt_forget import _find
from edge_runtime.pipeline.snapshot import Snapshot
from edge_runtime.sinks.base import Context
from edge_runtime.sinks.mqtt import flags as mqtt
from edge_runtime.sinks.mqtt import forget
from edge_runtime.sinks.mqtt import sink as mqtt_sink
from edge_runtime.sinks.mqtt.inheritance import inherit
from edge_runtime.sinks.mqtt.leftovers import Leftovers, earlier_slugs
from edge_runtime.sinks.mqtt.message_store import lock_folder
from edge_runtime.sinks.mqtt.outbox import Outbox
from tests.edge_runtime.sinks.mqtt.mosquitto import Listener, Mosquitto, wait_for
from tests.edge_runtime.sinks.mqtt.test_sink import NAMES

pytest.importorskip("paho.mqtt.client", reason="no paho-mqtt here: the extra `mqtt`")

OTHERS = "homeassistant/sensor/edge_runtime_look_alike/x/config"


@pytest.fixture(autouse=True)
def impatient(monkeypatch, tmp_path):
    monkeypatch.setattr(mqtt_sink, "LEFTOVER_SECONDS", 0.1)
    monkeypatch.setattr(forget, "QUIET_SECONDS", 0.3)
    monkeypatch.setattr(forget, "PROBE_SECONDS", 0.5)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))


@pytest.fixture(name="broker")
def broker_fixture(tmp_path):
    with Mosquitto(tmp_path) as broker:
        yield broker


def camera(broker, name, *flags):
    """An open sink."""
    parser = ArgumentParser()
    mqtt.add_arguments(parser)
    args = parser.parse_args(["--mqtt", broker.url, "--mqtt-name", name, *map(str, flags)])
    sink = mqtt.create(args)
    sink.open(Context("m.tflite", NAMES, "s", snapshot=Snapshot))
    wait_for(lambda: sink.state().counters["connected"], "it is let in")
    wait_for(lambda: not sink._connection._states.untold, "all is told")
    return sink


def kept(broker):
    """Topics that the broker keeps, of any camera."""
    with Listener(broker.port, "#") as listener:
        listener.publish("end", "")
        wait_for(lambda: ("end", "", False) in listener.messages, "the broker has told all")
        return {topic for topic, payload, retained in listener.messages if retained and payload}


def test_a_service_removes_what_its_earlier_name_has_left(broker):
    camera(broker, "Küche").close()
    before = kept(broker)
    assert any("Kuche_a9ec87" in topic for topic in before)
    sink = camera(broker, "Kitchen")
    wait_for(lambda: sink.idle() or "Kuche" not in str(kept(broker)), "the old ones are gone")
    assert len(kept(broker)) == len(before)
    sink.close()


def test_a_name_that_another_camera_has_now_is_left_alone(broker, tmp_path):
    camera(broker, "door").close()
    elsewhere = camera(broker, "door", "--state-dir", tmp_path / "elsewhere")
    before = kept(broker)
    sink = camera(broker, "gate")
    wait_for(lambda: sink.idle() or sink._leftovers_due == float("inf"), "it has decided")
    wait_for(lambda: "door" in sink._leftovers.devices, "it has heard of it")
    sink.idle()
    assert before <= kept(broker)
    sink.close()
    elsewhere.close()


def test_only_a_service_knows_that_all_names_were_its_own(tmp_path, monkeypatch):
    for name in ("door", "gate", "busy"):
        lock = lock_folder(tmp_path / name)
        if name != "busy":
            lock.close()
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "lock").touch()  # nobody's slug
    (tmp_path / "other").mkdir()
    assert earlier_slugs(tmp_path, "gate") == ["door"]
    assert earlier_slugs(tmp_path / "none", "gate") == []
    lock.close()
    assert mqtt.is_services_own(None) and not mqtt.is_services_own(tmp_path)
    monkeypatch.delenv("STATE_DIRECTORY")
    assert not mqtt.is_services_own(None)


def test_forget(broker, tmp_path, capsys):
    door = camera(broker, "door", "--state-dir", tmp_path / "a")
    camera(broker, "Küche", "--state-dir", tmp_path / "b").close()
    camera(broker, "gate", "--state-dir", tmp_path / "c").close()
    with Listener(broker.port, "x") as listener:
        listener.publish(OTHERS, "{}", retain=True)

    def call(*names):
        status = main(["mqtt-forget", "--mqtt", broker.url, *names])
        return status, capsys.readouterr().out

    status, said = call()
    assert status == 0 and [line.split(", ")[1] for line in said.splitlines()] == [
        "offline",
        "online",
        "offline",
    ]
    assert "Küche: edge_runtime/Kuche_a9ec87, offline" in said
    status, said = call("door")
    assert status == 1 and said.startswith("door is online: end that run first")
    assert call("Kuche")[0] == 1
    status, said = call("Küche", "gate")
    assert status == 0 and "Küche: 12 topics are removed" in said, said
    left = kept(broker)
    assert OTHERS in left and all("door" in topic for topic in left - {OTHERS})
    assert call("gate")[0] == 1
    door.close()
    assert call("door")[0] == 0
    assert kept(broker) == {OTHERS}


def test_a_camera_that_died_with_its_broker_is_forgotten(broker, capsys):
    """The broker keeps "online", and never said the last will."""
    camera(broker, "door").close()
    with Listener(broker.port, "x") as listener:
        listener.publish("edge_runtime/door/state", "online", retain=True)
    assert main(["mqtt-forget", "--mqtt", broker.url, "door"]) == 0
    assert "door: 12 topics are removed" in capsys.readouterr().out
    assert not kept(broker)


def test_a_service_removes_its_earlier_name_though_the_broker_calls_it_online(broker):
    camera(broker, "door").close()
    with Listener(broker.port, "x") as listener:
        listener.publish("edge_runtime/door/state", "online", retain=True)
    sink = camera(broker, "gate")
    wait_for(lambda: sink._silence_due < float("inf"), "it has heard of it")
    wait_for(lambda: sink.idle() or sink._leftovers_due == float("inf"), "it has decided")
    assert "door" in str(kept(broker))  # it may be a camera elsewhere, which is about to speak
    now = sink._clock()
    sink._clock = lambda: now + mqtt_sink.SILENCE_SECONDS
    wait_for(lambda: sink.idle() or "door" not in str(kept(broker)), "the old ones are gone")
    sink.close()


def test_a_camera_that_speaks_is_there():
    found = Leftovers("", ["door"])
    found.hear("edge_runtime/door/state", "online")
    found.hear("edge_runtime/door/status", "{}")
    assert found.removable(was_silent=True) == []
    found.hear("edge_runtime/door/state", "offline")
    assert found.removable() == ["edge_runtime/door/state"]


def events_of(folder, count):
    outbox = Outbox(folder, 1_000_000)
    for number in range(count):
        outbox.append(f"edge_runtime/{folder.name}/detections", str(number))
    outbox.close()


def test_what_waits_under_an_earlier_name_is_delivered_under_it(broker, tmp_path):
    place = tmp_path / "state" / "mqtt"
    events_of(place / "door", 300)
    events_of(place / "busy", 1)
    busy = lock_folder(place / "busy")
    with Listener(broker.port, "edge_runtime/door/detections") as listener:
        sink = camera(broker, "gate")
        expected = [str(number) for number in range(300)]
        wait_for(lambda: listener.of("edge_runtime/door/detections") == expected, "all came")
        sink.close()
    busy.close()
    # The name is remembered, for the broker may keep more of it.
    assert [path.name for path in (place / "door").iterdir()] == ["lock"]
    assert (place / "busy" / "outbox.db").exists()


def test_events_stay_where_the_disk_takes_no_more(tmp_path, caplog):
    events_of(tmp_path / "door", 3)
    ours = Outbox(tmp_path / "gate", 1_000_000)
    ours._store.write = lambda *_: (_ for _ in ()).throw(OSError("disk is full"))
    inherit([tmp_path / "door", tmp_path / "never"], ours)
    ours.close()
    assert "stays there: disk is full" in caplog.text
    assert (tmp_path / "door" / "outbox.db").exists()


def test_forget_deletes_what_waits_here(broker, tmp_path, capsys):
    place = tmp_path / "state" / "mqtt" / "Kuche_a9ec87"
    events_of(place, 3)
    command = ["mqtt-forget", "--mqtt", broker.url, "Küche"]
    with lock_folder(place):
        assert main(command) == 2
    assert "is used by another process" in capsys.readouterr().err
    assert main(command) == 0
    assert "Küche: 3 events that waited here for the broker are deleted" in capsys.readouterr().out
    assert main(command) == 1


def test_forget_without_a_broker(capsys):
    assert main(["mqtt-forget", "door"]) == 2
    assert main(["mqtt-forget", "--mqtt", "mqtt://127.0.0.1:1", "door"]) == 2
    assert "127.0.0.1:1: [Errno 111] Connection refused" in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as other:
        closes = threading.Thread(target=lambda: other.accept()[0].close())
        closes.start()
        assert main(["mqtt-forget", "--mqtt", f"mqtt://127.0.0.1:{other.getsockname()[1]}"]) == 2
        closes.join()
    assert "closed before it began; does that port want TLS" in capsys.readouterr().err


def test_a_device_of_an_earlier_version_goes_by_the_name_that_it_says():
    found = Leftovers("homeassistant")
    config = json.dumps({"origin": {"name": "edge-runtime"}, "device": {"name": "Küche"}})
    assert found.hear("homeassistant/sensor/edge_runtime_Kuche/fps/config", config)
    assert _find(found, "Küche").topics and _find(found, "Kúche") is None


@pytest.mark.parametrize(
    "payload", ["", "[" * 100_000, "{", "1", "null", '{"origin": 1}', '{"origin": {"name": 1}}',
                "9" * 6000, '{"origin": "edge-runtime"}', "x" * 100_000]
)  # fmt: skip
def test_configurations_of_others(payload):
    found = Leftovers("homeassistant")
    assert not found.hear("homeassistant/sensor/edge_runtime_x/fps/config", payload)
    for topic in ("", "/", "edge_runtime", "edge_runtime//state", "homeassistant/a/b/c/config"):
        assert not found.hear(topic, payload)
