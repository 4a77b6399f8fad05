"""Notifications to systemd, read at the other end of a real socket."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from edge_runtime.detector.detections import Detections
from edge_runtime.frame import Frame, Result
from edge_runtime.pipeline.snapshot import Snapshot
from edge_runtime.sinks import systemd
from tests.conftest import ROOT
from tests.edge_runtime.runs import Clock
from tests.edge_runtime.sinks.results import make_context

SECONDS = 60  # until something must have happened, however slow the machine


@pytest.fixture(params=["path", "abstract"])
def listener(request, tmp_path, monkeypatch):
    """A socket as systemd opens it, and the environment that names it."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@edge-{uuid.uuid4()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        heard.settimeout(SECONDS)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        for variable in ("WATCHDOG_USEC", "WATCHDOG_PID"):
            monkeypatch.delenv(variable, raising=False)
        yield heard


def words(heard: socket.socket) -> list[str]:
    """All that was said so far."""
    heard.setblocking(False)
    lines = []
    try:
        while True:
            lines += heard.recv(4096).decode().split("\n")
    except BlockingIOError:
        return lines


def open_sink(clock: Clock, **of_the_run) -> systemd.SystemdSink:
    """The sink in a run with this snapshot and this way to end it."""
    sink = systemd.SystemdSink(clock)
    sink.open(replace(make_context(), **of_the_run))
    return sink


def result() -> Result:
    frame = Frame((2, 2), time.monotonic(), time.time(), 0, np.zeros((2, 2, 3), np.uint8))
    nothing = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int), ("red",))
    return Result(frame, nothing)


def test_one_message_holds_all_lines(listener):
    assert systemd.send("READY=1", "STATUS=grün")
    assert listener.recv(4096).decode() == "READY=1\nSTATUS=grün"


def test_a_folder_in_which_nothing_new_comes_is_well(listener, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "120000000")
    clock, stopped = Clock(), []
    snapshot = Snapshot(state="watching")
    sink = open_sink(clock, snapshot=lambda: snapshot, stop=lambda: stopped.append(1))
    words(listener)
    for _ in range(10):
        clock.now += 60
        sink.idle()
    said = words(listener)
    assert said.count("READY=1") == 1 and said.count("WATCHDOG=1") == 10 and not stopped


@pytest.mark.parametrize("name", [None, "", "vsock:2:1234"])
def test_silent_where_nobody_listens(monkeypatch, name):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if name is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", name)
    assert not systemd.send("READY=1")
    assert not systemd.is_listening()
    assert systemd.create() is None


def test_a_listener_that_is_gone_does_not_end_the_run(monkeypatch, tmp_path):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    assert not systemd.send("READY=1")
    sink = systemd.create()
    sink.open(make_context())
    sink.write(result())
    sink.close()


@pytest.mark.parametrize(
    ("microseconds", "pid", "seconds"),
    [
        ("30000000", None, 30.0),
        pytest.param("30000000", str(os.getpid()), 30.0, id="of this process"),
        ("30000000", "1", None),  # meant for another process
        (None, None, None),
        ("0", None, None),
        ("soon", None, None),
    ],
)
def test_watchdog_seconds(monkeypatch, microseconds, pid, seconds):
    for variable, value in (("WATCHDOG_USEC", microseconds), ("WATCHDOG_PID", pid)):
        monkeypatch.delenv(variable, raising=False)
        if value is not None:
            monkeypatch.setenv(variable, value)
    assert systemd.watchdog_seconds() == seconds


def test_ready_comes_with_the_first_result_and_only_once(listener):
    sink = open_sink(Clock())
    sink.idle()
    assert "READY=1" not in words(listener)
    sink.write(result())
    assert "READY=1" in words(listener)
    sink.write(result())
    assert words(listener) == []
    sink.close()
    assert words(listener)[0] == "STOPPING=1"


def test_watchdog_is_fed_thrice_in_its_time_and_only_by_results(listener, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    clock = Clock()
    sink = open_sink(clock)
    fed = []
    for second in range(60):
        clock.now += 1
        sink.write(result())
        if "WATCHDOG=1" in words(listener):
            fed.append(second)
    assert fed == [0, 10, 20, 30, 40, 50]
    for _ in range(60):  # the camera stalls
        clock.now += 1
        sink.idle()
    assert "WATCHDOG=1" not in words(listener)
    sink.write(result())
    assert "WATCHDOG=1" in words(listener)


def test_without_a_watchdog_it_is_not_fed(listener):
    sink = open_sink(Clock())
    sink.write(result())
    assert "WATCHDOG=1" not in words(listener)


def test_status_follows_the_run_also_when_it_stalls(listener):
    clock = Clock()
    now = Snapshot(state="starting")
    sink = open_sink(clock, snapshot=lambda: now)
    assert words(listener) == ["STATUS=starting"]
    sink.idle()
    assert words(listener)[0] == "STATUS=starting, no frame yet"
    now = Snapshot(results=5, state="running", fps=4.5, frame_age_s=0.1)
    sink.write(result())
    assert not [word for word in words(listener) if word.startswith("STATUS")]  # not so soon
    clock.now += systemd.STATUS_SECONDS
    sink.write(result())
    assert words(listener) == ["STATUS=running, 4.5 results a second, newest frame 0.1 s old"]
    now = replace(now, state="stalled", fps=0.0, frame_age_s=11.0)
    clock.now += systemd.STATUS_SECONDS
    sink.idle()
    assert words(listener) == ["STATUS=stalled, 0.0 results a second, newest frame 11.0 s old"]


def test_a_run_tells_systemd_and_still_prints(listener, tmp_path, red_frame):
    Image.fromarray(red_frame).save(tmp_path / "scene.png")
    command = [sys.executable, "-m", "edge_runtime", "run", "models/digits_int8.tflite"]
    command += ["--source", str(tmp_path / "scene.png"), "--loop", "--max-fps", "20"]
    environment = {**os.environ, "WATCHDOG_USEC": "600000"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        heard: list[str] = []
        while heard.count("WATCHDOG=1") < 3:
            heard += listener.recv(4096).decode().split("\n")
        assert heard.count("READY=1") == 1
        assert heard.index("READY=1") <= heard.index("WATCHDOG=1")
        process.send_signal(signal.SIGTERM)
        while "STOPPING=1" not in heard:
            heard += listener.recv(4096).decode().split("\n")
        output, _ = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert json.loads(output.splitlines()[0])["frame"] == 0  # the default sink is still there


def test_a_start_may_last_until_the_camera_is_there(listener):
    clock, stopped = Clock(), []
    sink = open_sink(clock, stop=lambda: stopped.append(1))
    said = []
    for _ in range(100):
        clock.now += 10
        sink.idle()
        said += words(listener)  # at once: by default the kernel keeps no more than 11 unread
    assert said.count(f"EXTEND_TIMEOUT_USEC={systemd.STARTING_SECONDS * 1_000_000}") == 100
    assert not stopped and "READY=1" not in said


def test_results_that_stay_away_end_the_run_before_the_watchdog_kills_it(listener, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "120000000")
    clock, stopped = Clock(), []
    sink = open_sink(clock, stop=lambda: stopped.append(1))
    sink.write(result())
    clock.now += 90
    sink.idle()
    assert not stopped
    clock.now += 10
    sink.idle()
    assert stopped
    assert words(listener).count("WATCHDOG=1") == 1
