"""The window, on a real X display in memory."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import numpy as np
import pytest

from edge_runtime.sinks import window
from edge_runtime.sinks.window import WindowSink
from tests.conftest import ROOT
from tests.edge_runtime.sinks.results import make_context
from tests.edge_runtime.sinks.x_display import ESCAPE, x_display

pytest.importorskip("cv2", exc_type=ImportError, reason="the extra `opencv` is not installed")
needs_xvfb = pytest.mark.skipif(shutil.which("Xvfb") is None, reason="needs Xvfb (apt: xvfb)")
LONG = 60

# Gray with a box, from a camera that gives nothing more after the first frames: keys still count.
SHOW = """
import threading
from edge_runtime.pipeline.sink_thread import SinkThread
from edge_runtime.sinks.window import WindowSink
from tests.edge_runtime.sinks.results import make_context, make_result
ended = threading.Event()
errors = []
sink = WindowSink()
sink.open(make_context())
thread = SinkThread(sink, True, lambda error: (errors.append(error), ended.set()))
thread.start()
image = make_result().frame.image.copy()
image[:60] = (200, 40, 20)
for number in range(3):
    thread.put(make_result(number, ("red", "green"), image=image))
ended.wait(100)
thread.close()
thread.join(10)
print(*[type(error).__name__ for error in errors], thread.counters().error)
"""


@pytest.fixture(scope="module")
def display():
    with x_display() as display:
        yield display


@contextmanager
def shown(display, *command):
    """The process, once its picture is on the screen, and the window."""
    environment = {**os.environ, "DISPLAY": display.name}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + LONG
        while display.screenshot().max() == 0:  # black until a picture is drawn
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline, "no picture appeared"
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.communicate()


def window_of(display, title):
    deadline = time.monotonic() + LONG
    while (found := display.window(title)) is None:
        assert time.monotonic() < deadline, "no window of that title"
        time.sleep(0.05)
    return found


@needs_xvfb
@pytest.mark.parametrize("how", ["q", "escape", "close"])
def test_shows_the_picture_until_it_is_closed(display, how):
    with shown(display, sys.executable, "-c", SHOW) as process:
        found = window_of(display, "model.tflite, usb:0")
        for _ in range(LONG):  # a window is there before its picture is
            screen = display.screenshot()
            lit = np.argwhere(screen.max(axis=2) > 0)
            if len(lit):
                break
            time.sleep(0.5)
        assert tuple(lit.max(axis=0) - lit.min(axis=0) + 1) == (120, 160)
        top, left = lit.min(axis=0)
        assert abs(screen[top + 5, left + 150].astype(int) - (200, 40, 20)).max() <= 2
        assert abs(screen[top + 110, left + 150].astype(int) - 90).max() <= 2
        red, green, _ = screen[top + 60, left + 20].astype(int)
        assert green > red + 100  # the side of the first box
        if how == "close":
            display.close_window(found)
        else:
            display.press(found, ESCAPE if how == "escape" else ord("q"))
        out, _ = process.communicate(timeout=LONG)
        assert out.split() == ["SinkClosedError", "None"]
        assert process.returncode == 0


@needs_xvfb
@pytest.mark.parametrize("how", ["q", "ctrl-c"])
def test_a_whole_run_ends_with_its_window(display, how, tmp_path):
    command = [sys.executable, "-m", "edge_runtime", "run", "models/digits_int8.tflite"]
    command += ["--source", "docs/detections.jpg", "--loop", "--max-fps", "10", "--threads", "1"]
    command += ["--window", "--jsonl", str(tmp_path / "seen.jsonl")]
    with shown(display, *command) as process:
        found = window_of(display, "digits_int8.tflite, docs/detections.jpg")
        if how == "q":
            for _ in range(LONG):  # a key is lost where the window does not listen yet
                display.press(found, ord("q"))
                with suppress(subprocess.TimeoutExpired):
                    process.wait(1)
                    break
        else:
            process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=LONG)
        assert process.returncode == 0, said
        assert "Traceback" not in said
    assert (tmp_path / "seen.jsonl").read_text().endswith("\n")


def test_without_a_display_it_says_what_to_use_instead(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(OSError, match=r"a display expected.*; --web shows the same"):
        WindowSink().open(make_context())


def test_a_display_that_does_not_answer_is_an_error_and_no_abort(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":987654")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(OSError, match=r"could not connect to display.*; --web shows the same"):
        WindowSink().open(make_context())


def test_an_opencv_without_windows_is_named(monkeypatch):
    # What opencv-python-headless raises; both packages cannot be installed together.
    error = (
        "error: (-2:Unspecified error) The function is not implemented. Rebuild the library with "
        "Windows, GTK+ 2.x or Cocoa support."
    )
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(window, "PROBE", f"raise SystemExit({error!r})")
    with pytest.raises(OSError, match=r"uninstall opencv-python-headless.*'opencv-python.*--web"):
        WindowSink().open(make_context())


def test_a_probe_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(window, "PROBE", "import time; time.sleep(60)")
    monkeypatch.setattr(window, "PROBE_SECONDS", 0.1)
    with pytest.raises(OSError, match="does not answer; --web"):
        WindowSink().open(make_context())
