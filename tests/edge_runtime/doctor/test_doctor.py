"""`doctor` on systems that lack something."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from types import ModuleType, SimpleNamespace

import pytest

from edge_runtime.__main__ import main
from edge_runtime.commands import doctor as doctor_command
from edge_runtime.detector.interpreter import RUNTIME_VERSION_MEMBER
from edge_runtime.detector.spec import embed, read_spec
from edge_runtime.doctor import camera_probe, software_checks
from edge_runtime.doctor.check import FAIL, NONE, OK, WARN, Check, failed, look
from tests.conftest import HANG, ROOT

MODEL = str(ROOT / "models" / "digits_int8.tflite")


@pytest.fixture(autouse=True)
def fresh_probe():
    software_checks._probe.cache_clear()
    yield
    software_checks._probe.cache_clear()


@pytest.fixture
def camera(camera_double, monkeypatch):
    """The double of picamera2, in the process of the probe as well."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "tests" / "doubles"), str(ROOT)]))
    camera_double()
    return camera_double


def camera_checks() -> list[Check]:
    return [
        software_checks.check_picamera2(),
        software_checks.check_pi_cameras(),
        software_checks.check_camera_colors(),
    ]


def test_a_whole_report_as_text_and_as_json():
    command = [sys.executable, "-m", "edge_runtime", "doctor", MODEL]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANG)
    found = subprocess.run(
        [*command, "--json"], cwd=ROOT, capture_output=True, text=True, timeout=HANG
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
        monkeypatch.setattr(doctor_command, "all_checks", lambda *_, c=check: [("t", lambda: c)])
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


def test_a_model_that_needs_a_newer_interpreter(tmp_path, monkeypatch):
    old = SimpleNamespace(distribution="tflite-runtime", version="2.0.0")
    monkeypatch.setattr("edge_runtime.detector.adapters.registry.find_runtime", lambda: old)
    path = tmp_path / "model.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3")
    embed(path, read_spec(MODEL), {RUNTIME_VERSION_MEMBER: "2.14.0"})
    check = software_checks.check_model(str(path))
    assert check.status == FAIL
    assert "2.14.0 or newer" in check.found
    assert check.cure == "pip install ai-edge-litert"


def test_no_interpreter(monkeypatch):
    monkeypatch.setattr(
        "edge_runtime.detector.interpreter.CANDIDATES", (("x", "no_such_module", "X"),)
    )
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

    monkeypatch.setattr("edge_runtime.system.optional_imports.require", lacks_gl)
    check = software_checks.check_opencv()
    assert (check.status, check.cure) == (WARN, "apt install libgl1")


def test_a_pi_camera_whose_red_is_red(camera):
    camera(scene="bars")
    package, found, colors = camera_checks()
    assert [package.status, found.status, colors.status] == [OK, OK, OK]
    assert found.found == "imx219"


@pytest.mark.parametrize(
    ("settings", "statuses", "said"),
    [
        ({"swapped": True}, [OK, OK, FAIL], "red and blue are swapped"),
        ({"scene": "halves"}, [OK, OK, WARN], "too grey"),
        ({"main_format": "NV12", "lores_format": "NV12"}, [OK, OK, WARN], "it gives NV12"),
        ({"busy": True}, [OK, OK, WARN], "did not complete"),
        ({"cameras": 0}, [OK, WARN, NONE], "no Pi camera"),
        ({"die_after": 0}, [FAIL, NONE, NONE], "no Pi camera"),
    ],
    ids=("swapped", "grey", "nv12", "busy", "none", "crash"),
)
def test_a_pi_camera_with_a_fault(camera, settings, statuses, said):
    camera(**settings)
    checks = camera_checks()
    assert [check.status for check in checks] == statuses
    assert said in checks[-1].found
    assert all(check.cure for check in checks if check.status in (WARN, FAIL))


def test_a_camera_that_hangs_does_not_hang_the_doctor(camera, monkeypatch):
    camera(hang_on_open=True)
    monkeypatch.setattr(camera_probe, "PROBE_SECONDS", 1.0)
    started = time.monotonic()
    assert "no answer within" in software_checks.check_picamera2().found
    assert time.monotonic() - started < 300  # it would hang for ever


def test_picamera2_is_a_warning_on_a_pi_only(monkeypatch):
    for is_pi, status in ((True, WARN), (False, NONE)):
        monkeypatch.setattr(
            "edge_runtime.system.optional_imports.is_raspberry_pi_os", lambda is_pi=is_pi: is_pi
        )
        check = software_checks.check_picamera2()
        assert check.status == status
        assert bool("apt install" in check.cure) == is_pi
