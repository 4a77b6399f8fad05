"""Paths whose bytes are no UTF-8, shown and handed to libraries."""

import os

import pytest

from edge_runtime.sinks.video import VideoSink
from edge_runtime.sources.base import SourceOptions
from edge_runtime.sources.video import Video
from edge_runtime.system.paths import c_path, printable_path

ODD = os.fsdecode(b"k\xfcche.mp4")


def test_a_path_is_shown_in_utf_8():
    assert printable_path("küche.mp4") == "küche.mp4"
    assert printable_path(ODD) == r"k\xfcche.mp4"


def test_a_c_library_gets_utf_8_alone():
    assert c_path("küche.mp4") == "küche.mp4"
    with pytest.raises(ValueError, match=r"UTF-8 expected, got k\\xfcche\.mp4; rename the file"):
        c_path(ODD)


def test_films_of_such_names_are_refused_where_opencv_would_end_the_process(tmp_path):
    """As a source and as --save-video."""
    pytest.importorskip("cv2")
    (tmp_path / ODD).write_bytes(b"")
    with pytest.raises(ValueError, match="rename"):
        Video(str(tmp_path / ODD), SourceOptions((32, 48))).open()
    with pytest.raises(ValueError, match="rename"):
        VideoSink(tmp_path / ODD).open(None)
