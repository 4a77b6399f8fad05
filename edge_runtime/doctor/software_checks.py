"""Software checks of `edge-runtime doctor`: Python, packages, the model, channel order."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import sys
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import numpy as np

from edge_runtime.detector.detector import Detector
from edge_runtime.detector.interpreter import find_runtime
from edge_runtime.detector.latency import timed_detect
from edge_runtime.doctor import camera_probe
from edge_runtime.doctor.check import FAIL, NONE, OK, WARN, Check, failed
from edge_runtime.system import optional_imports

OLDEST_PYTHON = (3, 10)


def check_python() -> Check:
    """Version, width and environment."""
    bits = 64 if sys.maxsize > 2**32 else 32
    where = "no venv"
    if optional_imports.in_venv():
        sees = "sees" if optional_imports.venv_sees_system() else "does not see"
        where = f"a venv that {sees} the system's packages"
    found = f"{platform.python_version()}, {bits} bits, {where} ({sys.prefix})"
    if sys.version_info < OLDEST_PYTHON:
        return Check("Python", FAIL, found, "Raspberry Pi OS Bookworm or newer has 3.11 or newer")
    if bits == 32:
        cure = "the 64-bit Raspberry Pi OS: the maintained interpreter has no 32-bit wheels"
        return Check("Python", WARN, found, cure)
    return Check("Python", OK, found)


def check_numpy() -> Check:
    """NumPy and Pillow, without which nothing of this would run."""
    return Check("numpy", OK, f"{np.__version__}, Pillow {metadata.version('pillow')}")


def check_interpreter() -> Check:
    """TFLite interpreter: the one that runs models."""
    try:
        return Check("interpreter", OK, str(find_runtime()))
    except ImportError as error:
        return failed("interpreter", error)


def check_model(path: str | None, family: str | None = None, labels: Path | None = None) -> Check:
    """The model: the interpreter is new enough for it, loads it and runs it.

    family, labels: as in `Detector`.
    """
    if path is None:
        return Check("model", NONE, "none named", "edge-runtime doctor MODEL tries it")
    try:
        detector = Detector(path, family=family, labels=labels)
        height, width = detector.input_hw
        frame = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        timed_detect(detector, frame)  # the first pays for much that the others do not
        milliseconds = timed_detect(detector, frame)[1]["inference"]
    except (OSError, ValueError, ImportError) as error:
        return failed("model", error)
    threads = f"{detector.num_threads} thread{'s' * (detector.num_threads > 1)}"
    return Check(
        "model",
        OK,
        f"{Path(path).name}: {width}x{height}, {len(detector.class_names)} classes, "
        f"{milliseconds} ms with {threads}; {detector.family}",
    )


def check_opencv() -> Check:
    """OpenCV: installed, and able to open windows."""
    try:
        cv2 = optional_imports.require("cv2", "opencv")
    except ImportError as error:
        check = failed("OpenCV", error, WARN)
        if "is not installed" not in check.found:
            return check
        found = "not installed; usb:N, rtsp://, video files and windows need it"
        return Check("OpenCV", NONE, found, check.cure)
    built = re.search(r"^\s*GUI:\s*(.*)$", cv2.getBuildInformation(), re.MULTILINE)
    headless = built is None or built[1].strip().upper() in ("", "NONE")
    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    windows = "headless: no windows" if headless else "with windows"
    if not headless and not display:
        windows += ", but no display here"
    return Check("OpenCV", OK, f"{cv2.__version__}, {windows}")


def check_picamera2() -> Check:
    """picamera2: installed and loadable, tried in a process of its own."""
    if not _is_there("picamera2"):
        cure = optional_imports.cure("camera")
        if optional_imports.is_raspberry_pi_os():
            return Check("picamera2", WARN, "not installed; the Pi's own camera needs it", cure)
        return Check("picamera2", NONE, "not installed", cure)
    seen = _probe()
    if "version" not in seen:
        return Check("picamera2", FAIL, seen["error"], optional_imports.cure("camera"))
    return Check("picamera2", OK, seen["version"])


def check_pi_cameras() -> Check:
    """Cameras that picamera2 finds."""
    seen = _probe() if _is_there("picamera2") else {}
    if "cameras" not in seen:
        return Check("Pi camera", NONE, "not looked for: picamera2 is not in order")
    if not seen["cameras"]:
        cure = (
            "with the power off, look at both ends of the cable; camera_auto_detect=1 in "
            "/boot/firmware/config.txt; rpicam-hello --list-cameras"
        )
        return Check("Pi camera", WARN, "none found", cure)
    return Check("Pi camera", OK, ", ".join(seen["cameras"]))


def check_camera_colors() -> Check:
    """Channel order: the Pi's camera delivers RGB where this project takes it for RGB."""
    name = "camera colours"
    seen = _probe() if _is_there("picamera2") else {}
    if not seen.get("cameras"):
        return Check(name, NONE, "no Pi camera to look through")
    if seen["error"]:
        cure = "if a service or a program uses the camera, stop it and look again"
        return Check(name, WARN, f"no picture: {seen['error']}", cure)
    if seen["order"] is None:
        cure = "show it something red or blue and look again"
        return Check(name, WARN, "the picture is too grey to tell", cure)
    if seen["order"] != "RGB":
        cure = "sudo apt full-upgrade, then report it with `edge-runtime doctor --json`"
        return Check(name, FAIL, "red and blue are swapped", cure)
    return Check(name, OK, "red is red, as the same frame in YUV proves")


def check_colors() -> Check:
    """Channel order: the libraries that write and read images keep red and blue apart."""
    ways = {"Pillow": camera_probe.encode_pillow}
    if _is_there("cv2"):
        ways["OpenCV"] = camera_probe.encode_opencv
    wrong = [name for name, encode in ways.items() if not camera_probe.keeps_red(encode)]
    if wrong:
        cure = f"{sys.executable} -m pip install --force-reinstall pillow opencv-python"
        return Check("colours", FAIL, f"{' and '.join(wrong)}: red does not stay red", cure)
    return Check("colours", OK, f"{' and '.join(ways)}: red stays red")


def check_mqtt() -> Check:
    """paho-mqtt: installed, in a version that will do."""
    cure = optional_imports.cure("mqtt")
    try:
        optional_imports.require("paho.mqtt.client", "mqtt")
        version = metadata.version("paho-mqtt")
    except (ImportError, metadata.PackageNotFoundError):
        return Check("paho-mqtt", NONE, "not installed; --mqtt needs it", cure)
    if int(version.split(".")[0]) < 2:
        return Check("paho-mqtt", WARN, f"{version}, 2.0 expected by --mqtt", cure)
    return Check("paho-mqtt", OK, version)


def _is_there(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@lru_cache(maxsize=1)
def _probe() -> dict:
    return camera_probe.probe()
