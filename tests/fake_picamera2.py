"""A stand-in for picamera2, for the doctor's look at a camera.

The real one runs off a Pi only with libcamera's virtual camera, which gives NV12 whatever is asked
for, and has no faults. What this one mimics, from picamera2's manual: "BGR888" arrives as R, G, B;
a YUV420 stream as one array of Y above U above V, each row padded to the stride. Environment:
FAKE_CAMERA is "right", "swapped", "grey", "nv12", "busy", "none", "hang" or "crash".
"""

import os
import time

import numpy as np
from PIL import Image

MODE = os.environ["FAKE_CAMERA"]
PADDING = 64  # bytes behind each row of Y, half as many behind those of U and V


def scene(width, height):
    """Red left, blue right, neither evenly."""
    picture = np.full((height, width, 3), 90, np.uint8)
    if MODE != "grey":
        picture[:, : width // 2, 0] = 200
        picture[height // 4 :, width // 2 :, 2] = 220
    return picture


class Request:
    def __init__(self, streams):
        self._streams = streams

    def make_array(self, name):
        stream = self._streams[name]
        width, height = stream["size"]
        picture = scene(width, height)
        if name == "main":
            assert stream["format"] == "BGR888"
            return picture[..., ::-1] if MODE == "swapped" else picture
        assert stream["format"] == "YUV420"
        y, u, v = (np.asarray(plane) for plane in Image.fromarray(picture).convert("YCbCr").split())
        rows = [np.pad(y, ((0, 0), (0, PADDING)))]
        for plane in (u[::2, ::2], v[::2, ::2]):
            padded = np.pad(plane, ((0, 0), (0, PADDING // 2)))
            rows.append(padded.reshape(height // 4, -1))
        return np.concatenate(rows)

    def release(self):
        pass


class Picamera2:
    @staticmethod
    def global_camera_info():
        if MODE == "hang":
            time.sleep(600)
        if MODE == "crash":
            os.abort()
        return [] if MODE == "none" else [{"Model": "imx708", "Num": 0}]

    def __init__(self, number):
        if MODE == "busy":
            raise RuntimeError("Camera __init__ sequence did not complete.")

    def create_video_configuration(self, **streams):
        return streams

    def configure(self, streams):
        self._streams = streams

    def camera_configuration(self):
        if MODE == "nv12":
            return {name: {**stream, "format": "NV12"} for name, stream in self._streams.items()}
        return self._streams

    def start(self):
        pass

    def capture_request(self):
        return Request(self._streams)

    def close(self):
        pass
