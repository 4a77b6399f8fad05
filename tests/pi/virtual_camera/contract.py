"""Contract with picamera2, asked of the real one: run by tests/pi/picamera.py.

The virtual camera delivers NV12 whatever it is asked for, so the order of a sensor's RGB bytes
cannot be seen here.
"""

from __future__ import annotations

import gc
import json
import signal
import subprocess
import sys
from itertools import islice

import numpy as np
import pytest
from picamera2 import Picamera2

from edge_runtime import Detector
from edge_runtime.sources.base import SourceError, SourceOptions
from edge_runtime.sources.factory import open_here, open_source
from tests.edge_runtime.detector import golden

# picamera2's own habit; the project's warnings are errors in this run too.
pytestmark = pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")

BANDS = np.asarray([(200, 40, 40), (40, 200, 40), (40, 40, 200)])  # as in tests/pi/picamera.py
INPUT_HW = (320, 320)
COLOR_STEPS = 12  # JPEG, and a limited range that is stretched to a full one


def camera(model: str) -> str:
    """How a camera is named on the command line: picamera2 numbers them as it pleases."""
    infos = Picamera2.global_camera_info()
    (number,) = (number for number, info in enumerate(infos) if info["Model"] == model)
    return f"picamera2:{number}"


def bands(picture: np.ndarray) -> np.ndarray:
    """(3, 3): mean colour of the middle of each band."""
    height, width = picture.shape[:2]
    rows = slice(height // 4, 3 * height // 4)
    middles = [(2 * number + 1) * width // 6 for number in range(3)]
    return np.stack([picture[rows, x - 9 : x + 9].mean(axis=(0, 1)) for x in middles])


@pytest.fixture(params=[open_here, open_source], ids=["here", "own process"])
def opened(request):
    """A function that opens a camera and closes it after the test."""
    sources = []

    def opener(model, number=None, **options):
        text = camera(model) if number is None else f"picamera2:{number}"
        source = request.param(text, SourceOptions(INPUT_HW, **options))
        sources.append(source)
        source.open()
        return source

    yield opener
    for source in sources:
        source.close()


def test_picture_has_the_scenes_colors(opened):
    frames = list(islice(opened("colours"), 3))
    for frame in frames:
        assert frame.hw == (720, 1280) and frame.image.shape == (720, 1280, 3)
        assert frame.image.dtype == np.uint8
        np.testing.assert_allclose(bands(frame.image), BANDS, atol=COLOR_STEPS)
    numbers = [frame.number for frame in frames]
    assert numbers == sorted(set(numbers))


def test_small_is_the_whole_picture_at_the_networks_size(opened):
    (frame,) = islice(opened("colours", needs_image=False), 1)
    assert frame.hw == (720, 1280) and frame.image is None
    assert frame.small.shape == (*INPUT_HW, 3)
    np.testing.assert_allclose(bands(frame.small), BANDS, atol=COLOR_STEPS)


@pytest.mark.parametrize("needs_image", [True, False])
def test_detector_finds_the_digits(needs_image, opened):
    detector = Detector(golden.MODEL, 1)
    (frame,) = islice(opened("digits", needs_image=needs_image), 1)
    raw = detector.invoke(detector.preprocess(frame.for_detector))
    # The scene is a square of 300 pixels, stretched: the boxes are those of the square.
    check_digits(detector.postprocess(raw, (300, 300)).to_dicts())


def check_digits(found: list[dict]) -> None:
    """All that the detector is sure of in the scene itself, and nothing else it is sure of.

    Scaled twice and reduced to NV12, weaker finds may come and go.
    """
    written = json.loads(golden.RECORD.read_text(encoding="utf-8"))["test_00000.jpg"]
    for some, others in ((written, found), (found, written)):
        for one in some:
            alike = [other["box"] for other in others if other["class"] == one["class"]]
            assert one["score"] < 0.9 or pytest.approx(one["box"], abs=6) in alike, one


def test_camera_opens_again_after_closing(opened):
    for _ in range(3):
        source = opened("digits")
        assert next(iter(source)).image.shape == (720, 1280, 3)
        source.close()


def test_camera_that_is_not_there(opened):
    with pytest.raises(SourceError, match="no camera number 7, 2 found"):
        opened("", number=7)


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.parametrize("opened", [open_here], indirect=True)
def test_camera_in_use_is_told(opened):
    """Within one process only: no device stands behind this camera that a process could lock."""
    opened("digits")
    with pytest.raises(SourceError, match="another program uses camera"):
        opened("digits")
    gc.collect()  # picamera2 leaves a pipe open where it fails; not a matter of a later test


def test_run_with_the_camera():
    """The command that a user types, ended as by Ctrl-C."""
    command = [sys.executable, "-m", "edge_runtime", "run", golden.MODEL, "--threads", "1"]
    command += ["--source", camera("digits"), "--max-fps", "5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            lines = [json.loads(process.stdout.readline()) for _ in range(3)]
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0, errors
    for line in lines:
        assert (line["width"], line["height"]) == (1280, 720)
        shrunk = np.asarray([1280, 720, 1280, 720]) / 300
        check_digits([{**one, "box": list(one["box"] / shrunk)} for one in line["detections"]])
