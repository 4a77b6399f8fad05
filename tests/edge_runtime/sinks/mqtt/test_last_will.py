"""Last will: what the broker says of `edge-runtime run` that is killed, or told to end."""

import signal
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.edge_runtime.sinks.mqtt.mosquitto import PATIENCE, Listener, wait_for

pytest.importorskip("paho.mqtt.client", reason="no paho-mqtt here: the extra `mqtt`")

BASE = "edge_runtime/door"
DETECTIONS = f"{BASE}/detections"


@pytest.fixture
def running(broker, tmp_path):
    """`edge-runtime run` on a looped picture; killed at the end."""
    command = [sys.executable, "-m", "edge_runtime", "run", "models/digits_int8.tflite"]
    command += ["--source", "docs/detections.jpg", "--loop", "--max-fps", "20", "--threads", "1"]
    command += ["--mqtt", broker.url, "--mqtt-name", "door", "--state-dir", tmp_path / "state"]
    command += ["--mqtt-interval", "0.1"]
    process = subprocess.Popen([*map(str, command)], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate(timeout=PATIENCE)


def test_last_will_of_a_killed_run(broker, running):
    with Listener(broker.port, f"{BASE}/#") as listener:
        listener.wait(f"{BASE}/motion", "ON")
        wait_for(lambda: len(listener.of(DETECTIONS)) > 2, "detections")
        assert listener.of(f"{BASE}/state") == ["online"]
        running.kill()
        listener.wait(f"{BASE}/state", "offline")


def test_a_run_that_is_told_to_end(broker, running):
    with Listener(broker.port, f"{BASE}/#") as listener:
        wait_for(lambda: listener.of(DETECTIONS), "detections")
        running.send_signal(signal.SIGTERM)
        assert running.wait(PATIENCE) == 0
        listener.wait(f"{BASE}/state", "offline")
        assert "edge-runtime" not in running.stderr.read()  # which begins each of our messages
