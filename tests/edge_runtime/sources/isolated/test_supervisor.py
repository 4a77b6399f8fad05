"""Cameras in a process of their own: started again, never torn, never left behind."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.sources.base import SourceError, SourceOptions
from edge_runtime.sources.factory import open_source
from edge_runtime.sources.isolated import supervisor
from edge_runtime.sources.isolated.client import WorkerClient
from edge_runtime.sources.isolated.shared_frames import SLOTS
from tests.conftest import ROOT

DEADLINE = 30  # seconds, for what takes a fraction of one


def options(**changes):
    return SourceOptions(**({"input_hw": (64, 96), "size_wh": (320, 240)} | changes))


def children(parent=None):
    """Process ids of the cameras that a process (this one) has started and that still run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, ppid = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if int(ppid) == (parent or os.getpid()) and state != "Z" and b"isolated.worker" in command:
            found.append(int(folder.name))
    return found


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition):
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


@pytest.fixture
def double(camera_double, tmp_path, monkeypatch):
    """Call it with what the camera does; `once` makes that the first process's only."""
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.01)

    def behave(once=False, **settings):
        camera_double(**settings, **({"once": str(tmp_path / "once")} if once else {}))

    behave()
    yield behave
    assert not children()


def test_frames_come_through(double, capfd):
    with open_source("picamera2", options()) as source:
        assert source.state == "running"
        frames = list(islice(source, 3))
        assert len(children()) == 1
    assert source.state == "closed"
    for frame in frames:
        assert frame.hw == (240, 320)
        assert frame.image.shape == (240, 320, 3)
        assert tuple(frame.image[100, 10]) == (220, 0, 0)
        assert frame.small.shape == (64, 96, 3)
    assert frames[0].number < frames[1].number < frames[2].number
    assert frames[0].captured_at < frames[1].captured_at <= time.monotonic()
    assert abs(frames[0].time - time.time()) < DEADLINE
    assert capfd.readouterr().out == ""  # what libraries print there is not among the results


def test_small_alone(double):
    with open_source("picamera2", options(needs_image=False)) as source:
        frame = next(iter(source))
    assert frame.image is None
    assert (frame.hw, frame.small.shape) == ((240, 320), (64, 96, 3))


def test_the_newest_wins_and_the_rest_is_counted(double):
    double(fps=None, scene="numbers")
    with open_source("picamera2", options()) as source:
        frames = iter(source)
        first = next(frames)
        wait_until(lambda: source.dropped >= 30)
        second = next(frames)
        assert second.number >= 31  # older than it are the first and those dropped, some before it
        assert second.number > first.number
        more = list(islice(frames, 20))
    assert more[-1].number + 1 <= 2 + len(more) + source.dropped


@pytest.mark.parametrize("size_wh", [(320, 240), (1280, 720)])
def test_no_frame_is_torn(double, size_wh):
    """As fast as they come, with the process killed in the middle of it."""
    double(fps=None, scene="numbers")
    killed = 0
    with open_source("picamera2", options(size_wh=size_wh)) as source:
        for count, frame in enumerate(islice(source, 120)):
            value = int(frame.image[0, 0, 0])
            assert frame.image.min() == frame.image.max() == value
            assert frame.small.min() == frame.small.max()
            assert abs(int(frame.small[0, 0, 0]) - value) <= 1
            if not killed:
                assert value == frame.number % 256
            if count in (40, 80):
                os.kill(children()[0], signal.SIGKILL)
                killed += 1
    assert source.restarts == killed == 2


def test_a_stalled_camera_is_killed_and_started_again(double, caplog):
    double(stall_after=20, hang_on_close=True, once=True)
    with open_source("picamera2", options(stall_after=1)) as source:
        first = children()
        frames = iter(source)
        numbers = [frame.number for frame in islice(frames, 10)]
        wait_until(lambda: source.restarts == 1)
        assert source.state == "running"
        assert not is_running(first[0])
        numbers += [frame.number for frame in islice(frames, 2 * SLOTS)]
    assert numbers == sorted(set(numbers))  # goes on counting
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "no frame for 1 s" in said[0]
    assert "frames come again" in said[1]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


