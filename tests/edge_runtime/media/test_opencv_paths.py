"""Names that OpenCV cannot take: an error in place of a segmentation fault."""

import os

import pytest

from edge_runtime.media.opencv_paths import opencv_path, opencv_text
from edge_runtime.sinks.video import VideoSink
from edge_runtime.sources.base import SourceOptions
from edge_runtime.sources.factory import open_source
from edge_runtime.sources.opencv import OpenCvCamera
from tests.edge_runtime.sinks.results import make_context

NAME = os.fsdecode(b"film \xff.avi")
OPTIONS = SourceOptions((32, 48))


def test_utf_8_passes_and_anything_else_is_named():
    assert opencv_path("größe …/film.avi") == "größe …/film.avi"
    with pytest.raises(ValueError, match=r"UTF-8 expected.*got film \\xff\.avi; rename the file"):
        opencv_path(NAME)
    assert opencv_text(f"model, {NAME}") == "model, film ?.avi"


def test_a_film(tmp_path):
    (tmp_path / NAME).write_bytes(b"")
    with pytest.raises(ValueError, match="a name in UTF-8 expected"):
        open_source(str(tmp_path / NAME), OPTIONS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("/dev/video\udcff", "a name in UTF-8"), ("rtsp://host/\udcff", "in UTF-8 expected.*%XX")],
)
def test_a_camera(text, expected):
    with pytest.raises(ValueError, match=expected):
        OpenCvCamera(text, OPTIONS)


@pytest.mark.parametrize("name", [NAME, f"{NAME}/film.avi"])
def test_a_video_to_be_written(tmp_path, name):
    with pytest.raises(ValueError, match="a name in UTF-8 expected"):
        VideoSink(tmp_path / name).open(make_context())
    assert list(tmp_path.iterdir()) == []
