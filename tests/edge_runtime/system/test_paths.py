"""Paths whose bytes are no UTF-8, as they are shown."""

import os
import threading

import pytest

from edge_runtime.system import paths
from edge_runtime.system.paths import is_there, printable_path, read_secret


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


def test_a_pipe_that_nobody_fills_is_waited_for_with_a_word(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PIPE_SECONDS", 0.01)
    said = threading.Event()
    monkeypatch.setattr(paths.log, "warning", lambda text, *values: said.set())
    pipe = tmp_path / "token"
    os.mkfifo(pipe)

    def fill():
        said.wait()
        pipe.write_text("secret")

    thread = threading.Thread(target=fill)
    thread.start()
    assert read_secret(pipe) == "secret"
    thread.join()


def test_what_is_there(tmp_path):
    assert is_there(tmp_path) and not is_there(tmp_path / "none")
    assert not is_there("x" * 5000) and not is_there("a\0b")
