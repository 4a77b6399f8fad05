"""A look at picamera2 and one picture, as a process of its own: a sick camera hangs or crashes.

Prints one JSON line: {"version", "cameras": [model, …], "order": "RGB", "BGR" or null, "error"}.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata

from edge_runtime.doctor.colour_order import order_of, planes

PROBE_SECONDS = 30.0  # imports, start, exposure: on a Pi Zero 2 well over ten
SKIPPED_FRAMES = 10  # until exposure and white balance have settled
SIZE_WH = (640, 480)
SMALL_WH = (320, 240)


def probe() -> dict:
    """Ask a child process, and end it when it takes too long. "error" says what went wrong."""
    command = [sys.executable, "-m", "edge_runtime.doctor.camera_probe"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS)
    except subprocess.TimeoutExpired:
        return {"error": f"no answer within {PROBE_SECONDS:.0f} seconds"}
    lines = done.stdout.splitlines()
    try:
        return json.loads(lines[-1])
    except (IndexError, ValueError):
        said = (done.stderr.strip().splitlines() or ["without a word"])[-1]
        return {"error": f"picamera2 ended with status {done.returncode}: {said}"}


def main() -> None:
    from picamera2 import Picamera2

    try:
        version = metadata.version("picamera2")
    except metadata.PackageNotFoundError:
        version = "unknown"
    cameras = [str(info.get("Model", "?")) for info in Picamera2.global_camera_info()]
    seen = {"version": version, "cameras": cameras, "order": None, "error": None}
    if cameras:
        try:
            seen["order"] = _order(Picamera2)
        except Exception as error:  # in use by another process, for one
            seen["error"] = f"{type(error).__name__}: {error}"
    print(json.dumps(seen), flush=True)


def _order(camera_class) -> str | None:
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
            picture, yuv = request.make_array("main"), request.make_array("lores")
        finally:
            request.release()
        return order_of(picture, *planes(yuv, streams["lores"]["size"]))
    finally:
        camera.close()


if __name__ == "__main__":
    main()
