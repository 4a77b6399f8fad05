"""The page in a real browser: headless Chromium, looked at by its pixels and its text."""

import http.server
import re
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

import edge_runtime
from edge_runtime.media.draw import class_color
from edge_runtime.sinks.web import handler
from tests.edge_runtime.sinks.web.browser import Browser
from tests.edge_runtime.sinks.web.fixtures import GROUND, Run, eventually, pixels
from tests.edge_runtime.sinks.web.relay import HoardingProxy

# Beside the package in use, which may be an installed one.
PAGE = (Path(edge_runtime.__file__).parent / "sinks" / "web" / "page.html").read_text()
STATUS = "document.getElementById('status').textContent"
NOTICE = "document.getElementById('notice').textContent"
LIVE = f"{STATUS} == 'live'"


@pytest.fixture(name="browser", scope="module")
def browser_fixture(tmp_path_factory):
    with closing(Browser(tmp_path_factory.mktemp("profile"))) as browser:
        yield browser


@pytest.fixture(name="impatient")
def impatient_fixture(monkeypatch):
    """A page to which a second is long."""
    assert "const STALE = 5;" in PAGE
    page = PAGE.replace("const STALE = 5;", "const STALE = 1;").encode()
    monkeypatch.setattr(handler, "_file", lambda name: page)


def near(image, color, tolerance=40):
    """(H, W) bool: pixels of about this color."""
    return np.abs(image.astype(int) - color).max(axis=-1) <= tolerance


@contextmanager
def opened(browser, **options):
    run = Run(**options)
    try:
        browser.open(f"http://127.0.0.1:{run.port}/")
        yield run
    finally:
        run.page.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_live_picture_and_its_boxes(browser, width):
    size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.call("Emulation.setDeviceMetricsOverride", **size)
    with opened(browser) as run, run.flowing(seconds=0.1):
        browser.wait(LIVE)
        browser.wait("shownAt > 0")
        image = pixels(browser.screenshot())
        assert browser.value("document.documentElement.scrollWidth") <= width
    ground = near(image, GROUND, 12)
    # Most of the picture's place on the page, which is at most as wide as a phone.
    assert ground.sum() > 0.5 * (0.6 * width) * (0.6 * width) * 0.75
    rows, columns = np.nonzero(ground)
    area = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    for class_id in (0, 1):
        assert near(image[area], class_color(class_id), 60).sum() > width / 4
    if width == 390:
        assert columns.min() <= 1 and columns.max() >= 388  # nothing is wider than the phone


def test_numbers_and_names_as_text(browser):
    with opened(browser) as run, run.flowing(seconds=0.1):
        browser.wait(LIVE)
        browser.wait("document.getElementById('age').textContent.endsWith(' s')")
        text = browser.value("document.body.innerHTML")
    assert "dog &lt;b&gt;</span><b>0.60</b>" in text  # no markup from a class's name
    assert re.search(r'id="status"[^>]*class="good">live<', text)
    assert "pets.tflite" in text and "63 ms" in text and "usb:0 (running)" in text


def test_a_stalled_stream_is_said(browser):
    with opened(browser) as run:
        run.write()
        run.stats._clock = lambda: time.monotonic() + 12
        run.stats._source.state = "stalled"
        browser.wait(f"/No frame for 1[2-9] s: the camera has stalled/.test({NOTICE})")
        assert browser.value("document.getElementById('view').className") == "stale"


def test_a_watched_folder_without_news_is_no_fault(browser):
    with opened(browser) as run:
        run.write()
        run.stats._clock = lambda: time.monotonic() + 600
        run.stats._source.state = "watching"
        browser.wait(f"/^No new picture for 10 min.*; waiting for one/.test({NOTICE})")
        assert browser.value("document.getElementById('status').className") == ""


def test_the_page_finds_a_service_that_is_back(browser):
    with opened(browser) as run:
        run.write()
        assert eventually(lambda: run.page.mjpeg.viewers == 1)
        run.page.close()
        browser.wait(f"{STATUS} == 'no answer'")
        again = Run(port=run.port)
        again.write()
        assert eventually(lambda: again.page.mjpeg.viewers == 1)
        again.page.close()


def test_a_picture_that_a_proxy_held_back_is_not_live(browser, impatient):
    """Which shows itself in the picture's own time stamp, and ends by asking for single ones."""
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    run = Run()
    proxy = HoardingProxy(run.port, seconds_per_chunk=0.1)
    with closing(run.page), closing(proxy), run.flowing(noise, seconds=0.05):
        browser.open(f"http://127.0.0.1:{proxy.port}/")
        browser.wait(f"/^This picture is .* s old, though the device sees/.test({NOTICE})")
        assert browser.value("document.getElementById('status').className") == "bad"
        assert browser.value("document.getElementById('found').innerText").startswith("cat")
        browser.wait(f"{LIVE} && document.body.innerText.includes('one by one')")
        browser.wait("pictureAge() !== null && pictureAge() < 1")
        browser.open("about:blank")


class Dashboard(http.server.BaseHTTPRequestHandler):
    """Another program's page, with a frame whose address stands behind the question mark."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<iframe src='%s'></iframe>" % self.path.partition("?")[2].encode())

    def log_message(self, format, *args):
        pass


def test_who_may_show_it_in_a_frame(browser):
    token = "a-token-of-some-length"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Dashboard) as dashboard:
        threading.Thread(target=dashboard.serve_forever, daemon=True).start()
        origin = f"http://127.0.0.1:{dashboard.server_port}"
        for named, shown in (((), False), ((origin,), True), (("http://other.example",), False)):
            run = Run(token, frame_origins=named)
            with closing(run.page), run.flowing(seconds=0.1):
                url = f"http://127.0.0.1:{run.port}/"
                browser.open(f"{url}login")
                browser.value(f"document.forms[0].token.value = '{token}'")
                browser.value("document.forms[0].submit()")
                browser.wait(LIVE)
                browser.open("about:blank")
                assert eventually(lambda run=run: run.page.mjpeg.viewers == 0)
                browser.open(f"{origin}/?{url}")
                if shown:  # the cookie goes along: ports are of one site
                    assert eventually(lambda run=run: run.page.mjpeg.viewers == 1)
                else:  # an error page of the browser's, which is not of that origin
                    browser.wait("document.readyState == 'complete' && frames.length == 1")
                    assert run.page.mjpeg.viewers == 0
        browser.open("about:blank")
        dashboard.shutdown()


def test_the_page_stands_alone():
    for address in re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)""", PAGE):
        assert address.startswith(("data:", "stream.mjpg", "snapshot.jpg")), address
    assert not re.search(r"https?:|@import|url\(|innerHTML|document\.write", PAGE)
    assert 'name="viewport"' in PAGE and "prefers-color-scheme: dark" in PAGE
