"""The live picture in other people's players: FFmpeg's own program, and OpenCV, made of it."""

import shutil
import subprocess
from urllib.parse import quote

import numpy as np
import pytest

from edge_runtime.sources.base import SourceError, SourceOptions
from edge_runtime.sources.opencv import OpenCvCamera
from tests.conftest import HANG
from tests.edge_runtime.sinks.web.fixtures import GROUND, Run

TOKEN = "correct-horse-battery:staple"


@pytest.fixture(name="run", scope="module")
def run_fixture():
    run = Run(TOKEN)
    with run.flowing():
        yield run
    run.page.close()


def address(run, token):
    return f"http://user:{quote(token)}@127.0.0.1:{run.port}/stream.mjpg"


def test_our_own_source_reads_it(run):
    pytest.importorskip("cv2", exc_type=ImportError, reason="the extra `opencv` is not installed")
    with OpenCvCamera(address(run, TOKEN), SourceOptions((32, 48))) as source:
        frame = next(iter(source))
    assert frame.hw == (720, 960)
    assert np.abs(frame.image[700, 10].astype(int) - GROUND).max() < 12


def test_a_wrong_token_opens_nothing(run):
    pytest.importorskip("cv2", exc_type=ImportError, reason="the extra `opencv` is not installed")
    source = OpenCvCamera(address(run, "wrong"), SourceOptions((32, 48)))
    with pytest.raises(SourceError, match="check path, user and password"):
        source.open()


def test_ffmpeg_reads_it(run):
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("no ffmpeg here: apt install ffmpeg")
    command = [program, "-v", "error", "-i", address(run, TOKEN), "-frames:v", "2"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, timeout=HANG)
    assert done.returncode == 0, done.stderr
    frames = np.frombuffer(done.stdout, np.uint8).reshape(2, 720, 960, 3)
    assert np.abs(frames[:, 700, 10].astype(int) - GROUND).max() < 12
