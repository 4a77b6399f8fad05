"""The table of source kinds: every row is found by its text, and its class is there."""

from __future__ import annotations

from importlib import import_module

import pytest
from PIL import Image

from edge_runtime.sources.base import Source, SourceOptions
from edge_runtime.sources.factory import (
    KINDS,
    is_decoded_by_opencv,
    kind_of,
    open_here,
    open_source,
)
from edge_runtime.sources.isolated.supervisor import SupervisedSource

OPTIONS = SourceOptions(input_hw=(32, 48))
# A text for every live row of the table, by what the messages call it.
LIVE = {
    "picamera2[:N]": ("picamera2", "picamera2:1"),
    "usb:N": ("usb:0", "usb:12"),
    "/dev/videoN": ("/dev/video0", "/dev/v4l/by-id/usb-HD_Webcam-video-index0"),
    "rtsp://…": ("rtsp://camera/1", "rtsps://user:secret@camera/1"),
    "http://…": ("http://camera/mjpeg", "https://camera/mjpeg"),
}


def test_every_live_row_has_a_text_here():
    assert [kind.written for kind in KINDS if kind.live] == list(LIVE)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.written)
def test_the_class_of_a_row_is_there(kind):
    module, name = kind.made_by.split(":")
    made_by = getattr(import_module(f"edge_runtime.sources.{module}"), name)
    assert issubclass(made_by, Source)
    assert kind.live or not made_by.live


@pytest.mark.parametrize(("written", "texts"), LIVE.items(), ids=LIVE)
def test_a_live_text_finds_its_row_and_runs_in_a_process_of_its_own(written, texts):
    for text in texts:
        assert kind_of(text).written == written
        assert type(open_source(text, OPTIONS)) is SupervisedSource


@pytest.mark.parametrize("text", ["usb", "usb:", "usb:x", "usb:-1", "picamera2:x"])
def test_a_camera_number_that_is_none(text):
    with pytest.raises(ValueError, match="camera's number from 0, got"):
        open_source(text, OPTIONS)


def test_a_missing_path_names_every_kind(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        open_source(str(tmp_path / "none.jpg"), OPTIONS)
    assert all(kind.written in str(error.value) for kind in KINDS)


def test_a_file_is_not_opened_as_a_camera(tmp_path):
    for text in (str(tmp_path), str(tmp_path / "none.jpg")):
        with pytest.raises(ValueError, match="a camera or stream expected"):
            open_here(text, OPTIONS)


def test_what_opencv_decodes_can_be_told_before_it_is_opened(tmp_path):
    film, photograph = tmp_path / "film.mp4", tmp_path / "a.jpg"
    film.write_bytes(b"no picture, so OpenCV's to read")
    frames = [Image.new("RGB", (9, 9), color) for color in ("red", "blue")]
    frames[0].save(photograph)
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    theirs = [
        *LIVE["usb:N"],
        *LIVE["/dev/videoN"],
        *LIVE["rtsp://…"],
        " RTSP://camera/1",
        str(film),
    ]
    ours = [*LIVE["picamera2[:N]"], *LIVE["http://…"], str(photograph), str(tmp_path / "a.gif")]
    ours += [str(tmp_path), str(tmp_path / "*.jpg"), str(tmp_path / "missing.mp4"), ""]
    assert all(map(is_decoded_by_opencv, [*theirs, str(film)]))
    assert not any(map(is_decoded_by_opencv, ours))
