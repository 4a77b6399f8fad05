"""Camera probe: picamera2 tried in a process of its own, since a sick camera hangs or crashes.

Prints one JSON line: {"version", "cameras": [model, …], "order": "RGB", "BGR" or null, "error"}.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np
from PIL import Image

PROBE_SECONDS = 30.0  # imports, start, exposure: on a Pi Zero 2 well over ten
SKIPPED_FRAMES = 10  # until exposure and white balance have settled
SIZE_WH = (640, 480)
SMALL_WH = (320, 240)
# Of 255, on average over an image. Below, the order cannot be told from noise.
FAINT = 3.0


def probe() -> dict[str, Any]:
    """Ask a child process, and end it when it takes too long. "error" says what went wrong."""
    command = [sys.executable, "-m", "edge_runtime.doctor.camera_probe"]
    try:
        done = subprocess.run(command, capture_output=True, errors="replace", timeout=PROBE_SECONDS)
    except subprocess.TimeoutExpired:
        return {"error": f"no answer within {PROBE_SECONDS:.0f} seconds"}
    lines = done.stdout.splitlines()
    try:
        return json.loads(lines[-1])
    except (IndexError, ValueError):
        said = (done.stderr.strip().splitlines() or ["without a word"])[-1]
        return {"error": f"picamera2 ended with status {done.returncode}: {said}"}


def main() -> None:
    """Work of the child process: prints what was found as one line of JSON."""
    from picamera2 import Picamera2

    try:
        version = metadata.version("picamera2")
    except metadata.PackageNotFoundError:
        version = "unknown"
    cameras = [str(info.get("Model", "?")) for info in Picamera2.global_camera_info()]
    seen: dict[str, Any] = {"version": version, "cameras": cameras, "order": None, "error": None}
    if cameras:
        try:
            seen["order"] = _order(Picamera2)
        except Exception as error:  # in use by another process, for one
            seen["error"] = f"{type(error).__name__}: {error}"
    print(json.dumps(seen), flush=True)


def _order(camera_class: Any) -> str | None:
    """The order of the channels of what `run` asks for as RGB: picamera2's "BGR888"."""
    camera = camera_class(0)
    try:
        # The same frame twice: as a picture, and as YUV to judge it by.
        camera.configure(
            camera.create_video_configuration(
                main={"size": SIZE_WH, "format": "BGR888"},
                lores={"size": SMALL_WH, "format": "YUV420"},
            )
        )
        streams = camera.camera_configuration()  # a camera may change what it is asked for
        for name, wanted in (("main", "BGR888"), ("lores", "YUV420")):
            if streams[name]["format"] != wanted:
                raise ValueError(f"{wanted} expected, it gives {streams[name]['format']}")
        camera.start()
        for _ in range(SKIPPED_FRAMES):
            camera.capture_request().release()
        request = camera.capture_request()
        try:
            image, yuv = request.make_array("main"), request.make_array("lores")
        finally:
            request.release()
        return order_of(image, *planes(yuv, streams["lores"]["size"]))
    finally:
        camera.close()


def order_of(image: np.ndarray, u: np.ndarray, v: np.ndarray) -> str | None:
    """Channel order of an image, judged by the same image in YUV.

    U and V say how blue and how red a pixel is, and nobody mixes them up.

    Args:
        image: (2h, 2w, 3) uint8 or larger, a multiple of h and w.
        u, v: (h, w) uint8 each, 128 in the middle.

    Returns: "RGB", "BGR", or None for an image without color.
    """
    height, width = u.shape
    rows, columns = image.shape[0] // height, image.shape[1] // width
    blocks = image[: height * rows, : width * columns].reshape(height, rows, width, columns, 3)
    first_minus_last = blocks.mean(axis=(1, 3))[..., 0] - blocks.mean(axis=(1, 3))[..., 2]
    # R - Y = 1.402 (V - 128) and B - Y = 1.772 (U - 128), in BT.601.
    red_minus_blue = 1.402 * (v.astype(float) - 128) - 1.772 * (u.astype(float) - 128)
    if np.abs(red_minus_blue).mean() < FAINT:
        return None
    return "RGB" if (first_minus_last * red_minus_blue).sum() > 0 else "BGR"


def planes(yuv420: np.ndarray, size_wh: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """U and V, (h / 2, w / 2) each, of picamera2's array (3 h / 2, stride) of a YUV420 stream."""
    width, height = size_wh
    quarter = height // 4  # rows of the array that hold one plane, two of its rows side by side
    u, v = (
        yuv420[height + number * quarter : height + (number + 1) * quarter].reshape(
            height // 2, -1
        )[:, : width // 2]
        for number in range(2)
    )
    return u, v


def keeps_red(encode: Callable[[np.ndarray], bytes]) -> bool:
    """True if a red RGB image is red again after `encode` made a JPEG of it."""
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 255
    with Image.open(io.BytesIO(encode(red))) as decoded:
        means = np.asarray(decoded.convert("RGB")).mean(axis=(0, 1))
    return bool(means[0] > 200 and means[2] < 60)


def encode_pillow(image: np.ndarray) -> bytes:
    """(H, W, 3) RGB uint8 → a JPEG."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG")
    return file.getvalue()


def encode_opencv(image: np.ndarray) -> bytes:
    """(H, W, 3) RGB uint8 → a JPEG, by OpenCV, which wants BGR. Raises: ImportError without it."""
    import cv2

    return cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]))[1].tobytes()


if __name__ == "__main__":
    main()
