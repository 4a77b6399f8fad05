"""Progress on the terminal, past what hides TensorFlow's output; elsewhere not a byte."""

import fcntl
import os
import pty
import struct
import sys
import termios
from contextlib import contextmanager, suppress

from convert.errors import hidden_output
from convert.progress import announce, shown


@contextmanager
def terminal(monkeypatch):
    """A terminal as stderr; the list is filled with what was written on it."""
    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    written = []
    with os.fdopen(writer, "w") as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        yield written
    # The kernel hands it over in its own time; after the last byte it answers with EIO.
    with suppress(OSError):
        while part := os.read(reader, 65536):
            written.append(part.decode())
    os.close(reader)


def test_a_bar_is_seen_while_output_is_hidden(monkeypatch):
    with (
        terminal(monkeypatch) as written,
        shown(["a", "b"], "calibrating") as items,
        hidden_output("a step"),
    ):
        assert list(items) == list(items) == ["a", "b"]  # as often as one likes
    text = "".join(written)
    assert "calibrating:   0%" in text and "0/2" in text
    assert "3/2" not in text and "4/2" not in text
    assert text.endswith("\r")  # the bar is gone again


def test_a_variant_is_announced_on_a_terminal(monkeypatch):
    with terminal(monkeypatch) as written:
        announce("int8")
    said = "".join(written)
    assert said.startswith("int8: int8 weights and activations") and said.endswith("...\r\n")


def test_nothing_is_printed_without_a_terminal(capfd):
    announce("int8")
    with shown([1, 2], "calibrating") as items:
        assert items == [1, 2]
    assert capfd.readouterr() == ("", "")
