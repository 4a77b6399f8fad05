"""Test double of picamera2.

The real one needs libcamera's bindings and, for what is tested here, a Raspberry Pi: where it does
run without one, on libcamera's virtual camera, it delivers NV12 only, unpaced, with no colour
order, stride padding or lores YUV420 to get wrong. Those are what this double mimics, by the
documentation of picamera2 and libcamera:

- a format's name is its bits from high to low: "BGR888" has red first in memory, "RGB888" blue;
- rows are padded to a multiple of 64 bytes, and `stride` in `camera_configuration()` says so;
  `make_array` cuts the padding off packed pixels, and leaves it in YUV420;
- lores YUV420 is one buffer: h rows of Y, then h/2 half rows of U, then of V, in the colour space
  of the configuration, and lores may not exceed main;
- sizes must be even, and `configure` may adjust size and format: `camera_configuration()` tells;
- controls that the camera does not advertise are refused;
- a request's buffers come back with `release`, once, and without free buffers no frame comes (the
  real one then waits for ever, this one fails);
- `SensorTimestamp` is in nanoseconds of CLOCK_BOOTTIME.

How it misbehaves is told by the environment variable PICAMERA2_DOUBLE, so that it reaches the
process of the camera: a JSON object of

    cameras         how many are connected (1)
    busy            whether another program uses them
    scene           "bars": red, green, blue from left to right; "numbers": all grey of the frame's
                    number, modulo 256; "halves": white above black
    fps             how fast frames come; None for as fast as they are taken
    main_format, lores_format, size, colour_space    what `configure` adjusts
    swapped         whether red and blue of packed pixels are
    stamp           the SensorTimestamp of every frame (that of now)
    controls        names of those that are advertised
    stall_after, die_after, fail_after    frames, then: hang, end at once, raise
    hang_on_close, hang_on_open
    once            path of a file: misbehave only in the first process, which makes that file
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path

import libcamera
import numpy as np
from PIL import Image

ALIGNMENT = 64
SETTINGS = {
    "cameras": 1,
    "busy": False,
    "scene": "bars",
    "swapped": False,
    "fps": 100,
    "controls": ["FrameDurationLimits", "AfMode"],
}
MISDEEDS = ("stall_after", "die_after", "fail_after", "hang_on_close", "hang_on_open")
WEIGHTS = {"Rec601": (0.299, 0.587, 0.114), "Rec709": (0.2126, 0.7152, 0.0722)}
BYTES = {"BGR888": 3, "RGB888": 3, "XBGR8888": 4, "XRGB8888": 4, "YUV420": 1, "NV12": 1}


def _settings() -> dict:
    settings = SETTINGS | json.loads(os.environ.get("PICAMERA2_DOUBLE", "{}"))
    if "once" in settings:
        try:
            Path(settings["once"]).touch(exist_ok=False)
        except FileExistsError:
            for name in MISDEEDS:
                settings.pop(name, None)
    return settings


def _hang() -> None:
    while True:
        with suppress(BaseException):
            time.sleep(3600)


class Picamera2:
    """One camera."""

    @staticmethod
    def global_camera_info() -> list[dict]:
        count = (SETTINGS | json.loads(os.environ.get("PICAMERA2_DOUBLE", "{}")))["cameras"]
        return [
            {"Model": "imx219", "Num": number, "Id": f"/base/{number}"} for number in range(count)
        ]

    def __init__(self, camera_num=0, verbose_console=None, tuning=None, allocator=None):
        self.settings = _settings()
        if camera_num >= len(self.global_camera_info()):
            raise RuntimeError(f"No camera number {camera_num} found")
        if self.settings["busy"]:
            try:
                raise RuntimeError("Failed to acquire camera: Device or resource busy")
            except RuntimeError as error:
                raise RuntimeError("Camera __init__ sequence did not complete.") from error
        if self.settings.get("hang_on_open"):
            _hang()
        self.sensor_resolution = (3280, 2464)
        self.camera_controls = dict.fromkeys(self.settings["controls"], (33, 120000, 33333))
        self.camera_config: dict = {}
        self.started = False
        self.free_buffers = 0
        self.number = -1
        self._due = 0.0

    def create_video_configuration(
        self,
        main={},  # noqa: B006, as the real one has it
        lores=None,
        raw={},  # noqa: B006
        transform=libcamera.Transform(),  # noqa: B008
        colour_space=None,
        buffer_count=6,
        controls={},  # noqa: B006
        display="main",
        encode="main",
        queue=True,
        sensor={},  # noqa: B006
        use_case="video",
    ):
        main = {"format": "XBGR8888", "size": (1280, 720), "preserve_ar": True} | main
        if lores is not None:
            lores = {"format": "YUV420", "size": main["size"], "preserve_ar": False} | lores
        if raw is not None:
            raw = {"format": "SRGGB10_CSI2P", "size": main["size"]} | raw
        return {
            "use_case": use_case,
            "transform": transform,
            "colour_space": colour_space or libcamera.ColorSpace.Rec709(),
            "buffer_count": buffer_count,
            "queue": queue,
            "main": main,
            "lores": lores,
            "raw": raw,
            "controls": controls,
            "display": display,
            "encode": encode,
            "sensor": sensor,
        }

    def configure(self, camera_config=None):
        config = dict(camera_config)
        for name in config["controls"]:
            if name not in self.camera_controls:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
        for name in ("main", "lores", "raw"):
            if config[name] is not None:
                self._check(config[name], name)
                config[name] = dict(config[name])
        if config["lores"] is not None:
            if config["lores"]["format"] not in ("YUV420", "NV12"):
                raise RuntimeError("lores stream must be YUV")
            if any(
                low > high
                for low, high in zip(config["lores"]["size"], config["main"]["size"], strict=True)
            ):
                raise RuntimeError("lores stream dimensions may not exceed main stream")
        self._adjust(config)
        self.camera_config = config

    def camera_configuration(self):
        return self.camera_config

    def start(self, config=None, show_preview=False):
        if not self.camera_config:
            raise RuntimeError("Camera has not been configured")
        print("libraries print on stdout")
        self.started = True
        self.free_buffers = self.camera_config["buffer_count"]
        self._due = time.monotonic()

    def stop(self):
        self.started = False

    def close(self):
        if self.settings.get("hang_on_close"):
            _hang()
        self.stop()

    def capture_request(self, wait=None, signal_function=None, flush=None):
        if not self.started:
            raise RuntimeError("the camera is not started; the real one waits for ever")
        if self.free_buffers == 0:
            raise RuntimeError("all buffers are held; the real one waits for ever")
        if self.settings["fps"] is not None:
            # What nobody took in time is overwritten, as in a camera's own ring.
            interval = 1 / self.settings["fps"]
            now = time.monotonic()
            missed = max(0, int((now - self._due) / interval))
            self._due += (missed + 1) * interval
            time.sleep(max(0.0, self._due - now))
            self.number += missed
        self.number += 1
        self._misbehave()
        self.free_buffers -= 1
        return CompletedRequest(self, self.number)

    def _misbehave(self):
        never = float("inf")
        if self.number >= self.settings.get("stall_after", never):
            _hang()
        if self.number >= self.settings.get("die_after", never):
            os._exit(3)
        if self.number >= self.settings.get("fail_after", never):
            raise RuntimeError("Camera frontend has timed out!")

    @staticmethod
    def _check(stream, name):
        size = stream["size"]
        if type(size) is not tuple or len(size) != 2:
            raise RuntimeError(f"size in {name} stream should be (width, height)")
        if size[0] % 2 or size[1] % 2:
            raise RuntimeError("width and height should be even")
        if name != "raw" and stream["format"] not in BYTES and stream["format"] != "MJPEG":
            raise RuntimeError(f"Bad format {stream['format']} in stream {name}")

    def _adjust(self, config):
        if "size" in self.settings:
            config["main"]["size"] = tuple(self.settings["size"])
        if "colour_space" in self.settings:
            config["colour_space"] = getattr(libcamera.ColorSpace, self.settings["colour_space"])()
        for name in ("main", "lores"):
            if config[name] is None:
                continue
            stream = config[name]
            stream["format"] = self.settings.get(f"{name}_format", stream["format"])
            width, height = stream["size"]
            row = width * BYTES.get(stream["format"], 1)
            stream["stride"] = -(-row // ALIGNMENT) * ALIGNMENT
            yuv = stream["format"] in ("YUV420", "NV12")
            stream["framesize"] = stream["stride"] * height * (3 if yuv else 2) // 2


class CompletedRequest:
    """A frame, until it is released."""

    def __init__(self, picam2, number):
        self.picam2 = picam2
        self.number = number
        self.ref_count = 1
        self.stamp = time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def acquire(self):
        if self.ref_count == 0:
            raise RuntimeError("CompletedRequest: acquiring lock with ref_count 0")
        self.ref_count += 1

    def release(self):
        self.ref_count -= 1
        if self.ref_count < 0:
            raise RuntimeError("CompletedRequest: lock now has negative ref_count")
        if self.ref_count == 0:
            self.picam2.free_buffers += 1

    def get_metadata(self):
        self._alive()
        stamp = self.picam2.settings.get("stamp", self.stamp)
        return {"SensorTimestamp": stamp, "ExposureTime": 10000, "AnalogueGain": 1.0}

    def make_buffer(self, name):
        self._alive()
        config = self.picam2.camera_config
        if config.get(name) is None:
            raise RuntimeError(f"Stream {name!r} is not defined")
        key = self.number % 256 if self.picam2.settings["scene"] == "numbers" else None
        cache = self.picam2.__dict__.setdefault("cache", {})
        if (name, key) not in cache:
            scene = _scene(self.picam2.settings["scene"], self.number, config["main"]["size"])
            if config["transform"].hflip:
                scene = scene[:, ::-1]
            if config["transform"].vflip:
                scene = scene[::-1]
            if self.picam2.settings["swapped"] and BYTES.get(config[name]["format"], 1) > 1:
                scene = scene[:, :, ::-1]
            cache[name, key] = _encode(scene, config[name], config["colour_space"])
        return cache[name, key].copy()

    def make_array(self, name):
        stream = self.picam2.camera_config[name]
        rows = self.make_buffer(name).reshape(-1, stream["stride"])
        if stream["format"] in ("YUV420", "NV12"):
            return rows
        (width, height), count = stream["size"], BYTES[stream["format"]]
        pixels = np.ascontiguousarray(rows[:, : width * count]).reshape(height, width, count)
        return pixels

    def _alive(self):
        if self.ref_count == 0:
            raise RuntimeError("the request was released: its buffers are the camera's again")


def _scene(kind, number, size_wh):
    width, height = size_wh
    scene = np.zeros((height, width, 3), np.uint8)
    if kind == "numbers":
        scene[...] = number % 256
    elif kind == "halves":
        scene[: height // 2] = 255
    else:
        for channel, columns in enumerate(np.array_split(np.arange(width), 3)):
            scene[:, columns, channel] = (220, 200, 180)[channel]
    return scene


def _encode(scene, stream, space):
    """The padded buffer of a stream: (framesize,) uint8; padding is 99, so that it shows."""
    width, height = stream["size"]
    if stream["format"] not in BYTES:
        return np.zeros(stream["framesize"], np.uint8)
    image = Image.fromarray(np.ascontiguousarray(scene))
    rgb = np.asarray(image.resize((width, height), Image.Resampling.BOX))
    if stream["format"] in ("YUV420", "NV12"):
        return _encode_yuv(rgb, stream, space)
    order = slice(None) if "BGR" in stream["format"] else slice(None, None, -1)
    count = BYTES[stream["format"]]
    pixels = np.full((height, width, count), 255, np.uint8)
    pixels[:, :, :3] = rgb[:, :, order]
    rows = np.full((height, stream["stride"]), 99, np.uint8)
    rows[:, : width * count] = pixels.reshape(height, -1)
    return rows.ravel()


def _encode_yuv(rgb, stream, space):
    height, width = rgb.shape[:2]
    weights = np.array(WEIGHTS[space.ycbcrEncoding.name])
    luma = rgb @ weights
    blue = (rgb[:, :, 2] - luma) / (2 * (1 - weights[2]))
    red = (rgb[:, :, 0] - luma) / (2 * (1 - weights[0]))
    if space.range.name == "Limited":
        luma, blue, red = 16 + luma * 219 / 255, blue * 224 / 255, red * 224 / 255
    planes = [
        plane.reshape(height // 2, 2, width // 2, 2).mean((1, 3)) + 128 for plane in (blue, red)
    ]
    luma, blue, red = (np.rint(plane).clip(0, 255).astype(np.uint8) for plane in (luma, *planes))
    stride = stream["stride"]
    rows = np.full((height * 3 // 2, stride), 99, np.uint8)
    rows[:height, :width] = luma
    if stream["format"] == "NV12":
        rows[height:, :width] = np.stack((blue, red), 2).reshape(height // 2, width)
    else:
        halves = rows[height:].reshape(2, height // 2, stride // 2)
        halves[:, :, : width // 2] = blue, red
    return rows.ravel()
