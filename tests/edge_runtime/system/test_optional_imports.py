"""A missing extra: the message has the line that installs it, on this system."""

import sys
from types import SimpleNamespace

import pytest

from edge_runtime.system import optional_imports as extras
from edge_runtime.system.optional_imports import require


@pytest.fixture
def system(monkeypatch):
    """Which system and environment the messages are for."""

    def set_up(raspberry_pi_os: bool, venv: bool = True, sees_system: bool = True):
        monkeypatch.setattr(extras, "is_raspberry_pi_os", lambda: raspberry_pi_os)
        monkeypatch.setattr(extras, "in_venv", lambda: venv)
        monkeypatch.setattr(extras, "venv_sees_system", lambda: sees_system)

    return set_up


@pytest.fixture
def missing(monkeypatch):
    for name in ("cv2", "picamera2", "paho", "paho.mqtt.client"):
        monkeypatch.setitem(sys.modules, name, None)


def test_what_is_there_is_imported():
    assert require("json", "web").dumps([1]) == "[1]"


@pytest.mark.parametrize(
    ("module", "extra", "said"),
    [
        ("cv2", "opencv", "pip install 'opencv-python>=4.8' (the extra `opencv`)"),
        ("paho.mqtt.client", "mqtt", "pip install 'paho-mqtt>=2.0' (the extra `mqtt`)"),
    ],
)
def test_pip_installs_it_elsewhere(system, missing, module, extra, said):
    system(raspberry_pi_os=False)
    with pytest.raises(ImportError) as caught:
        require(module, extra)
    assert said in str(caught.value) and sys.executable in str(caught.value)


def test_apt_installs_opencv_beside_the_systems_numpy(system, missing):
    system(raspberry_pi_os=True)
    with pytest.raises(ImportError, match="sudo apt install python3-opencv"):
        require("cv2", "opencv")
    system(raspberry_pi_os=True, sees_system=False)
    with pytest.raises(ImportError, match="pip install 'opencv-python"):
        require("cv2", "opencv")


def test_the_camera_comes_with_raspberry_pi_os_only(system, missing):
    system(raspberry_pi_os=False)
    with pytest.raises(ImportError, match=r"Raspberry Pi OS only; elsewhere use usb:0"):
        require("picamera2", "camera")


def test_a_closed_environment_is_told_how_to_see_the_systems_camera(system, missing):
    system(raspberry_pi_os=True, sees_system=False)
    with pytest.raises(ImportError) as caught:
        require("picamera2", "camera")
    assert "sudo apt install python3-picamera2" in str(caught.value)
    assert "include-system-site-packages = true" in str(caught.value)
    system(raspberry_pi_os=True)
    with pytest.raises(ImportError) as caught:
        require("picamera2", "camera")
    assert "include-system" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ImportError("libGL.so.1: cannot open shared object file"), "sudo apt install libgl1"),
        (ValueError("numpy.dtype size changed, may indicate"), "numpy<2"),
    ],
)
def test_what_is_installed_but_broken_is_told_apart(system, monkeypatch, error, said):
    system(raspberry_pi_os=False)

    def fail(name):
        raise error

    monkeypatch.setattr(extras, "importlib", SimpleNamespace(import_module=fail))
    with pytest.raises(ImportError) as caught:
        require("cv2", "opencv")
    assert "does not load" in str(caught.value) and said in str(caught.value)


@pytest.mark.parametrize(
    ("line", "sees"),
    [
        ("include-system-site-packages = true", True),
        ("include-system-site-packages = false", False),
    ],
)
def test_an_environment_says_what_it_sees(tmp_path, monkeypatch, line, sees):
    (tmp_path / "pyvenv.cfg").write_text(f"home = /usr/bin\n{line}\nversion = 3.11.2\n")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert extras.venv_sees_system() is sees
