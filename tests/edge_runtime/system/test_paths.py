"""Paths whose bytes are no UTF-8, as they are shown."""

import os

from edge_runtime.system.paths import printable_path

ODD = os.fsdecode(b"k\xfcche.mp4")


def test_a_path_is_shown_in_utf_8():
    assert printable_path("küche.mp4") == "küche.mp4"
    assert printable_path(ODD) == r"k\xfcche.mp4"
