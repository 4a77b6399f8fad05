"""The board's sensors, from files and a program laid out as Raspberry Pi OS does."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edge_runtime.system import board
from tests.conftest import HANG, ROOT


@pytest.fixture(autouse=True)
def bare_board(tmp_path, monkeypatch):
    """A board that says nothing yet: folders for zones and monitors, and no vcgencmd."""
    for name in ("thermal", "hwmon", "bin"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(board, "_THERMAL", tmp_path / "thermal")
    monkeypatch.setattr(board, "_HWMON", tmp_path / "hwmon")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    board._vcgencmd.cache_clear()
    yield tmp_path
    board._vcgencmd.cache_clear()


def zone(folder, number, kind, temp):
    path = folder / "thermal" / f"thermal_zone{number}"
    path.mkdir()
    (path / "type").write_text(f"{kind}\n")
    if temp is not None:
        (path / "temp").write_text(f"{temp}\n")


def monitor(folder, number, name, alarm=None):
    path = folder / "hwmon" / f"hwmon{number}"
    path.mkdir()
    (path / "name").write_text(f"{name}\n")
    if alarm is not None:
        (path / "in0_lcrit_alarm").write_text(f"{alarm}\n")


def vcgencmd(folder, body):
    path = folder / "bin" / "vcgencmd"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_a_board_that_says_nothing(bare_board):
    assert board.read_temperature() is None
    assert board.read_throttling() is None


@pytest.mark.parametrize(
    ("zones", "degrees"),
    [
        ([("cpu-thermal", 48312)], 48.312),  # a Pi
        ([("nvme", 91000), ("cpu-thermal", 50000)], 50.0),  # not the hottest: the processor's
        ([("acpitz", 27800), ("x86_pkg_temp", 61000)], 61.0),  # a desktop: the hottest
        ([("cpu-thermal", 40000), ("cpu-thermal", 45000)], 45.0),  # two of a kind
        ([("cpu-thermal", None), ("gpu-thermal", 44000)], 44.0),  # a sensor that is off
        ([("cpu-thermal", "")], None),
    ],
)
def test_temperature(bare_board, zones, degrees):
    for number, (kind, temp) in enumerate(zones):
        zone(bare_board, number, kind, temp)
    assert board.read_temperature() == degrees


@pytest.mark.parametrize(
    ("said", "now", "since_boot"),
    [
        ("0x0", [], []),
        ("0x50000", [], ["under-voltage", "throttled"]),
        ("0x50005", ["under-voltage", "throttled"], ["under-voltage", "throttled"]),
        (
            "0xa000a",
            ["frequency capped", "soft temperature limit"],
            ["frequency capped", "soft temperature limit"],
        ),
    ],
)
def test_throttling_by_the_firmware(bare_board, said, now, since_boot):
    vcgencmd(bare_board, f'[ "$*" = get_throttled ] && echo throttled={said}')
    assert board.read_throttling() == {"now": now, "since_boot": since_boot}


@pytest.mark.parametrize(
    "body",
    ["echo VCHI initialization failed; exit 255", "echo throttled=", "exit 0"],
    ids=["no right", "no number", "nothing"],
)
def test_a_firmware_that_does_not_answer_leaves_the_kernel(bare_board, body):
    vcgencmd(bare_board, body)
    assert board.read_throttling() is None
    monitor(bare_board, 0, "cpu_thermal", alarm=0)
    monitor(bare_board, 1, "rpi_volt", alarm=1)
    assert board.read_throttling() == {"now": ["under-voltage"], "since_boot": []}


def test_the_kernel_says_that_all_is_well(bare_board):
    monitor(bare_board, 3, "rpi_volt", alarm=0)
    assert board.read_throttling() == {"now": [], "since_boot": []}


def test_memory():
    memory = board.read_memory()
    assert 0 < memory["available"] <= memory["total"]
    assert 0 < board.read_process_memory() <= memory["total"]


def test_peak_memory_is_of_this_process_and_not_of_its_parent():
    ballast = bytearray(200_000_000)
    code = "from edge_runtime.system import board; print(board.read_peak_memory())"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 0, done.stderr
    assert len(ballast) < board.read_peak_memory()
    assert 1e6 < int(done.stdout) < len(ballast)


def test_peak_memory_remembers_what_is_gone():
    code = (
        "from edge_runtime.system import board; ballast = bytearray(150_000_000); del ballast; "
        "print(board.read_peak_memory(), board.read_process_memory())"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANG)
    peak, now = map(int, done.stdout.split())
    assert peak > 150_000_000 > now
