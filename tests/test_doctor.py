"""What `doctor` says of systems that lack something."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from edge_runtime import doctor_command
from edge_runtime.__main__ import main
from edge_runtime.doctor import board_checks, camera_probe, software_checks
from edge_runtime.doctor.check import FAIL, NONE, OK, WARN, Check, failed, look
from edge_runtime.doctor.colour_order import encode_pillow, keeps_red, order_of, planes
from tests.conftest import ROOT

MODEL = str(ROOT / "models" / "digits_int8.tflite")


@pytest.fixture(autouse=True)
def fresh_probe():
    software_checks._probe.cache_clear()
    yield
    software_checks._probe.cache_clear()


@pytest.fixture
def camera(tmp_path, monkeypatch):
    """Installs the stand-in for picamera2, in a given mood."""
    shutil.copy(ROOT / "tests" / "fake_picamera2.py", tmp_path / "picamera2.py")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT)]))
    monkeypatch.syspath_prepend(str(tmp_path))

    def choose(mode):
        monkeypatch.setenv("FAKE_CAMERA", mode)

    return choose


def camera_checks() -> list[Check]:
    return [
        software_checks.check_picamera2(),
        software_checks.check_pi_cameras(),
        software_checks.check_camera_colours(),
    ]


def test_a_whole_report_as_text_and_as_json():
    command = [sys.executable, "-m", "edge_runtime", "doctor", MODEL]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    found = subprocess.run(
        [*command, "--json"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    checks = json.loads(found.stdout)["checks"]
    names = [name for name, _ in doctor_command.all_checks(MODEL)]
    assert [check["name"] for check in checks] == names
    for check in checks:
        assert set(check) == {"name", "status", "found", "cure"}
        assert "the check broke" not in check["found"], check
        assert check["cure"] or check["status"] in (OK, NONE), check
        assert "\n" not in check["cure"]
        assert any(check["name"] in line for line in done.stdout.splitlines())
    by_name = {check["name"]: check for check in checks}
    assert by_name["model"]["status"] == OK
    assert by_name["model"]["found"].startswith("digits_int8.tflite: 320x320, 10 classes")
    failed_here = any(check["status"] == FAIL for check in checks)
    assert done.returncode == found.returncode == failed_here


def test_exit_status_is_that_of_the_worst(monkeypatch, capsys):
    for status, code in ((OK, 0), (WARN, 0), (NONE, 0), (FAIL, 1)):
        check = Check("thing", status, "what is there", "do this")
        monkeypatch.setattr(doctor_command, "all_checks", lambda m, c=check: [("t", lambda: c)])
        assert main(["doctor"]) == code
        said = capsys.readouterr().out
        assert doctor_command.MARKS[status] in said.split()
        assert "-> do this" in said


def test_a_check_that_breaks_is_a_finding_and_the_others_go_on():
    def broken():
        raise RuntimeError("no such thing")

    first, second = look([("odd", broken), ("fine", lambda: Check("fine", OK, "yes"))])
    assert (first.name, first.status) == ("odd", FAIL)
    assert "RuntimeError: no such thing" in first.found
    assert second.status == OK


def test_an_error_of_this_project_is_split_into_what_and_cure():
    check = failed("x", ValueError("a is not\nb; c, too; do d"))
    assert (check.found, check.cure) == ("a is not b; c, too", "do d")
    assert failed("x", ValueError("bare")).found == "bare"


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"", "not a TFLite file"), (None, "none.tflite"), (b"xxxxTFL3" + bytes(99), "none.tflite")],
)
def test_a_bad_model(tmp_path, capsys, content, expected):
    path = tmp_path / "none.tflite"
    if content is not None:
        path.write_bytes(content)
    check = software_checks.check_model(str(path))
    assert check.status == FAIL
    assert expected in check.found or "spec" in check.found
    assert check.cure


def test_a_model_that_needs_a_newer_interpreter(monkeypatch):
    old = SimpleNamespace(distribution="tflite-runtime", version="2.0.0")
    monkeypatch.setattr(software_checks, "find_runtime", lambda: old)
    monkeypatch.setattr(
        "edge_runtime.runtime.read_member", lambda path, name: "2.14.0"
    )  # what the model says
    check = software_checks.check_model(MODEL)
    assert check.status == FAIL
    assert "2.14.0 or newer" in check.found
    assert check.cure == "pip install ai-edge-litert"


def test_no_interpreter(monkeypatch):
    monkeypatch.setattr("edge_runtime.runtime.CANDIDATES", (("x", "no_such_module", "X"),))
    check = software_checks.check_interpreter()
    assert check.status == FAIL
    assert "pip install" in check.cure


@pytest.mark.parametrize(
    ("built", "said"),
    [("  GUI:                           QT5\n", "with windows"), ("  GUI:    NONE\n", "headless")],
)
def test_opencv_with_and_without_windows(monkeypatch, built, said):
    cv2 = ModuleType("cv2")
    cv2.__version__ = "4.9"
    cv2.getBuildInformation = lambda: f"General\n{built}"
    monkeypatch.setitem(sys.modules, "cv2", cv2)
    check = software_checks.check_opencv()
    assert check.status == OK
    assert said in check.found


def test_missing_and_broken_packages(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    assert software_checks.check_opencv().status == NONE
    assert "pip install" in software_checks.check_opencv().cure
    assert software_checks.check_mqtt().status == NONE

    def lacks_gl(module, extra):
        raise ImportError("cv2 is installed but does not load (libGL.so.1); apt install libgl1")

    monkeypatch.setattr("edge_runtime.extras.require", lacks_gl)
    check = software_checks.check_opencv()
    assert (check.status, check.cure) == (WARN, "apt install libgl1")


def test_a_pi_camera_whose_red_is_red(camera):
    camera("right")
    package, found, colours = camera_checks()
    assert [package.status, found.status, colours.status] == [OK, OK, OK]
    assert found.found == "imx708"


@pytest.mark.parametrize(
    ("mode", "statuses", "said"),
    [
        ("swapped", [OK, OK, FAIL], "red and blue are swapped"),
        ("grey", [OK, OK, WARN], "too grey"),
        ("nv12", [OK, OK, WARN], "it gives NV12"),
        ("busy", [OK, OK, WARN], "did not complete"),
        ("none", [OK, WARN, NONE], "no Pi camera"),
        ("crash", [FAIL, NONE, NONE], "no Pi camera"),
    ],
)
def test_a_pi_camera_with_a_fault(camera, mode, statuses, said):
    camera(mode)
    checks = camera_checks()
    assert [check.status for check in checks] == statuses
    assert said in checks[-1].found
    assert all(check.cure for check in checks if check.status in (WARN, FAIL))


def test_a_camera_that_hangs_does_not_hang_the_doctor(camera, monkeypatch):
    camera("hang")
    monkeypatch.setattr(camera_probe, "PROBE_SECONDS", 1.0)
    started = time.monotonic()
    assert "no answer within" in software_checks.check_picamera2().found
    assert time.monotonic() - started < 300  # it would sleep for 600


def test_picamera2_is_a_warning_on_a_pi_only(monkeypatch):
    for is_pi, status in ((True, WARN), (False, NONE)):
        monkeypatch.setattr("edge_runtime.extras.is_raspberry_pi_os", lambda is_pi=is_pi: is_pi)
        check = software_checks.check_picamera2()
        assert check.status == status
        assert bool("apt install" in check.cure) == is_pi


def noisy_picture():
    random = np.random.default_rng(1)
    picture = random.integers(60, 190, (60, 80, 3), np.uint8)
    picture[:20] //= 2
    picture[20:, :30, 2] //= 3
    return picture


@pytest.mark.parametrize("times", [1, 2])
def test_order_of(times):
    picture = noisy_picture().repeat(times, axis=0).repeat(times, axis=1)
    _, u, v = Image.fromarray(noisy_picture()).convert("YCbCr").split()
    small = [np.asarray(plane)[::2, ::2] for plane in (u, v)]
    assert order_of(picture, *small) == "RGB"
    assert order_of(picture[..., ::-1], *small) == "BGR"
    grey = picture.mean(axis=2, keepdims=True).astype(np.uint8).repeat(3, axis=2)
    flat = np.full_like(small[0], 128)
    assert order_of(grey, flat, flat) is None


def test_planes_by_hand():
    """4 x 4 pixels, a stride of 6: U and V have rows of 3 bytes, of which 2 count."""
    yuv = np.zeros((6, 6), np.uint8)
    yuv[4] = [1, 2, 99, 3, 4, 99]
    yuv[5] = [5, 6, 99, 7, 8, 99]
    u, v = planes(yuv, (4, 4))
    assert u.tolist() == [[1, 2], [3, 4]]
    assert v.tolist() == [[5, 6], [7, 8]]


def test_a_library_that_swaps_colours_is_found(monkeypatch):
    assert keeps_red(encode_pillow)
    assert not keeps_red(lambda picture: encode_pillow(picture[..., ::-1].copy()))
    monkeypatch.setattr(
        "edge_runtime.doctor.colour_order.encode_pillow",
        lambda picture: encode_pillow(picture[..., ::-1].copy()),
    )
    check = software_checks.check_colours()
    assert check.status == FAIL
    assert "Pillow" in check.found


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
    monkeypatch.setattr("edge_runtime.board.read_temperature", lambda: degrees)
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
    monkeypatch.setattr("edge_runtime.board.read_throttling", lambda: state)
    check = board_checks.check_throttling()
    assert check.status == status
    assert cure in check.cure
    monkeypatch.setattr("edge_runtime.board.read_throttling", lambda: None)
    assert board_checks.check_throttling().status == NONE


def test_cores(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    for usable, status in ((4, OK), (2, WARN)):
        monkeypatch.setattr(board_checks, "available_cores", lambda usable=usable: usable)
        assert board_checks.check_cores().status == status


def test_memory(monkeypatch):
    for available, status in ((2e9, OK), (1e8, WARN)):
        memory = {"total": 4e9, "available": available}
        monkeypatch.setattr("edge_runtime.board.read_memory", lambda memory=memory: memory)
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
