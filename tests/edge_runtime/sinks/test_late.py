"""Sinks whose disk is not there at the start."""

import errno
import signal
import subprocess

import pytest
from PIL import Image

from edge_runtime.__main__ import main
from edge_runtime.sinks.base import Sink
from edge_runtime.sinks.events import EventsSink
from edge_runtime.sinks.json_lines import JsonLinesSink
from edge_runtime.sinks.late import AGAIN_SECONDS, LateSink, check_some_open
from edge_runtime.sinks.mqtt.outbox import Outbox
from edge_runtime.sinks.video import VideoSink
from tests.edge_runtime.runs import Clock
from tests.edge_runtime.sinks.results import make_context, make_result


class Moody(Sink):
    """Opens as soon as `error` is None."""

    name = "moody"
    finishes = True

    def __init__(self, error=None):
        self.error, self.opened, self.written, self.closed = error, 0, [], 0

    def open(self, context):
        self.opened += 1
        if self.error is not None:
            raise self.error

    def write(self, result):
        self.written.append(result.frame.number)

    def close(self):
        self.closed += 1


def test_it_is_opened_once_its_disk_is_there(caplog):
    clock, inner = Clock(), Moody(OSError(errno.EROFS, "read-only"))
    sink = LateSink(inner, clock)
    assert sink.name == "moody" and sink.finishes
    sink.open(make_context())
    assert "read-only" in sink.state().error
    for number in range(3):
        with pytest.raises(OSError, match="read-only"):
            sink.write(make_result(number))
    assert inner.opened == 1  # not with each frame
    inner.error = None
    clock.now += AGAIN_SECONDS
    sink.write(make_result(3))
    assert inner.written == [3] and sink.state().error is None
    assert "moody: can be written at last" in caplog.text
    sink.close()
    assert inner.closed == 1


def test_what_was_never_open_is_not_closed():
    inner = Moody(OSError(errno.EIO, "worn out"))
    sink = LateSink(inner)
    sink.open(make_context())
    sink.close()
    assert inner.closed == 0


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "no right"), ValueError("no such suffix")])
def test_what_time_does_not_cure_is_an_error_at_once(error):
    with pytest.raises(type(error)):
        LateSink(Moody(error)).open(make_context())


def test_where_none_can_be_opened_there_is_nothing_to_run_for(caplog):
    late, well = LateSink(Moody(OSError(errno.ENOSPC, "full"))), LateSink(Moody())
    for sink in (late, well):
        sink.open(make_context())
    with pytest.raises(OSError, match="full"):
        check_some_open([late])
    check_some_open([])
    check_some_open([late, well])
    assert "moody: [Errno 28] full; the others go on" in caplog.text


@pytest.fixture
def read_only(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no mount here, which makes a read-only file system")
    if mounted.returncode:
        pytest.skip(f"a read-only file system needs root: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_read_only(read_only):
    sinks = [JsonLinesSink(str(read_only / "a.jsonl")), EventsSink(read_only)]
    sinks += [EventsSink(read_only / "events"), VideoSink(read_only / "a.mp4")]
    for sink in map(LateSink, sinks):
        sink.open(make_context())
        assert "Read-only file system" in sink.state().error
        assert sink.state().error.startswith("--")  # in words, without a number
    box = Outbox(read_only / "box", 100_000)
    box.append("topic", "event")
    assert box.take().payload == "event"
    box.close()


def test_a_run_on_a_read_only_disk(
    read_only, tiny_models, tmp_path, red_frame, capsys, monkeypatch
):
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)  # pytest's own stay
    Image.fromarray(red_frame).save(tmp_path / "a.png")
    command = ["run", str(tiny_models / "tiny_int8.tflite"), "--source", str(tmp_path / "a.png")]
    command += ["--save-events", str(read_only / "events")]
    assert main(command) == 2
    assert "--save-events: cannot write into" in capsys.readouterr().err
    assert main([*command, "--jsonl", str(tmp_path / "seen.jsonl")]) == 1  # its events are lost
    assert len((tmp_path / "seen.jsonl").read_text().splitlines()) == 1
