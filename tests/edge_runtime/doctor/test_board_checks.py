"""`doctor` on a board: its cameras, heat, power, disk, clock and service."""

from __future__ import annotations

import os
import shutil
import time
from collections import namedtuple
from types import SimpleNamespace

import pytest

from edge_runtime.doctor import board_checks
from edge_runtime.doctor.check import FAIL, NONE, OK, WARN


@pytest.fixture
def sysfs(tmp_path, monkeypatch):
    """Folders as the kernel lays them out."""
    monkeypatch.setattr(board_checks, "_VIDEO", tmp_path / "video4linux")
    monkeypatch.setattr(board_checks, "_DEVICES", tmp_path / "dev")
    monkeypatch.setattr(board_checks, "_CPUFREQ", tmp_path / "cpufreq")
    for name in ("video4linux", "dev", "cpufreq"):
        (tmp_path / name).mkdir()
    return tmp_path


def video_node(folder, number, bus, name, index=0):
    device = folder / "devices" / bus
    device.mkdir(parents=True, exist_ok=True)
    node = folder / "video4linux" / f"video{number}"
    node.mkdir()
    (node / "device").symlink_to(device)
    (node / "name").write_text(f"{name}\n")
    (node / "index").write_text(f"{index}\n")
    (folder / "dev" / f"video{number}").write_bytes(b"")


def test_usb_cameras_are_told_from_the_boards_own_nodes(sysfs, monkeypatch):
    assert board_checks.check_usb_cameras().status == NONE
    video_node(sysfs, 10, "platform/bcm2835-codec", "bcm2835-codec-decode")
    assert board_checks.check_usb_cameras().status == NONE
    video_node(sysfs, 0, "platform/usb1/1-1/1-1:1.0", "HD Webcam")
    video_node(sysfs, 1, "platform/usb1/1-1/1-1:1.0", "HD Webcam", index=1)  # its metadata
    check = board_checks.check_usb_cameras()
    assert (check.status, check.found) == (OK, "usb:0 (HD Webcam)")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    check = board_checks.check_usb_cameras()
    assert check.status == FAIL
    assert "/dev/video0" in check.found
    assert "usermod -aG video" in check.cure


def test_group_video(sysfs, monkeypatch):
    grp = pytest.importorskip("grp", reason="this system has no groups")
    monkeypatch.setattr(grp, "getgrnam", lambda name: SimpleNamespace(gr_gid=4444))
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(os, "getgid", lambda: 1000)
    monkeypatch.setattr(os, "getgroups", lambda: [4444])
    assert board_checks.check_group().status == OK
    monkeypatch.setattr(os, "getgroups", lambda: [])
    assert board_checks.check_group().status == NONE  # a desktop without any camera
    video_node(sysfs, 10, "platform/isp", "isp")
    assert board_checks.check_group().status == WARN


@pytest.mark.parametrize(
    ("governor", "driver", "status"),
    [
        ("performance", "cpufreq-dt", OK),
        ("ondemand", "cpufreq-dt", OK),
        ("powersave", "cpufreq-dt", WARN),
        ("powersave", "intel_pstate", OK),
        (None, None, NONE),
    ],
)
def test_governor(sysfs, governor, driver, status):
    if governor is not None:
        (sysfs / "cpufreq" / "scaling_governor").write_text(f"{governor}\n")
        (sysfs / "cpufreq" / "scaling_driver").write_text(f"{driver}\n")
    check = board_checks.check_governor()
    assert check.status == status
    assert bool(check.cure) == (status == WARN)


@pytest.mark.parametrize(
    ("degrees", "status"), [(None, NONE), (69.9, OK), (70.0, WARN), (80.0, WARN)]
)
def test_temperature(monkeypatch, degrees, status):
    monkeypatch.setattr("edge_runtime.system.board.read_temperature", lambda: degrees)
    assert board_checks.check_temperature().status == status


@pytest.mark.parametrize(
    ("now", "since_boot", "status", "cure"),
    [
        ([], [], OK, ""),
        ([], ["under-voltage"], WARN, "power supply"),
        (["throttled"], ["throttled"], FAIL, "heat sink"),
        (["under-voltage", "throttled"], [], FAIL, "power supply"),
    ],
)
def test_throttling(monkeypatch, now, since_boot, status, cure):
    state = {"now": now, "since_boot": since_boot}
    monkeypatch.setattr("edge_runtime.system.board.read_throttling", lambda: state)
    check = board_checks.check_throttling()
    assert check.status == status
    assert cure in check.cure
    monkeypatch.setattr("edge_runtime.system.board.read_throttling", lambda: None)
    assert board_checks.check_throttling().status == NONE


def test_cores(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    for usable, status in ((4, OK), (2, WARN)):
        monkeypatch.setattr(board_checks, "available_cores", lambda usable=usable: usable)
        assert board_checks.check_cores().status == status


def test_memory(monkeypatch):
    for available, status in ((2e9, OK), (1e8, WARN)):
        memory = {"total": 4e9, "available": available}
        monkeypatch.setattr("edge_runtime.system.board.read_memory", lambda memory=memory: memory)
        assert board_checks.check_memory().status == status


@pytest.mark.parametrize(("free", "status"), [(9e9, OK), (1e8, WARN), (1e6, FAIL)])
def test_disk(monkeypatch, tmp_path, free, status):
    usage = namedtuple("usage", "total used free")(10e9, 1e9, free)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    check = board_checks.check_disk(str(tmp_path / "m.tflite"))
    assert check.status == status
    assert str(tmp_path) in check.found


def test_a_card_that_turned_read_only(monkeypatch, tmp_path):
    sound = SimpleNamespace(f_flag=os.ST_RDONLY, f_bavail=9, f_bfree=9, f_blocks=9, f_frsize=1e9)
    monkeypatch.setattr(os, "statvfs", lambda place: sound)
    check = board_checks.check_disk(str(tmp_path / "m.tflite"))
    assert check.status == FAIL
    assert "read-only" in check.found


@pytest.mark.parametrize(
    ("year", "synchronised", "status"),
    [(2026, "yes", OK), (2026, None, OK), (2026, "no", WARN), (1970, "no", FAIL)],
)
def test_clock(monkeypatch, year, synchronised, status):
    monkeypatch.setattr(time, "localtime", lambda: SimpleNamespace(tm_year=year))
    monkeypatch.setattr(time, "strftime", lambda form: f"{year}-01-01")
    monkeypatch.setattr(board_checks, "_ask", lambda *command: synchronised)
    check = board_checks.check_clock()
    assert check.status == status
    assert bool(check.cure) == (status != OK)


@pytest.mark.parametrize(
    ("load", "active", "enabled", "status"),
    [
        ("loaded", "active", "enabled", OK),
        ("loaded", "active", "disabled", WARN),
        ("loaded", "failed", "enabled", FAIL),
        ("loaded", "activating", "enabled", FAIL),
        ("not-found", "inactive", "", NONE),
    ],
)
def test_service(monkeypatch, load, active, enabled, status):
    said = (
        f"NRestarts=3\nStatusText=running, 5 = many\nLoadState={load}\nActiveState={active}\n"
        f"SubState=x\nUnitFileState={enabled}"
    )
    monkeypatch.setattr(board_checks, "_ask", lambda *command: said)
    check = board_checks.check_service()
    assert check.status == status
    if load == "loaded":
        assert "3 restarts, running, 5 = many" in check.found


def test_no_systemd(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert board_checks.check_service().status == NONE
