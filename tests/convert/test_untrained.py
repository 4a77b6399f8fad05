"""`python -m convert.untrained`: files that can be timed, whatever the weights."""

import shutil

import pytest

from convert.untrained import main
from convert.verify import find_problems
from tests.convert.fixtures import keras_path_fixture  # noqa: F401
from train.summary.deployed import measure_files

pytestmark = pytest.mark.slow


def test_both_files_are_sound_and_can_be_timed(keras_path, tmp_path):
    source = tmp_path / "net.keras"
    shutil.copyfile(keras_path, source)
    converted = tmp_path / "net_int8.tflite"
    converted.write_bytes(b"a detector that was calibrated")
    assert main([str(source)]) == 0
    assert converted.read_bytes() == b"a detector that was calibrated"
    paths = [tmp_path / f"net_untrained_{kind}.tflite" for kind in ("float32", "int8")]
    for path, kind in zip(paths, ("float32", "int8"), strict=True):
        assert find_problems(path, kind) == []
    [found] = measure_files([paths], threads=1, runs=2)
    assert [file.kind for file in found] == ["float32", "int8"]
    assert all(file.median > 0 for file in found)
    assert [file.megabytes for file in found] == [round(p.stat().st_size / 1e6, 2) for p in paths]


def test_a_file_without_a_spec_is_refused(tmp_path, capsys):
    path = tmp_path / "none.keras"
    path.write_bytes(b"nothing")
    assert main([str(path)]) == 2
    assert "detector_spec.json expected" in capsys.readouterr().err
