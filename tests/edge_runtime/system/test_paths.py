"""Paths whose bytes are no UTF-8, as they are shown."""

import os

import pytest

from edge_runtime.system.paths import printable_path, read_secret


def test_a_path_is_shown_in_utf_8():
    assert printable_path("küche.mp4") == "küche.mp4"
    assert printable_path(os.fsdecode(b"k\xfcche.mp4")) == r"k\xfcche.mp4"


def test_a_secret_without_an_end_is_refused():
    with pytest.raises(ValueError, match="one line expected, got a large file"):
        read_secret("/dev/zero")


def test_a_secret_that_is_no_text_is_refused_without_showing_it(tmp_path):
    (tmp_path / "secret").write_bytes(b"user:hidden\xff")
    with pytest.raises(ValueError, match="secret: text in UTF-8 expected") as error:
        read_secret(tmp_path / "secret")
    assert "hidden" not in str(error.value)
