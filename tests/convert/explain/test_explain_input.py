"""Bad input of `python -m convert.explain`: refused, with the cure."""

import pytest

from convert import tflite
from convert.explain import __main__ as command
from edge_runtime.detector.spec import embed
from tests.convert.fixtures import SPEC, write_dataset

pytestmark = pytest.mark.slow


def fail(capsys, path, dataset, out, *flags):
    given = [path, "--data", dataset, "--out", out, "--calibration-images", 20, *flags]
    assert command.main(list(map(str, given))) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    return err


def test_another_models_file_is_refused(source, dataset, tmp_path, capsys):
    other = tmp_path / "other.keras"
    source.model.save(other)
    embed(other, SPEC)
    model_path, flags = other, ["--int8", source.target("int8")]
    assert "give the int8 file" in fail(capsys, model_path, dataset, tmp_path, *flags)


def test_a_truncated_int8_file(source, model_path, dataset, tmp_path, capsys):
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(source.target("int8").read_bytes()[:-100])
    assert "truncated" in fail(capsys, model_path, dataset, tmp_path / "out", "--int8", cut)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--split", "train"], "calibration has not seen"),
        (["--split", "nowhere"], "no split 'nowhere'"),
        (["--ranges", "nothing.json"], "nothing.json"),
        (["--int8", "nothing.tflite"], "no model file at nothing.tflite"),
    ],
)
def test_bad_input_stops_before_the_model_is_loaded(
    model_path, dataset, tmp_path, capsys, monkeypatch, flags, message
):
    monkeypatch.setattr(tflite, "load_model", lambda *_: pytest.fail("long work began"))
    (tmp_path / "explain.json").write_text("earlier")
    assert message in fail(capsys, model_path, dataset, tmp_path, *flags)
    assert (tmp_path / "explain.json").read_text() == "earlier"


def test_a_model_without_spec_and_a_truncated_one(model, model_path, dataset, tmp_path, capsys):
    bare = tmp_path / "bare.keras"
    model.save(bare)
    assert "detector_spec.json expected" in fail(capsys, bare, dataset, tmp_path / "out")
    cut = tmp_path / "cut.keras"
    cut.write_bytes(model_path.read_bytes()[:-2000])
    assert "truncated" in fail(capsys, cut, dataset, tmp_path / "out")


def test_data_of_other_classes(model_path, tmp_path, capsys):
    data = write_dataset(tmp_path / "data", {"train": 20, "test": 8})
    for path in (data / "Annotations").iterdir():
        path.write_text(path.read_text().replace("<name>red", "<name>green"))
    assert "expected one of blue, red" in fail(capsys, model_path, data, tmp_path / "out")


@pytest.mark.parametrize("text", ["[]", "{", '{"cell": [1, 2]}', '{"cell": 3}'])
def test_a_file_without_ranges(model_path, dataset, tmp_path, capsys, text):
    path = tmp_path / "ranges.json"
    path.write_text(text)
    err = fail(capsys, model_path, dataset, tmp_path / "out", "--ranges", path)
    assert "with low <= 0 <= high expected" in err


def test_ranges_of_unknown_layers(model_path, dataset, tmp_path, capsys):
    path = tmp_path / "ranges.json"
    path.write_text('{"nobody": [0, 1]}')
    err = fail(capsys, model_path, dataset, tmp_path / "out", "--ranges", path)
    assert "'nobody', which it lacks" in err
