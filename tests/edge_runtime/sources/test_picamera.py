"""The picamera2 source on the test double, in this process."""

import sys
import time
from itertools import islice

import numpy as np
import pytest

from edge_runtime.detector.resize import resize
from edge_runtime.sources.base import SourceError, SourceOptions
from edge_runtime.sources.picamera import PiCamera, reasons, sensor_age

COLORS = ((220, 0, 0), (0, 200, 0), (0, 0, 180))


def take(count=1, text="picamera2", **options):
    options = {"input_hw": (96, 128), "size_wh": (640, 360)} | options
    with PiCamera(text, SourceOptions(**options)) as camera:
        return list(islice(camera, count))


def assert_bars(picture, tolerance=0):
    height, width = picture.shape[:2]
    for index, color in enumerate(COLORS):
        middle = picture[height // 2, width * (2 * index + 1) // 6].astype(int)
        assert np.abs(middle - color).max() <= tolerance, (index, middle)


@pytest.fixture
def double(camera_double):
    camera_double()
    return camera_double


def test_picture_and_small_show_the_same_colors(double):
    frame = take()[0]
    assert (frame.hw, frame.image.shape) == ((360, 640), (360, 640, 3))
    assert_bars(frame.image)
    assert_bars(frame.small, tolerance=2)
    # The whole view, stretched, as the processor would have done it; colour edges are softer.
    difference = np.abs(frame.small.astype(int) - resize(frame.image, (96, 128)))
    assert frame.small.shape == (96, 128, 3)
    assert np.median(difference) <= 1
    assert difference.mean() < 4


def test_only_the_small_stream_is_read_where_nothing_shows_the_picture(double, monkeypatch):
    import picamera2

    read = []
    original = picamera2.CompletedRequest.make_buffer
    monkeypatch.setattr(
        picamera2.CompletedRequest,
        "make_buffer",
        lambda self, name: read.append(name) or original(self, name),
    )
    frame = take(needs_image=False)[0]
    assert read == ["lores"]
    assert frame.image is None
    assert frame.hw == (360, 640)
    assert_bars(frame.small, tolerance=2)


@pytest.mark.parametrize("space", ["Sycc", "Smpte170m", "Rec709"])
def test_the_color_space_of_the_camera_counts(double, space):
    double(colour_space=space)
    assert_bars(take()[0].small, tolerance=3)


@pytest.mark.parametrize("stream_format", ["RGB888", "XBGR8888", "XRGB8888", "YUV420", "NV12"])
def test_a_format_that_the_camera_chose_instead(double, stream_format):
    double(main_format=stream_format, lores_format="NV12", size=[500, 300])
    frame = take()[0]
    assert frame.hw == (300, 500)
    assert_bars(frame.image, tolerance=2)
    assert_bars(frame.small, tolerance=2)


def test_a_format_that_is_not_understood(double):
    double(main_format="MJPEG")
    with pytest.raises(SourceError, match=r"stream main: .*delivers MJPEG; a USB camera is usb:N"):
        take()


def test_sizes_that_do_not_fit_the_camera(double):
    assert take(input_hw=(97, 129))[0].small.shape == (97, 129, 3)
    frame = take(input_hw=(400, 400), size_wh=(641, 361), needs_image=False)[0]
    assert frame.small is None  # lores may not exceed main
    assert frame.image.shape == (360, 640, 3)


@pytest.mark.parametrize(("input_hw", "small_hw"), [((96, 96), (54, 96)), ((90, 320), (90, 160))])
def test_a_network_that_keeps_the_aspect_gets_pictures_that_are_not_stretched(
    double, input_hw, small_hw
):
    frame = take(input_hw=input_hw, keeps_aspect=True, needs_image=False)[0]
    assert (frame.hw, frame.small.shape[:2]) == ((360, 640), small_hw)
    assert_bars(frame.small, tolerance=2)


def test_upside_down(double):
    double(scene="halves")
    assert take()[0].image[0, 0, 0] == 255
    turned = take(rotate=180)[0]
    assert turned.image[0, 0, 0] == turned.small[0, 0, 0] == 0


@pytest.mark.parametrize("keeps_aspect", [False, True])
@pytest.mark.parametrize("rotate", [90, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_sideways(double, rotate, mirror, keeps_aspect):
    double(scene="halves")
    plain = take(input_hw=(96, 128))[0]
    turned = take(input_hw=(96, 128), rotate=rotate, mirror=mirror, keeps_aspect=keeps_aspect)[0]
    expected = np.rot90(plain.image, -rotate // 90)
    assert (turned.image == (expected[:, ::-1] if mirror else expected)).all()
    assert turned.hw == plain.hw[::-1]
    assert turned.small.shape[:2] == ((96, 54) if keeps_aspect else (96, 128))
    assert turned.small[0, 0, 0] == turned.image[0, 0, 0]


def test_mirrored_by_the_camera_itself(double):
    plain, mirrored = take()[0], take(mirror=True)[0]
    assert (mirrored.image == plain.image[:, ::-1]).all()
    assert (mirrored.image != plain.image).any()
    both = take(mirror=True, rotate=180)[0]
    assert (both.image == plain.image[::-1]).all()


def configured(**options):
    import libcamera

    options = {"input_hw": (96, 128)} | options
    with PiCamera("picamera2", SourceOptions(**options)) as camera:
        return camera._config, libcamera


def test_the_camera_idles_between_the_frames_that_are_wanted(double):
    config, libcamera = configured(max_fps=5)
    assert config["controls"]["FrameDurationLimits"] == (200000, 200000)
    assert config["controls"]["AfMode"] == libcamera.controls.AfModeEnum.Continuous
    assert configured()[0]["controls"]["FrameDurationLimits"] == (33333, 100000)
    # Exposure would take ages to follow.
    assert configured(max_fps=0.1)[0]["controls"]["FrameDurationLimits"] == (200000, 200000)
    double(controls=[])
    assert configured(max_fps=5)[0]["controls"] == {}


def test_the_sensor_reads_out_all_that_it_sees(double):
    assert configured()[0]["raw"]["size"] == (1640, 1232)
    assert configured(size_wh=(1920, 1080))[0]["raw"]["size"] == (3280, 2464)
    assert configured()[0]["main"]["size"] == (1280, 720)


def test_every_request_is_released_and_numbers_count(double):
    double(fps=None)
    frames = take(20)
    assert [frame.number for frame in frames] == list(range(20))
    times = [frame.captured_at for frame in frames]
    assert times == sorted(times)
    assert frames[-1].captured_at <= time.monotonic()
    assert abs(frames[-1].time - time.time()) < 60


def test_the_sensor_says_when_it_was():
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert 2 <= sensor_age({"SensorTimestamp": now - 2_000_000_000}) < 9
    for absurd in (0, now + 3_600_000_000_000, now - 3_600_000_000_000):
        assert sensor_age({"SensorTimestamp": absurd}) == 0
    assert sensor_age({}) == 0


def test_no_camera_and_one_in_use(double):
    with pytest.raises(SourceError, match=r"no camera number 1, 1 found: .*ribbon cable"):
        take(text="picamera2:1")
    double(busy=True)
    with pytest.raises(SourceError, match=r"another program uses camera 0 .*busy"):
        take()


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(ImportError, match="picamera2"):
        take()


def test_reasons_are_told_to_the_bottom():
    try:
        try:
            raise OSError("the cable")
        except OSError as error:
            raise RuntimeError("it failed") from error
    except RuntimeError as error:
        assert reasons(error) == "it failed: the cable"
