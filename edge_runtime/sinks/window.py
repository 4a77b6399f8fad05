"""Window sink: the newest image with its boxes on a display of this machine."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from edge_runtime.frame import Result
from edge_runtime.media.draw import draw_detections
from edge_runtime.media.opencv_paths import opencv_text
from edge_runtime.sinks.base import Context, Sink, SinkClosedError, whole_image
from edge_runtime.sinks.flags import SinkFlags
from edge_runtime.system.optional_imports import cure, require

QUIT_KEYS = (ord("q"), ord("Q"), 27)
PUMP_SECONDS = 0.05  # a window that is not asked for its keys freezes
MOST_WH = (1280, 960)  # at first; it can be pulled larger
SCREEN_WH = (1920, 1200)  # of the picture: more than screens show
PROBE_SECONDS = 30.0
PROBE = "import cv2; cv2.namedWindow('edge-runtime'); cv2.destroyAllWindows()"
INSTEAD = "; --web shows the same in a browser, on another computer too"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --window."""
    parser.add_argument(
        "--window", action="store_true", help="show it on this display until q or Esc is pressed"
    )


def create(args: argparse.Namespace) -> Sink:
    """The sink that the flags ask for."""
    return WindowSink()


FLAGS = SinkFlags("--window", add_arguments, create, needs_display=True)


class WindowSink(Sink):
    """Shows the newest image. q, Esc or closing the window ends the run."""

    name = "window"
    needs_image = True
    newest_only = True
    idle_seconds = PUMP_SECONDS

    def __init__(self) -> None:
        self._title = "edge-runtime"
        self._shown = False

    def open(self, context: Context) -> None:
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise OSError(
                "--window: a display expected, but $DISPLAY and $WAYLAND_DISPLAY are not set"
                f"{INSTEAD}"
            )
        self._cv2 = require("cv2", "opencv")
        _probe()
        self._title = opencv_text(f"{Path(context.model).name}, {context.source}")
        # Qt looks for fonts beside OpenCV, which brings none, and says so once a window.
        os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")

    def write(self, result: Result) -> None:
        result = result.fitted(SCREEN_WH)
        image = draw_detections(whole_image(result.frame), result.detections)
        cv2 = self._cv2
        # All calls are made here, in the sink's thread: windows belong to the first one that asks.
        if not self._shown:
            cv2.namedWindow(
                self._title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
            )
            height, width = image.shape[:2]
            shrink = min(1.0, MOST_WH[0] / width, MOST_WH[1] / height)
            cv2.resizeWindow(self._title, round(shrink * width), round(shrink * height))
            self._shown = True
        self._check_open()  # imshow would open a closed one again
        cv2.imshow(self._title, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        self.idle()

    def idle(self) -> None:
        if self._shown:
            if self._cv2.waitKey(1) in QUIT_KEYS:
                raise SinkClosedError
            self._check_open()

    def close(self) -> None:
        if self._shown:
            self._cv2.destroyAllWindows()

    def _check_open(self) -> None:
        try:
            visible = self._cv2.getWindowProperty(self._title, self._cv2.WND_PROP_VISIBLE) >= 1
        except self._cv2.error:  # what some of its windows raise when they are gone
            visible = False
        if not visible:
            raise SinkClosedError


def _probe() -> None:
    """Try a window in a process of its own: where the display cannot be reached, the windowing
    library ends the process that asks.

    Raises: OSError.
    """
    command = [sys.executable, "-c", PROBE]
    try:
        done = subprocess.run(command, capture_output=True, errors="replace", timeout=PROBE_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise OSError(f"--window: the display does not answer{INSTEAD}") from error
    if done.returncode == 0:
        return
    if "not implemented" in done.stderr:
        raise OSError(
            "--window: this OpenCV is built without windows, as opencv-python-headless is; "
            f"{sys.executable} -m pip uninstall opencv-python-headless, then "
            f"{cure('opencv')}{INSTEAD}"
        )
    reason = next((line for line in done.stderr.splitlines() if line.strip()), "no reason given")
    raise OSError(f"--window: no window can be opened ({reason.strip()}){INSTEAD}")
