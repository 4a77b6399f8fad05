"""Imported before picamera2: removes what stands between it and libcamera's virtual camera.

Tried with Debian Trixie's libcamera 0.4.0 and picamera2 0.3.38. Everything else of both runs as it
is. Nothing of this is needed on a Pi, and nothing of it is used outside `make test-pi`.
"""

from __future__ import annotations

import sys
import types

import libcamera


def install() -> None:
    """Apply all four. Call once, before `import picamera2`."""
    _without_display()
    _without_raw_stream()
    _frames_are_complete()
    _two_planes()


def _without_display() -> None:
    """picamera2 imports its previews, and one of them the display's bindings, which only
    Raspberry Pi OS has: of them it reads the names of pixel formats."""
    module = types.ModuleType("pykms")
    names = "RGB888 BGR888 XRGB8888 XBGR8888 ARGB8888 ABGR8888 YUYV YVYU UYVY VYUY NV12 NV21"
    formats = {name: name for name in (*names.split(), "YUV420", "YVU420")}
    module.PixelFormat = type("PixelFormat", (), formats)
    sys.modules["pykms"] = module


def _without_raw_stream() -> None:
    """picamera2 asks for the sensor's raw stream to list its modes; no sensor, no such stream."""
    roles, generate = libcamera.StreamRole, libcamera.Camera.generate_configuration

    def generate_configuration(camera, wanted):
        instead = [roles.Viewfinder if role == roles.Raw else role for role in wanted]
        return generate(camera, instead)

    libcamera.Camera.generate_configuration = generate_configuration


def _frames_are_complete() -> None:
    """The virtual camera of 0.4.0 leaves the status of a frame as the memory happened to be, and
    picamera2 drops what is not a success: it would wait for ever, at random."""
    success = libcamera.FrameMetadata.Status.Success
    libcamera.FrameMetadata.status = property(lambda metadata: success)


def _two_planes() -> None:
    """picamera2 gives a buffer one plane, as the Pi's drivers want it; the virtual camera writes Y
    and UV (NV12) into two and ends the process where there is one."""
    real = libcamera.FrameBuffer

    def frame_buffer(planes):
        (luma,) = planes
        whole = luma.length
        luma.length = whole * 2 // 3
        chroma = real.Plane()
        chroma.fd, chroma.offset, chroma.length = luma.fd, luma.length, whole - luma.length
        return real([luma, chroma])

    frame_buffer.Plane = real.Plane
    libcamera.FrameBuffer = frame_buffer
