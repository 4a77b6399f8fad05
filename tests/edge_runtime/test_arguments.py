"""Argparse types at their limits, and the exit status of everything that a command can end in."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from edge_runtime.arguments import (
    local_path,
    number_between,
    path_of_file,
    positive_number,
    run_command,
    size_wh,
    whole_number,
    whole_numbers,
)

MEGABYTES = number_between(0.1, 1e6, "0.1 to 1000000 megabytes")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (positive_number, "0.001", 0.001),
        (local_path, "a/12:30.jpg", "a/12:30.jpg"),
        (path_of_file, "a/b.jpg", Path("a/b.jpg")),
        (MEGABYTES, "0.1", 0.1),  # both ends belong to it
        (MEGABYTES, "1e6", 1e6),
        (whole_number(0), "0", 0),
        (whole_number(-2), "-2", -2),
        (whole_number(0), "2147483647", 2**31 - 1),
        (whole_number(1, 256), "256", 256),
        (whole_numbers(1), "4,1,4", [1, 4]),
        (size_wh, "16x8192", (16, 8192)),
    ],
)
def test_what_is_taken(kind, text, value):
    assert kind(text) == value


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (positive_number, "0", "a number above 0 expected, got 0"),
        (positive_number, "inf", "above 0"),
        (positive_number, "nan", "above 0"),
        (positive_number, "1e-300", "a number from 1e-06 to 1e"),  # its inverse is no time
        (positive_number, "1e300", "a number from 1e-06 to 1e"),
        (local_path, "", "a path expected, got nothing"),
        (path_of_file, "", "a path expected, got nothing"),
        (local_path, "http://u:secret@cam/x.jpg", r"^a path of .* the address http://cam :"),
        (local_path, "http:/u:secret@cam/x.jpg", "the address … :"),
        (path_of_file, "admin:secret@cam/x.jpg", "the address … :"),
        (MEGABYTES, "0.09", "0.1 to 1000000 megabytes expected, got 0.09"),
        (MEGABYTES, "nan", "megabytes"),
        (number_between(0, float("inf"), "0 or more seconds"), "inf", "0 or more seconds"),
        (whole_number(1), "0", "a whole number >= 1 expected, got '0'"),
        (whole_number(0), "1.0", "a whole number"),
        (whole_number(0), "2147483648", "a whole number"),  # more than a C library takes
        (whole_number(0), "9" * 5000, "a whole number"),  # more digits than Python reads
        (whole_number(1, 256), "257", "a whole number from 1 to 256 expected, got '257'"),
        (whole_numbers(1, 256), "1,257", "a whole number from 1 to 256 expected, got '257'"),
        (whole_number(0), "", "a whole number"),
        (whole_number(0), "--1", "a whole number"),
        (whole_numbers(1), "1,,2", "a whole number"),
        (size_wh, "15x100", "WIDTHxHEIGHT"),
        (size_wh, "1280", "WIDTHxHEIGHT"),
    ],
)
def test_what_is_refused(kind, text, said):
    with pytest.raises(argparse.ArgumentTypeError, match=said):
        kind(text)


def failing(error):
    def work():
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (FileNotFoundError("no model"), 2, "tool: no model\n"),
        (ValueError("bad value"), 2, "tool: bad value\n"),
        (ImportError("no package"), 2, "tool: no package\n"),
        (KeyboardInterrupt(), 130, "\nall is as it was\n"),
    ],
)
def test_a_command_that_ends_early(capsys, error, status, said):
    assert run_command("tool", failing(error), stopped="all is as it was") == status
    assert capsys.readouterr() == ("", said)


def test_ctrl_c_asks_for_its_message_when_it_comes(capsys):
    state = "nothing written"

    def work():
        nonlocal state
        state = "half is written"
        raise KeyboardInterrupt

    assert run_command("tool", work, stopped=lambda: state) == 130
    assert capsys.readouterr().err == "\nhalf is written\n"
    assert run_command("tool", work) == 130
    assert capsys.readouterr().err == ""


def test_a_status_is_passed_on_and_a_mistake_is_not_hidden():
    assert [run_command("tool", lambda code=code: code) for code in (0, 1)] == [0, 1]
    with pytest.raises(KeyError):
        run_command("tool", failing(KeyError("x")))
    with pytest.raises(ValueError, match="not curable here"):
        run_command("tool", failing(ValueError("not curable here")), curable=(OSError,))
