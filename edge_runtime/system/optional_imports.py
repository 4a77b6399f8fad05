"""Optional imports: packages of an extra, imported when they are used, and how to install them."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

# extra of this package → what pip installs for it
REQUIREMENTS = {
    "opencv": "opencv-python>=4.8",
    "mqtt": "paho-mqtt>=2.0",
    "camera": "picamera2>=0.3.18",
}

# Read when OpenCV is loaded and when FFmpeg first opens something. Whoever uses them says what
# failed; -8 is FFmpeg's AV_LOG_QUIET. What the user has set stands.
QUIET = {"cv2": {"OPENCV_LOG_LEVEL": "SILENT", "OPENCV_FFMPEG_LOGLEVEL": "-8"}}


def require(module: str, extra: str) -> ModuleType:
    """Import a module of an extra, which then keeps quiet.

    Raises: ImportError with the command that installs it on this system.
    """
    for variable, value in QUIET.get(module, {}).items():
        os.environ.setdefault(variable, value)
    try:
        return importlib.import_module(module)
    except (ImportError, ValueError) as error:
        if isinstance(error, ValueError) and "numpy" not in str(error):
            raise
        if isinstance(error, ModuleNotFoundError) and error.name == module.split(".")[0]:
            what = f"{module} is not installed"
        else:
            what = f"{module} is installed but does not load ({error})"
        raise ImportError(f"{what}; {cure(extra, error)}", name=module) from error


def cure(extra: str, error: Exception | None = None) -> str:
    """The command, with the extra of this package that it stands for."""
    if isinstance(error, ValueError):
        # "numpy.dtype size changed": Raspberry Pi OS Bookworm's packages are built for NumPy 1, and
        # find a newer one in the environment.
        return (
            f"{sys.executable} -m pip install 'numpy<2' ml_dtypes (and 'opencv-python<4.12', if "
            "pip installed OpenCV)"
        )
    if extra == "camera":
        return _camera_cure()
    if error is not None and "cannot open shared object file" in str(error):
        libraries = "libgl1 libglib2.0-0 libsm6 libxcb1"
        return f"sudo apt install {libraries} (OpenCV draws windows with them)"
    if extra == "opencv" and is_raspberry_pi_os() and (not in_venv() or venv_sees_system()):
        # pip's would bring a NumPy that Bookworm's picamera2 does not work with.
        return "sudo apt install python3-opencv (the extra `opencv`)"
    return f"{sys.executable} -m pip install '{REQUIREMENTS[extra]}' (the extra `{extra}`)"


def _camera_cure() -> str:
    """picamera2 needs libcamera's bindings, which Raspberry Pi OS has and PyPI has not."""
    if not is_raspberry_pi_os():
        return (
            "it needs libcamera's Python bindings, which come with Raspberry Pi OS only; elsewhere "
            "use usb:0, rtsp://…, a video file or a folder"
        )
    lines = "sudo apt install python3-picamera2 --no-install-recommends"
    if in_venv() and not venv_sees_system():
        # Installed by apt, it is still out of sight of a closed environment.
        lines += (
            f", and in {sys.prefix}/pyvenv.cfg set include-system-site-packages = true (or make "
            "the environment with python3 -m venv --system-site-packages)"
        )
    return f"{lines} (the extra `camera`)"


def in_venv() -> bool:
    """True in a virtual environment."""
    return sys.prefix != sys.base_prefix


def venv_sees_system() -> bool:
    """True if the environment was made with --system-site-packages."""
    try:
        lines = (Path(sys.prefix) / "pyvenv.cfg").read_text(errors="replace").lower().splitlines()
    except OSError:
        return True
    return any(line.replace(" ", "") == "include-system-site-packages=true" for line in lines)


def is_raspberry_pi_os() -> bool:
    """True on Raspberry Pi OS, which leaves a file of its own."""
    return Path("/etc/rpi-issue").exists()
