"""The page in a real browser: headless Chromium, looked at by its pixels and its text."""

import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import edge_runtime
from edge_runtime.media.draw import class_color
from tests.conftest import HANG
from tests.edge_runtime.sinks.web.fixtures import GROUND, Run, eventually, pixels

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Beside the package in use, which may be an installed one.
PAGE = (Path(edge_runtime.__file__).parent / "sinks" / "web" / "page.html").read_text()
browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (apt install chromium)")


def chromium(run, folder, *flags):
    """The command that opens the page; the stream has no end, so it stops by its own clock."""
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--user-data-dir={folder}", *flags]
    return [*command, f"http://127.0.0.1:{run.port}/"]


def visit(run, folder, *flags):
    """What chromium prints, after three seconds on the page."""
    command = chromium(run, folder / "profile", "--timeout=3000", *flags)
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 0, done.stderr
    return done.stdout


def near(image, color, tolerance=40):
    """(H, W) bool: pixels of about this color."""
    return np.abs(image.astype(int) - color).max(axis=-1) <= tolerance


@contextmanager
def opened(**options):
    run = Run(**options)
    try:
        yield run
    finally:
        run.page.close()


@browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_live_picture_and_its_boxes(tmp_path, width):
    shot = tmp_path / "shot.png"
    with opened() as run, run.flowing(seconds=0.1):
        visit(run, tmp_path, f"--window-size={width},1000", f"--screenshot={shot}")
    image = pixels(shot.read_bytes())
    assert image.shape[1] == width
    ground = near(image, GROUND, 12)
    # Most of the picture's place on the page, which is at most as wide as a phone.
    assert ground.sum() > 0.5 * (0.6 * width) * (0.6 * width) * 0.75
    rows, columns = np.nonzero(ground)
    area = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    for class_id in (0, 1):
        assert near(image[area], class_color(class_id), 60).sum() > width / 4
    if width == 390:
        assert columns.min() <= 1 and columns.max() >= 388  # nothing is wider than the phone


@browser
def test_numbers_and_names_as_text(tmp_path):
    with opened() as run, run.flowing(seconds=0.1):
        text = visit(run, tmp_path, "--dump-dom")
    assert "dog &lt;b&gt;</span><b>0.60</b>" in text  # no markup from a class's name
    assert re.search(r'id="status"[^>]*class="good">live<', text)
    assert "pets.tflite" in text and "63 ms" in text and "usb:0 (running)" in text


@browser
def test_a_stalled_stream_is_said(tmp_path):
    with opened() as run:
        run.write()
        run.stats._clock = lambda: time.monotonic() + 12
        run.stats._source.state = "stalled"
        text = visit(run, tmp_path, "--dump-dom")
    assert re.search(r"No frame for 1[2-9] s: the camera has stalled", text)
    assert re.search(r'id="view" class="stale"', text)


@browser
def test_the_page_finds_a_service_that_is_back(tmp_path):
    run = Run()
    run.write()
    # With a port for debuggers the browser stays until it is told to go.
    command = chromium(run, tmp_path / "profile", "--remote-debugging-port=0")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            assert eventually(lambda: run.page.mjpeg.viewers == 1)
            run.page.close()
            time.sleep(1.5)  # long enough that the page misses an answer
            run = Run(port=run.port)
            run.write()
            assert eventually(lambda: run.page.mjpeg.viewers == 1)
        finally:
            process.terminate()
            run.page.close()


def test_the_page_stands_alone():
    for address in re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)""", PAGE):
        assert address.startswith(("data:", "stream.mjpg")), address
    assert not re.search(r"https?:|@import|url\(|innerHTML|document\.write", PAGE)
    assert 'name="viewport"' in PAGE and "prefers-color-scheme: dark" in PAGE
