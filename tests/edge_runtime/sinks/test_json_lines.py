"""JSON lines to stdout and to files that rotate."""

import json
import os
import subprocess
import sys

import pytest

from edge_runtime.sinks import json_lines
from edge_runtime.sinks.base import SinkClosedError
from edge_runtime.sinks.json_lines import JsonLinesSink
from tests.conftest import ROOT
from tests.edge_runtime.sinks.results import make_context, make_result

LINE = len(json.dumps(make_result(0).to_dict())) + 1


def write(path, numbers, **options):
    sink = JsonLinesSink(str(path), **options)
    sink.open(make_context())
    for number in numbers:
        sink.write(make_result(number))
    sink.close()


def numbers(path):
    return [json.loads(line)["frame"] for line in path.read_text().splitlines()]


def test_a_line_is_in_the_file_as_soon_as_it_is_written(tmp_path):
    path = tmp_path / "new folder" / "seen.jsonl"
    sink = JsonLinesSink(str(path))
    sink.open(make_context())
    sink.write(make_result(7, ("red", "green")))
    (line,) = path.read_text().splitlines()
    assert json.loads(line) == make_result(7, ("red", "green")).to_dict()
    sink.close()


def test_stdout(capfd):
    write("-", [0, 1])
    assert [json.loads(line)["frame"] for line in capfd.readouterr().out.splitlines()] == [0, 1]


def test_a_named_pipe_whose_reader_is_gone_ends_the_run(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    sink = JsonLinesSink(str(pipe))
    sink.open(make_context())
    sink.write(make_result(3))
    assert json.loads(os.read(reader, 10_000))["frame"] == 3
    os.close(reader)
    with pytest.raises(SinkClosedError):
        sink.write(make_result())
    sink.close()


def test_head_closes_the_pipe_and_the_process_ends_silently():
    code = (
        "from edge_runtime.sinks.json_lines import JsonLinesSink\n"
        "from edge_runtime.sinks.base import SinkClosedError\n"
        "from tests.edge_runtime.sinks.results import make_context, make_result\n"
        "sink = JsonLinesSink('-'); sink.open(make_context())\n"
        "try:\n"
        "    while True: sink.write(make_result())\n"
        "except SinkClosedError: sink.close()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert json.loads(process.stdout.readline())["frame"] == 0
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 0
    process.stderr.close()


def test_rotates_by_size_and_keeps_so_many(tmp_path):
    path = tmp_path / "seen.jsonl"
    write(path, range(11), max_bytes=2 * LINE + 20, keep=3)
    assert numbers(path) == [10]
    assert [numbers(tmp_path / f"seen.jsonl.{n}") for n in (1, 2, 3)] == [[8, 9], [6, 7], [4, 5]]
    assert len(list(tmp_path.iterdir())) == 4


def test_fills_a_file_to_its_last_byte(tmp_path):
    path = tmp_path / "seen.jsonl"
    write(path, [0, 1], max_bytes=2 * LINE)
    assert path.stat().st_size == 2 * LINE
    write(path, [2], max_bytes=2 * LINE)
    assert numbers(path) == [2]
    assert numbers(tmp_path / "seen.jsonl.1") == [0, 1]


def test_keeps_no_old_file_where_none_is_wanted(tmp_path):
    write(tmp_path / "seen.jsonl", range(5), max_bytes=2 * LINE + 20, keep=0)
    assert [path.name for path in tmp_path.iterdir()] == ["seen.jsonl"]
    assert numbers(tmp_path / "seen.jsonl") == [4]


def test_a_line_longer_than_a_file_may_be_gets_one_for_itself(tmp_path):
    write(tmp_path / "seen.jsonl", range(3), max_bytes=10, keep=2)
    assert [numbers(path) for path in sorted(tmp_path.iterdir())] == [[2], [1], [0]]


def test_goes_on_after_a_restart(tmp_path):
    path = tmp_path / "seen.jsonl"
    write(path, [0])
    write(path, [1])
    assert numbers(path) == [0, 1]


def test_a_line_torn_by_a_power_cut_is_ended_first(tmp_path):
    path = tmp_path / "seen.jsonl"
    path.write_text('{"frame": 0}\n{"fra')
    write(path, [1, 2])
    lines = path.read_text().splitlines()
    assert lines[:2] == ['{"frame": 0}', '{"fra']
    assert [json.loads(line)["frame"] for line in lines[2:]] == [1, 2]


@pytest.mark.parametrize("instead", [False, True])
def test_a_file_moved_away_by_others_is_begun_again(tmp_path, instead):
    path = tmp_path / "seen.jsonl"
    sink = JsonLinesSink(str(path))
    sink.open(make_context())
    sink.write(make_result(0))
    path.rename(tmp_path / "rotated")
    if instead:  # logrotate's `create`
        path.touch()
    sink.write(make_result(1))
    sink.close()
    assert (numbers(tmp_path / "rotated"), numbers(path)) == ([0], [1])


def test_a_file_system_that_fills_tears_one_line_and_no_more(tmp_path, monkeypatch):
    room = LINE + 10
    write_really = os.write

    def write_while_room(file, data):
        nonlocal room
        if room == 0:
            raise OSError(28, "No space left on device")
        written = write_really(file, bytes(data)[:room])
        room -= written
        return written

    path = tmp_path / "seen.jsonl"
    sink = JsonLinesSink(str(path))
    sink.open(make_context())
    monkeypatch.setattr(json_lines.os, "write", write_while_room)
    sink.write(make_result(0))
    for number in (1, 2, 3):
        with pytest.raises(OSError, match="No space"):
            sink.write(make_result(number))
    room = 10 * LINE
    sink.write(make_result(4))
    sink.close()
    lines = path.read_text().splitlines()
    assert len(lines) == 3
    assert [json.loads(lines[0])["frame"], json.loads(lines[2])["frame"]] == [0, 4]


def test_syncs_now_and_then_only(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(json_lines.os, "fsync", synced.append)
    sink = JsonLinesSink(str(tmp_path / "seen.jsonl"))
    sink.open(make_context())
    for number in range(5):
        sink.write(make_result(number))
    assert synced == []
    monkeypatch.setattr(json_lines, "SYNC_SECONDS", 0.0)
    sink.idle()
    sink.idle()
    assert len(synced) == 1  # nothing new to sync the second time
    sink.write(make_result(5))
    assert len(synced) == 2
    sink.close()


def test_a_folder_as_file_is_refused_with_a_cure(tmp_path):
    with pytest.raises(OSError, match=r"Is a directory.*name another file"):
        JsonLinesSink(str(tmp_path)).open(make_context())


def test_what_is_no_file_is_written_but_not_rotated():
    write("/dev/null", range(3), max_bytes=1)


def test_another_files_content_is_left_alone(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3")
    with pytest.raises(ValueError, match=r"JSON lines or a new one expected, got .*model\.tflite"):
        JsonLinesSink(str(path)).open(make_context())
    assert path.read_bytes() == b"\x1c\0\0\0TFL3"