@pytest.mark.parametrize(
    ("misdeed", "reason"),
    [
        ({"die_after": 3}, "ended with status 3"),
        ({"fail_after": 3}, "RuntimeError: Camera frontend has timed out!"),
    ],
)
def test_a_camera_that_fails_is_started_again(double, caplog, misdeed, reason):
    double(once=True, fps=50, **misdeed)
    with open_source("picamera2", options()) as source:
        wait_until(lambda: source.restarts == 1)
        next(iter(source))
    assert reason in caplog.records[0].getMessage()


def test_an_unplugged_camera_is_said_once_and_comes_back(double, caplog):
    with open_source("picamera2", options()) as source:
        double(cameras=0)
        os.kill(children()[0], signal.SIGKILL)
        wait_until(lambda: "no camera number 0" in caplog.text)
        assert source.state == "waiting"
        time.sleep(0.5)  # some attempts
        double()
        wait_until(lambda: source.restarts == 1)
        assert source.state == "running"
    messages = [record.getMessage() for record in caplog.records]
    assert sum("no camera number 0" in message for message in messages) == 1


class Clock:
    """In place of the event that is waited on between attempts."""

    def __init__(self, attempts):
        self.pauses = []
        self.attempts = attempts

    def wait(self, seconds):
        self.pauses.append(seconds)

    def is_set(self):
        return len(self.pauses) == self.attempts

    def set(self):
        self.attempts = len(self.pauses)


class StandIn:
    """In place of a camera's process: announces its frames, then the camera breaks off."""

    pid = 1

    def __init__(self, clock, frames, interval):
        self._clock, self._left, self._interval = clock, frames, interval

    def receive(self):
        self._clock[0] += self._interval
        if not self._left:
            raise SourceError("it stopped delivering")
        self._left -= 1
        return [{"slot": 0, "number": 0, "dropped": 0}]

    def free(self, slot):
        pass

    def end(self, at_once):
        return True

    def close(self):
        pass


@pytest.mark.parametrize(
    ("frames", "interval", "pauses"),
    [
        ([0] * 9, 1, [0.5, 1, 2, 4, 8, 16, 30, 30, 30]),  # gone for good
        ([400] * 7, 0.05, [0.5] * 7),  # weak Wi-Fi: every 20 s, and back at once
        ([1] * 5, 1, [0.5, 1, 2, 4, 8]),  # a frame, then it breaks
        ([10] * 5, 0.1, [0.5, 1, 2, 4, 8]),  # a second of frames
        ([0] * 8 + [400] * 2 + [0] * 2, 0.05, [0.5, 1, 2, 4, 8, 16, 30, 30, 0.5, 0.5, 1, 2]),
        ([2, 0, 2, 0], 6, [0.5, 1, 0.5, 1]),  # a slow camera, a frame every six seconds
    ],
)
def test_pauses_double_until_frames_come_for_some_seconds(
    monkeypatch, caplog, frames, interval, pauses
):
    source = supervisor.SupervisedSource("picamera2", options())
    source._opened = True
    source._closing = Clock(len(frames))
    now = [100.0]
    workers = (StandIn(now, count, interval) for count in frames)
    monkeypatch.setattr(supervisor, "WorkerClient", lambda *_: next(workers))
    monkeypatch.setattr(supervisor.time, "monotonic", lambda: now[0])
    source._supervise()
    assert source._closing.pauses == pauses
    assert 1 <= len(caplog.records) <= 2  # that it broke off, and came back: not each time


def test_closing_ends_a_camera_that_hangs(double):
    double(hang_on_close=True)
    with open_source("picamera2", options()) as source:
        next(iter(source))
    assert not children()
    double(stall_after=2)
    with open_source("picamera2", options(stall_after=100)) as source:
        time.sleep(0.2)
    assert not children()
    source.close()  # any number of times


def test_closing_ends_an_iteration_that_waits(double):
    double(stall_after=2)
    source = open_source("picamera2", options(stall_after=100))
    source.open()
    seen = []
    reader = threading.Thread(target=lambda: seen.extend(source))
    reader.start()
    wait_until(lambda: seen)
    source.close()
    reader.join(DEADLINE)
    assert not reader.is_alive()


