"""The board's benchmark: what it measures, in which order, and what it prints."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from edge_runtime.__main__ import main
from edge_runtime.commands import bench
from edge_runtime.commands.bench import format_bench
from edge_runtime.detector.latency import STEPS
from edge_runtime.media.images import write_image
from edge_runtime.system import board
from tests.conftest import HANG, ROOT

MODEL = str(ROOT / "models" / "digits_int8.tflite")


@pytest.fixture
def one_child(monkeypatch):
    """Memory is asked of a child each time, which takes a second: here it is a number."""
    asked = []

    def peak(detector, frame_hw):
        asked.append((detector.num_threads, frame_hw))
        return 50_000_000 + detector.num_threads

    monkeypatch.setattr(bench, "peak_memory", peak)
    return asked


def test_a_whole_run():
    command = [
        sys.executable,
        "-m",
        "edge_runtime",
        "bench",
        MODEL,
        "--threads",
        "1",
        "--runs",
        "2",
    ]
    command += ["--warmup", "1", "--size", "64x48", "--resizer", "pillow"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 0, done.stderr
    *text, last = done.stdout.splitlines()
    report = json.loads(last)
    assert (report["frame_wh"], report["frame"], report["runs"]) == ([64, 48], "noise", 2)
    assert report["resizer"] == "pillow" and "resized by pillow" in text[1]
    (row,) = report["rows"]
    assert (row["threads"], row["input_hw"]) == (1, [320, 320])
    assert 20e6 < row["peak_memory_bytes"] < 2e9
    for step in STEPS:
        assert 0 < row["ms"][step]["median"] <= row["ms"][step]["p90"]
    assert row["ms"]["end_to_end"]["median"] > row["ms"]["inference"]["median"]
    assert report["machine"]["interpreter"] in text[0]
    assert any(line.startswith("| digits_int8.tflite ") for line in text)
    assert "memory, 1 of 1" in done.stderr


def test_all_cores_and_two_models_side_by_side(one_child, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("edge_runtime.commands.bench.available_cores", lambda: 3)
    other = tmp_path / "digits_int8.tflite"
    shutil.copy(MODEL, other)
    flags = ["--runs", "1", "--warmup", "0", "--size", "32x32"]
    assert main(["bench", MODEL, str(other), *flags]) == 0
    out = capsys.readouterr().out
    rows = json.loads(out.splitlines()[-1])["rows"]
    assert [(row["model"], row["threads"]) for row in rows] == [
        (model, threads) for model in (MODEL, str(other)) for threads in (1, 2, 3)
    ]
    assert [row["peak_memory_bytes"] - 50_000_000 for row in rows] == [1, 2, 3, 1, 2, 3]
    assert f"| {other} " in out  # two files of one name are told apart


def test_a_picture_as_the_frame(one_child, tmp_path, capsys):
    write_image(tmp_path / "p.png", np.zeros((30, 50, 3), np.uint8))
    flags = ["--threads", "2,1,2", "--runs", "1", "--image", str(tmp_path / "p.png")]
    assert main(["bench", MODEL, *flags]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (report["frame_wh"], report["frame"]) == ([50, 30], "p.png")
    assert one_child == [(1, (30, 50)), (2, (30, 50))]


def test_a_bad_model_among_good_ones_ends_it_before_the_work(one_child, tmp_path, capsys):
    bad = tmp_path / "bad.tflite"
    bad.write_bytes(b"no model")
    for second in (bad, tmp_path / "missing.tflite"):
        assert main(["bench", MODEL, str(second)]) == 2
        captured = capsys.readouterr()
        assert second.name in captured.err
        assert captured.out == ""
    assert one_child == []


@pytest.mark.parametrize(
    "flags",
    [
        ["--threads", "0"],
        ["--threads", "1,,2"],
        ["--threads", "two"],
        ["--runs", "0"],
        ["--warmup", "-1"],
        ["--size", "10"],
        ["--size", "64x64", "--image", "a.png"],
    ],
)
def test_bad_flags(flags, capsys):
    with pytest.raises(SystemExit) as left:
        main(["bench", MODEL, *flags])
    assert left.value.code == 2


def test_a_missing_picture(one_child, tmp_path, capsys):
    assert main(["bench", MODEL, "--image", str(tmp_path / "none.png")]) == 2
    assert "none.png" in capsys.readouterr().err


def report_of(**changes) -> dict:
    ms = {step: {"median": 10.04, "p90": 20.06} for step in STEPS}
    row = {"model": "a/m.tflite", "input_hw": [240, 320], "bytes": 5, "threads": 4}
    report = {
        "machine": {
            "board": "Raspberry Pi 5",
            "cpu": None,
            "platform": "Linux",
            "cores": 4,
            "governor": "ondemand",
            "interpreter": "ai-edge-litert 2.3.0",
        },
        "frame_wh": [640, 480],
        "resizer": "pillow",
        "frame": "noise",
        "runs": 50,
        "warm_up_runs": 5,
        "temperature_c": {"before": 48.4, "after": 61.2},
        "throttled": [],
        "rows": [{**row, "ms": ms, "peak_memory_bytes": 83_100_000}],
    }
    return {**report, **changes}


def test_table_by_hand():
    lines = format_bench(report_of()).splitlines()
    assert lines[0].rstrip() == ("Raspberry Pi 5, 4 cores, governor ondemand, ai-edge-litert 2.3.0")
    assert lines[2].rstrip() == "48 °C before, 61 °C after."
    assert lines[3] == "Throttled: no."
    header, rule, row = lines[5:]
    assert len(header) == len(rule) == len(row)
    assert {len(line.split("|")) for line in (header, rule, row)} == {10}
    assert [cell.strip() for cell in row.split("|")[1:-1]] == [
        *("m.tflite", "320x240", "4"),
        *["10.0 / 20.1"] * 4,
        "83 MB",
    ]


def test_what_was_not_measured_is_blank():
    rows = [{**report_of()["rows"][0], "ms": {}, "peak_memory_bytes": None}]
    nothing = {"before": None, "after": None}
    text = format_bench(report_of(rows=rows, temperature_c=nothing, throttled=None))
    assert "None" not in text
    assert "°C" not in text
    assert "hrottled" not in text
    assert [cell.strip() for cell in text.splitlines()[-1].split("|")[4:-1]] == [""] * 5


def test_throttling_during_the_run_is_told_also_when_it_came_and_went(monkeypatch):
    monkeypatch.setattr(bench, "BOARD_SECONDS", 0.0)
    states = [
        {"now": [], "since_boot": ["under-voltage"]},  # long ago: not ours
        {"now": ["throttled"], "since_boot": ["under-voltage", "throttled"]},
        {"now": [], "since_boot": ["under-voltage", "throttled"]},
        {"now": [], "since_boot": ["frequency capped", "under-voltage", "throttled"]},
    ]
    heat = iter([50.0, 70.0])
    monkeypatch.setattr(board, "read_throttling", lambda: states.pop(0))
    monkeypatch.setattr(board, "read_temperature", lambda: next(heat))
    monitor = bench.ThermalMonitor(2, lambda text: None)
    assert list(monitor.follow(range(2))) == [0, 1]
    assert monitor.throttled == ["frequency capped", "throttled"]
    assert monitor.temperature == {"before": 50.0, "after": 70.0}


def test_a_board_that_does_not_say(monkeypatch):
    monkeypatch.setattr(board, "read_throttling", lambda: None)
    monitor = bench.ThermalMonitor(1, lambda text: None)
    assert list(monitor.follow([0])) == [0]
    assert monitor.throttled is None


def test_memory_that_cannot_be_told_is_none(monkeypatch):
    monkeypatch.setattr(bench, "MEMORY_CHILD", "raise SystemExit(1)")
    detector = bench.Detector(MODEL, 1)
    assert bench.peak_memory(detector, (8, 8)) is None
