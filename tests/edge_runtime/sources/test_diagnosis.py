"""Diagnosis of a camera without an image: folders stand in for /dev, host names are looked up."""

import os
from pathlib import Path

import pytest

from edge_runtime.sources import diagnosis


def test_a_host_that_nobody_knows():
    why = diagnosis.why_no_stream("rtsp://camera.invalid/x", 5)
    assert "host camera.invalid is not known" in why


@pytest.mark.parametrize("url", ["rtsp:///x", "rtsp://host:99999/x", "rtsp://[1/x"])
def test_what_is_no_address(url):
    assert "no such address" in diagnosis.why_no_stream(url, 1)


@pytest.fixture
def devices(tmp_path, monkeypatch):
    """Folders in place of /dev and the names that drivers give; nothing in them is a camera."""
    names = {"video0": "unicam-image", "video10": "bcm2835-codec-decode", "video2": "HD Webcam"}
    for node, name in names.items():
        (tmp_path / node).touch()
        (tmp_path / "names" / node).mkdir(parents=True)
        (tmp_path / "names" / node / "name").write_text(f"{name}\n")
    monkeypatch.setattr(diagnosis, "_DEV", tmp_path)
    monkeypatch.setattr(diagnosis, "_NAMES", tmp_path / "names")
    return tmp_path


def test_the_cameras_that_there_are(devices):
    assert [Path(node).name for node in diagnosis.video_devices()] == [
        "video0",
        "video2",
        "video10",
    ]
    why = diagnosis.why_no_device("usb:7")
    assert f"there is no {devices}/video7; there are {devices}/video0 (unicam-image), " in why


def test_many_cameras_are_not_all_listed(devices):
    for number in range(20, 40):
        (devices / f"video{number}").touch()
    why = diagnosis.why_no_device("usb:7")
    assert why.endswith("video24 and 15 more") and "video25" not in why


def test_no_camera_at_all(devices):
    for node in devices.glob("video*"):
        node.unlink()
    assert "no /dev/video* at all" in diagnosis.why_no_device("usb:0")


def test_no_permission(devices, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setenv("LOGNAME", "pi")
    assert "sudo usermod -aG video pi, then log in again" in diagnosis.why_no_device("usb:2")


def test_the_ribbon_cables_raw_node(devices):
    why = diagnosis.why_no_device("usb:0")
    assert "(unicam-image) is the raw sensor" in why and "--source picamera2" in why


def test_a_device_without_a_picture(devices):
    (devices / "by-id").symlink_to(devices / "video2")
    for text in ("usb:2", str(devices / "video2"), str(devices / "by-id")):
        why = diagnosis.why_no_device(text)
        assert "(HD Webcam) delivers no picture; another program may hold it (fuser -v" in why
