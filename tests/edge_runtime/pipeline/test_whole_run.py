"""The whole runtime as its user starts it: a film → detector → web page, MQTT and files."""

from __future__ import annotations

import io
import json
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image

from edge_runtime.media.images import read_image
from tests.conftest import HANG, ROOT
from tests.edge_runtime.sinks.mqtt.mosquitto import Listener, Mosquitto, wait_for

pytestmark = pytest.mark.slow

cv2 = pytest.importorskip("cv2", exc_type=ImportError, reason="the extra `opencv` is not installed")


@pytest.fixture
def film(tmp_path, red_frame):
    """Three seconds: two of a red and a green cell, one of darkness."""
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (288, 128))
    for number in range(30):
        picture = red_frame if number < 20 else np.zeros_like(red_frame)
        writer.write(cv2.resize(picture[:, :, ::-1], (288, 128), interpolation=cv2.INTER_NEAREST))
    writer.release()
    return path


@pytest.fixture
def broker(tmp_path):
    folder = tmp_path / "broker"
    folder.mkdir()
    with Mosquitto(folder) as broker:
        yield broker


@pytest.fixture
def url():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def run(tmp_path, tiny_models, film, broker, url):
    """The process, ended by its id whatever the test does."""
    model = shutil.copy(tiny_models / "tiny_int8.tflite", tmp_path / "model.tflite")
    flags = ["--source", film, "--loop", "--realtime", "--threads", "1", "--classes", "red,green"]
    flags += ["--web", url.removeprefix("http://"), "--mqtt", broker.url, "--mqtt-name", "hall"]
    flags += ["--state-dir", tmp_path / "state", "--jsonl", tmp_path / "seen.jsonl"]
    flags += ["--save-events", tmp_path / "events", "--save-video", tmp_path / "seen.avi"]
    process = subprocess.Popen(
        [sys.executable, "-m", "edge_runtime", "run", str(model), *map(str, flags)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def get(url):
    with urllib.request.urlopen(url, timeout=HANG) as answer:
        return answer.read()


def is_healthy(url):
    try:
        return get(f"{url}/healthz")
    except (urllib.error.URLError, ConnectionError):
        return None


def state(url):
    return json.loads(get(f"{url}/detections.json"))["run"]


def test_from_a_film_to_page_broker_and_files(run, url, broker, tmp_path):
    with Listener(broker.port, "edge_runtime/hall/#") as listener:
        wait_for(lambda: is_healthy(url), "frames flow")
        wait_for(lambda: state(url)["detections"].get("green", 0) > 20, "things are found")
        assert b"edge_runtime_" in get(f"{url}/metrics")
        with Image.open(io.BytesIO(get(f"{url}/snapshot.jpg"))) as snapshot:
            assert snapshot.size == (288, 128)
        wait_for(lambda: listener.of("edge_runtime/hall/detections"), "detections at the broker")
        seen = [json.loads(text) for text in listener.of("edge_runtime/hall/detections")]
        found = {thing["class"] for message in seen for thing in message["detections"]}
        assert found == {"red", "green"}
        listener.wait("edge_runtime/hall/state", "online")

        model = tmp_path / "model.tflite"
        model.write_bytes(b"no model")  # in place, while it runs
        wait_for(lambda: state(url)["model"]["reload_error"], "the bad file is noticed")
        before = state(url)["results"]
        wait_for(lambda: state(url)["results"] > before, "the old model goes on")

        run.send_signal(signal.SIGTERM)
        _, err = run.communicate(timeout=HANG)
        assert run.returncode == 0 and "Traceback" not in err, err
        assert "the old one goes on" in err
        listener.wait("edge_runtime/hall/state", "offline")

    lines = [json.loads(line) for line in (tmp_path / "seen.jsonl").read_text().splitlines()]
    numbers = [line["frame"] for line in lines]
    assert numbers == sorted(set(numbers)) and len(numbers) > 20
    assert {len(line["detections"]) for line in lines} >= {0, 2}
    pictures = list((tmp_path / "events").rglob("*.jpg"))
    assert pictures and {read_image(path).shape for path in pictures} == {(128, 288, 3)}
    video = cv2.VideoCapture(str(tmp_path / "seen.avi"))
    whole, frame = video.read()
    video.release()
    assert whole and frame.shape == (128, 288, 3)
