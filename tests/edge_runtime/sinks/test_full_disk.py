"""Sinks on a disk that is really full: the run goes on, says it once, and recovers."""

import json
import logging
import os
import subprocess
import time

import pytest

from edge_runtime.pipeline.sink_thread import SinkThread
from edge_runtime.sinks import video
from edge_runtime.sinks.events import EventsSink
from edge_runtime.sinks.json_lines import JsonLinesSink
from edge_runtime.sinks.video import VideoSink
from tests.edge_runtime.sinks.results import make_context, make_result

SIZE = 1_000_000


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no mount here, which makes a small file system")
    if mounted.returncode:
        pytest.skip(f"a small file system needs root: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder):
    """Take all room but for less than a line."""
    path = folder / "others"
    with path.open("wb") as file, pytest.raises(OSError, match="No space"):
        while True:
            os.write(file.fileno(), bytes(4096))
    return path


def run(sink, folder, caplog):
    """Three results with room, three on the full disk, three with room again. Returns: what was
    said, and the counters."""
    caplog.set_level(logging.WARNING)
    sink.open(make_context())
    failures = []
    thread = SinkThread(sink, False, failures.append)
    thread.start()

    def put(numbers, count):
        for number in numbers:
            thread.put(make_result(number))
        deadline = time.monotonic() + 30
        while thread.written + thread.failed < count:
            assert not failures, failures
            assert time.monotonic() < deadline
            time.sleep(0.005)

    put((0, 10, 20), 3)
    others = fill(folder)
    put((30, 40, 50), 6)
    others.unlink()
    put((60, 70, 80), 9)
    thread.close()
    assert thread.join(30)
    assert failures == []
    return [record.getMessage() for record in caplog.records], thread.counters()


def test_json_lines(small_disk, caplog):
    path = small_disk / "seen.jsonl"
    sink = JsonLinesSink(str(path))
    sink.open(make_context())
    # Its last block, which a full disk still lets it fill, is to end within the fourth line.
    lines = [json.dumps(make_result(number).to_dict()) + "\n" for number in (0, 10, 20)]
    path.write_bytes(b" " * (4096 - len("".join(lines)) - 20) + b"\n")
    sink.close()
    said, counters = run(sink, small_disk, caplog)
    assert (counters.written, counters.failed) == (6, 3)
    assert said == [
        "jsonl: [Errno 28] No space left on device (1 lost so far)",
        "jsonl: works again after 3 lost",
    ]
    lines = [line for line in path.read_text().splitlines() if line.startswith("{")]
    torn = lines.pop(3)
    assert len(torn) == 19
    assert [json.loads(line)["frame"] for line in lines] == [0, 10, 20, 60, 70, 80]


def test_events_give_way_to_others_and_say_when_there_is_nothing_left_to_give(small_disk, caplog):
    said, counters = run(EventsSink(small_disk), small_disk, caplog)
    assert (counters.written, counters.failed) == (6, 3)
    assert [line.partition(" (")[0] for line in said] == [
        f"events: no picture is saved while the disk of {small_disk} is as good as full",
        "events: works again after 3 lost",
    ]
    assert len(list(small_disk.glob("*.jpg"))) == len(list(small_disk.glob("*.json"))) == 6


def test_events_make_room_for_themselves(small_disk):
    sink = EventsSink(small_disk)
    sink.open(make_context())
    for number in range(0, 2000, 10):  # 200 events of two blocks: more than fit
        sink.write(make_result(number))
    assert 80 < len(list(small_disk.glob("*.jpg"))) < 125
    usage = os.statvfs(small_disk)
    assert usage.f_bavail * usage.f_frsize > 0.03 * SIZE
    newest = max(small_disk.glob("*.json"))
    assert json.loads(newest.read_text())["frame"] == 1990


def test_video(small_disk, caplog, monkeypatch):
    cv2 = pytest.importorskip(
        "cv2", exc_type=ImportError, reason="the extra `opencv` is not installed"
    )
    monkeypatch.setattr(video, "ROOM_SECONDS", 0.0)
    said, counters = run(VideoSink(small_disk / "a.mp4", fps=1), small_disk, caplog)
    assert (counters.written, counters.failed) == (6, 3)
    assert [line.partition(" (")[0] for line in said] == [
        f"video: no video is written while the disk of {small_disk} is as good as full",
        f"{small_disk}/a.mp4 is there already and is kept: the video becomes "
        f"{small_disk}/a-0001.mp4",
        "video: works again after 3 lost",
    ]
    assert cv2.VideoCapture(str(small_disk / "a-0001.mp4")).read()[0]
