"""The MQTT sink's flags, broker, login, topics and discovery. No network."""

import json
import os
import re
import subprocess
from argparse import ArgumentParser

import pytest

from edge_runtime.pipeline.snapshot import BoardState, Latency, Snapshot
from edge_runtime.sinks.mqtt import flags as mqtt
from edge_runtime.sinks.mqtt.broker import Broker, make_tls, parse_broker, read_login
from edge_runtime.sinks.mqtt.home_assistant import (
    Topics,
    class_slugs,
    device_slug,
    discovery,
    slug,
)
from edge_runtime.sinks.mqtt.sink import summary
from tests.conftest import HANG


def parse(*flags):
    parser = ArgumentParser()
    mqtt.add_arguments(parser)
    return parser.parse_args([*map(str, flags)])


@pytest.mark.parametrize(
    ("text", "broker"),
    [
        ("mqtt://host", Broker("host", 1883, False)),
        ("mqtts://host", Broker("host", 8883, True)),
        (" MQTT://host\r\n", Broker("host", 1883, False)),
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


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("mqtt://user:hunter2@host", "--mqtt-password-file"),
        ("mqtt://hunter2@host:x", "--mqtt-password-file"),
        ("mqtt://host?password=hunter2", "expected, or mqtts:// for TLS, got 'mqtt://host'"),
        ("mqtt://user:hunter2%40host", r"mqtt://HOST\[:PORT\] expected"),
        ("host/?u=a&p=hunter2", "got '…'"),
    ],
)
def test_password_in_the_address_is_refused_and_not_repeated(text, cure):
    with pytest.raises(ValueError, match=cure) as refusal:
        mqtt.create(parse("--mqtt", text))
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
        subprocess.run(command, check=True, capture_output=True, timeout=HANG)
    except FileNotFoundError:
        pytest.skip("no openssl here, which makes the certificates: apt install openssl")
    with pytest.raises(ValueError, match="pass phrase"):
        make_tls(Broker("host", 8883, True), certificate=certificate, key=key)


def test_flags_that_do_not_fit(capsys):
    assert not mqtt.FLAGS.is_asked_for(parse())
    for flags in (["--mqtt-buffer", "0"], ["--mqtt-interval", "-1"], ["--mqtt-interval", "nan"]):
        with pytest.raises(SystemExit):
            parse(*flags)
        assert "expected, got" in capsys.readouterr().err
    with pytest.raises(ValueError, match="--mqtt-discovery"):
        mqtt.create(parse("--mqtt", "mqtt://host", "--mqtt-discovery", "ha/#"))


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


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("door", "door"),
        ("pi-4", "pi-4"),
        ("Front_door", "Front_door"),
        ("Front door", "Front_door"),  # as it always was
        (" door ", "door"),
        ("Kuche", "Kuche"),
        ("Küche", "Kuche_a9ec87"),
        ("Ku\u0308che", "Kuche_a9ec87"),  # as a Mac writes it
        ("дверь", "u434_432_435_440_44c"),
    ],
)
def test_names_of_devices(name, expected):
    assert device_slug(name) == expected
    assert device_slug(expected) == expected
    assert Topics(name).node == f"edge_runtime_{expected}"


def test_no_two_names_are_one_device():
    names = ["Küche", "Kuche", "Kúche", "Kuche!", "a/b", "a_b", "a+b", "a  b", "1", "дверь 1",
             "зверь 1", "дверь", "зверь", "Tür", "Tur", "tur", "!!", "??", "_a", "a",
             "x" * 300, "x" * 301, "я" * 300]  # fmt: skip
    slugs = {device_slug(name) for name in names}
    assert len(slugs) == len(names)
    assert max(map(len, slugs)) <= 100 and slugs == set(map(device_slug, slugs))


def test_a_name_of_nothing():
    with pytest.raises(ValueError, match="--mqtt-name: a name of this camera expected"):
        mqtt.create(parse("--mqtt", "mqtt://host", "--mqtt-name", " "))


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
    status = summary(Snapshot(fps=9.5, latency_ms=Latency(80.0, 90.0), board=BoardState(50)))
    for short in ("fps", "latency", "temperature"):
        entity = entities[short]
        assert entity["entity_category"] == "diagnostic" and entity["expire_after"] > 60
        key = re.fullmatch(r"{{ value_json\.(\w+) }}", entity["value_template"])[1]
        assert status[key] is not None
