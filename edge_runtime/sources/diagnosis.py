"""Diagnosis of a camera or stream that gives no picture, and the cure."""

from __future__ import annotations

import getpass
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

from edge_runtime.sources.address import ESCAPES, HIDDEN, public_source

_DEV = Path("/dev")
_NAMES = Path("/sys/class/video4linux")

BAD_ADDRESS = f"no such address: HOST[:PORT]/PATH expected behind the scheme; {ESCAPES}"
RTSP_VARIABLE = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
# What the Pi's drivers call the nodes behind the ribbon cable; their data are of the raw sensor.
RIBBON = ("unicam", "rp1-cfe")
LISTED = 8  # devices in a message: a Pi has twenty, most of them codecs


def video_devices() -> dict[str, str]:
    """/dev/videoN → the name that its driver gives it, by number."""
    nodes = [node for node in _DEV.glob("video*") if node.name[5:].isdecimal()]
    nodes.sort(key=lambda node: int(node.name[5:]))
    return {str(node): _driver_name(node) for node in nodes}


def why_no_device(text: str) -> str:
    """For usb:N, or the path of a device."""
    kind, _, number = text.partition(":")
    node = _DEV / f"video{number}" if kind == "usb" else Path(text)
    if not node.exists():
        return f"there is no {node}; {_what_there_is()}"
    if not os.access(node, os.R_OK | os.W_OK):
        return (
            f"no permission to use {node}; sudo usermod -aG video {_user()}, then log in again "
            "(a service: restart it)"
        )
    name = _driver_name(node.resolve())
    if name.startswith(RIBBON):
        return (
            f"{node} ({name}) is the raw sensor of a camera on the ribbon cable, which OpenCV "
            "cannot read; use --source picamera2"
        )
    named = f" ({name})" if name else ""
    return (
        f"{node}{named} delivers no picture; another program may hold it (fuser -v {node} tells), "
        "it may be no camera (v4l2-ctl --list-devices), or it wants to be plugged in again; a "
        "camera on a Pi's ribbon cable is read with --source picamera2"
    )


def why_no_stream(url: str, seconds: float) -> str:
    """For rtsp:// and http://. seconds: to wait at most for an answer."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or PORTS[parts.scheme]
    except (ValueError, KeyError):
        host = None
    if not host:
        return BAD_ADDRESS
    if HIDDEN in public_source(url):  # what seems to be the host may be a part of a password
        return f"no video, and which part of the address is the host is not certain: {ESCAPES}"
    try:
        socket.create_connection((host, port), seconds).close()
    except socket.gaierror:
        return f"the host {host} is not known; check the name, or use the camera's IP address"
    except ConnectionRefusedError:
        return f"{host} refuses port {port}; check the port, and that the camera's server is on"
    except OSError as error:
        return f"{host} does not answer at port {port} ({error}); is the camera on, and reachable?"
    why = (
        f"{host} answers at port {port}, but gives no video; check path, user and password "
        "(with ffplay, say), and that its codec is H.264, H.265 or MJPEG"
    )
    if parts.scheme in ("rtsp", "rtsps") and "udp" not in os.environ.get(RTSP_VARIABLE, ""):
        why += (
            "; a camera that sends over UDP alone wants the environment variable "
            f"{RTSP_VARIABLE}='rtsp_transport;udp'"
        )
    return why


def _what_there_is() -> str:
    devices = video_devices()
    if not devices:
        return (
            "no /dev/video* at all: is a camera plugged in (lsusb)? A camera on a Pi's ribbon "
            "cable is read with --source picamera2"
        )
    names = [f"{node} ({name})" if name else node for node, name in devices.items()]
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"there are {', '.join(names[:LISTED])}{more}"


def _driver_name(node: Path) -> str:
    try:
        return (_NAMES / node.name / "name").read_text(errors="replace").strip()
    except OSError:
        return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no name for this number
        return "$USER"
