"""What a row of the sinks' registry tells `run` and the service."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from edge_runtime.sinks.base import Sink
from edge_runtime.sinks.flags import SinkFlags
from edge_runtime.sinks.registry import SINKS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tape", metavar="FILE")
    parser.add_argument("--tape-speed", type=float, default=1.0)
    parser.add_argument("--tape-key", metavar="FILE")
    parser.add_argument("--reel-dir", metavar="DIR")


TAPE = SinkFlags(
    "--tape",
    add_arguments,
    lambda args: Sink(),
    reads=("--tape-key",),
    writes=("--tape",),
    fills=("--reel-dir",),
)


def parse(*flags: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    TAPE.add_arguments(parser)
    return parser.parse_args(flags)


@pytest.mark.parametrize(
    ("flags", "asked_for", "visible"),
    [([], False, False), (["--tape", "-"], True, False), (["--tape", "a.tape"], True, True)],
)
def test_a_sink_is_asked_for_by_its_flag(flags, asked_for, visible):
    assert TAPE.is_asked_for(parse(*flags)) == asked_for
    assert TAPE.is_visible(parse(*flags)) == visible


@pytest.mark.parametrize(
    ("setting", "value"), [("--tape-speed", "2"), ("--tape-key", "k"), ("--reel-dir", "d")]
)
def test_each_of_its_other_flags_is_a_setting_that_does_nothing_alone(setting, value):
    TAPE.check_settings(parse())
    TAPE.check_settings(parse("--tape-speed", "1"))  # the default changes nothing
    TAPE.check_settings(parse("--tape", "a.tape", setting, value))
    with pytest.raises(ValueError, match=f"{setting} does nothing without --tape; add --tape"):
        TAPE.check_settings(parse(setting, value))


def test_its_places_are_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    args = parse("--tape", "out/a.tape", "--tape-key", "key", "--reel-dir", "/reels")
    assert TAPE.read_files(args) == [tmp_path / "key"]
    assert TAPE.written_folders(args) == [Path("/reels"), tmp_path / "out"]
    assert TAPE.read_files(parse()) == TAPE.written_folders(parse("--tape", "-")) == []


def test_no_two_sinks_of_the_registry_share_a_flag():
    parser = argparse.ArgumentParser()
    for sink in SINKS:
        sink.add_arguments(parser)  # argparse refuses a flag that is there already
    assert all(f"{sink.flag} " in parser.format_help() for sink in SINKS)
