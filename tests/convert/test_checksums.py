"""Checksums: added to files of earlier versions, and written into every new one."""

from __future__ import annotations

import shutil

from convert.checksums import add_checksums
from convert.checksums import main as checksums_main
from edge_runtime.detector.model_file import read_model_file
from tests.edge_runtime.detector.earlier_file import unsealed


def test_checksums_are_added_to_an_earlier_file(tiny_models, tmp_path, capsys):
    source = tiny_models / "tiny_int8.tflite"
    path = unsealed(shutil.copy(source, tmp_path / "old.tflite"))
    before = read_model_file(path)
    assert checksums_main([str(path)]) == 0 and "added" in capsys.readouterr().out
    after = read_model_file(path)
    assert after.is_sealed and not before.is_sealed
    assert after.content[: before.members.front] == before.content[: before.members.front]
    assert after.members.contents == read_model_file(source).members.contents
    assert not add_checksums(path)
    other = tmp_path / "other.tflite"
    other.write_bytes(b"\x1c\0\0\0TFL3" + bytes(400))
    assert checksums_main([str(other)]) == 2
    assert "one of another maker" in capsys.readouterr().err