@pytest.mark.parametrize("misdeed", [{}, {"hang_on_close": True}, {"stall_after": 2}])
def test_no_camera_outlives_a_parent_that_was_killed(double, misdeed):
    double(**misdeed)
    code = """if True:
        import sys, time
        sys.path[:] = sys.argv[1:]
        from edge_runtime.sources.base import SourceOptions
        from edge_runtime.sources.factory import open_source
        source = open_source("picamera2", SourceOptions((64, 96), stall_after=100))
        source.open()
        print("open", flush=True)
        time.sleep(100)
    """
    command = [sys.executable, "-c", code, str(ROOT), *sys.path]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline() == b"open\n"
        [camera] = children(parent.pid)
        parent.kill()
    wait_until(lambda: not is_running(camera))


def test_restarts_leak_nothing(double, monkeypatch):
    double(fps=None, die_after=1)

    monkeypatch.setattr(supervisor, "LONGEST_PAUSE", 0.01)

    def held():
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        mappings = Path("/proc/self/maps").read_text().count("edge-runtime frames")
        return np.array((descriptors, mappings, threading.active_count()))

    before = held()
    most = before
    with open_source("picamera2", options()) as source:
        while source.restarts < 12:
            most = np.maximum(most, held())
            time.sleep(0.005)
    assert (held() == before).all()
    # One child's socket and memory, what starting it takes for a moment, and one thread.
    assert (most - before <= (6, 1, 1)).all()


@pytest.mark.parametrize(("lasts", "grow"), [(1.5, False), (0.5, True), (0.0, True)])
def test_frames_make_pauses_short_again(monkeypatch, lasts, grow):
    """Without a process: it breaks off again and again, and each time frames came before."""
    source = supervisor.SupervisedSource("picamera2", options(wait=True))
    pauses = []

    def run_once():
        source._opened = True
        source._frames_from, source._frames_to = 10.0, 10.0 + lasts
        raise SourceError("it stopped delivering")

    def wait(pause):
        pauses.append(pause)
        if len(pauses) == 5:
            source._closing.set()

    monkeypatch.setattr(source, "_run_once", run_once)
    monkeypatch.setattr(source._closing, "wait", wait)
    source._supervise()
    assert pauses == ([0.5, 1.0, 2.0, 4.0, 8.0] if grow else [0.5] * 5)


def test_the_first_start_must_succeed(double, monkeypatch):
    double(cameras=0)
    with pytest.raises(SourceError, match="picamera2: there is no camera number 0"):
        open_source("picamera2", options()).open()
    monkeypatch.setattr(supervisor, "FIRST_FRAME_SECONDS", 0.5)
    double(hang_on_open=True)
    with pytest.raises(SourceError, match=r"picamera2: no frame for 0\.5 s"):
        open_source("picamera2", options()).open()


def test_a_camera_that_is_not_there_yet_is_waited_for(double, caplog):
    double(cameras=0)
    with open_source("picamera2", options(wait=True)) as source:  # does not raise
        assert source.state == "waiting" and "no camera number 0" in caplog.text
        double()
        next(iter(source))
        assert source.state == "running" and "frames come again" in caplog.text


def test_a_missing_package_is_named():
    probe = [sys.executable, "-c", "import picamera2"]
    if subprocess.run(probe, capture_output=True).returncode == 0:
        pytest.skip("picamera2 is installed here")
    for wait in (False, True):  # no patience brings a package
        with pytest.raises(ImportError, match=r"picamera2 is not installed; .*Raspberry Pi OS"):
            open_source("picamera2", options(wait=wait)).open()


def test_a_password_shows_nowhere():
    child = WorkerClient("rtsp://user:secret@127.0.0.1:9/", options())
    try:
        for name in ("cmdline", "environ"):
            assert b"secret" not in Path(f"/proc/{child.pid}/{name}").read_bytes()
    finally:
        child.end(at_once=True)
        child.close()
    source = open_source("rtsp://user:p@ss:secret@127.0.0.1/", options(size_wh=None))
    said = source._first_failure(SourceError("rtsp://user:p@ss:secret@127.0.0.1/ refused"))
    assert str(said) == "rtsp://127.0.0.1: rtsp://127.0.0.1 refused"
    said = source._first_failure(SourceError("http://a:b@other/c?d=e: moved"))
    assert str(said) == "rtsp://127.0.0.1: http://other moved"
