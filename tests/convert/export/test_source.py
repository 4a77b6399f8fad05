"""Files that cannot be exported, each refused by what was found, and label maps."""

import sys
import zipfile
from dataclasses import replace

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from convert.export import source as source_module
from convert.export.__main__ import main
from convert.export.labels import label_map
from convert.export.source import open_source
from convert.verify import read_model
from edge_runtime import DetectorSpec
from edge_runtime.detector.spec import embed
from tests.conftest import ROOT
from tests.tiny_model import SPEC

SHIPPED = ROOT / "models" / "digits_int8.tflite"


def output(model, name):
    return next(entry for entry in model.signatureDefs[0].outputs if entry.name == name)


def int16_input(model):
    model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]].type = schema.TensorType.INT16


def bright_input(model):
    quantization = model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]].quantization
    quantization.scale = np.asarray([1 / 64], np.float32)


def renamed_output(model):
    output(model, b"logits").name = b"scores"


def swapped_outputs(model):
    logits, offsets = output(model, b"logits"), output(model, b"offsets")
    logits.tensorIndex, offsets.tensorIndex = offsets.tensorIndex, logits.tensorIndex


def no_signature(model):
    model.signatureDefs = []


def unchanged(model):
    pass


def edited(path, folder, edit, spec=SPEC):
    """A copy with its flatbuffer changed."""
    model = read_model(path)
    edit(model)
    builder = flatbuffers.Builder(1 << 12)
    builder.Finish(model.Pack(builder), b"TFL3")
    copy = folder / "edited.tflite"
    copy.write_bytes(bytes(builder.Output()))
    embed(copy, spec)
    return copy


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        (int16_input, "input of type INT8 or FLOAT32 expected, found INT16"),
        (bright_input, "that is pixel - 128 expected, found scale 0.015625 and zero point 0"),
        (renamed_output, "logits and offsets expected, found ['offsets', 'scores']"),
        (swapped_outputs, "logits of shape (1, 6, 3) expected, found (1, 6, 4)"),
        (no_signature, "one signature and one input expected, found 1 with 0"),
    ],
)
def test_an_interface_that_does_not_fit_is_named(tiny_models, tmp_path, edit, found):
    path = edited(tiny_models / "tiny_int8.tflite", tmp_path, edit)
    with pytest.raises(ValueError, match=r"edited\.tflite: ") as caught:
        open_source(path)
    assert found in str(caught.value)


def test_an_unchanged_copy_is_taken(tiny_models, tmp_path):
    assert open_source(edited(tiny_models / "tiny_int8.tflite", tmp_path, unchanged)).spec == SPEC


@pytest.mark.parametrize(
    ("kind", "mean", "found"),
    [
        ("float", 127.5, "a whole pixel_mean from 0 to 255 expected in its spec, found 127.5"),
        ("int8", 127.5, "pixel - 128 expected, found scale 0.0078125 and zero point 0 for a pixel"),
    ],
)
def test_pixels_that_no_uint8_stands_for(tiny_models, tmp_path, kind, mean, found):
    spec = replace(SPEC, pixel_mean=mean)
    path = edited(tiny_models / f"tiny_{kind}.tflite", tmp_path, unchanged, spec)
    with pytest.raises(ValueError, match="train with the default pixel_mean 128") as caught:
        open_source(path)
    assert found in str(caught.value)


def test_scores_of_another_kind(tiny_models, tmp_path, monkeypatch):
    """Should a spec ever say so: a softmax over such a tensor would be silently wrong."""
    other = replace(SPEC)
    object.__setattr__(other, "score_tensor", "sigmoid_logits")
    monkeypatch.setattr(source_module, "parse_spec", lambda path, text: other)
    with pytest.raises(ValueError, match="'softmax_logits' expected in its spec, found 'sigmoid_l"):
        open_source(tiny_models / "tiny_int8.tflite")


def test_the_package_that_is_missing_is_named(model, monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "convert.export.exporter", raising=False)
    monkeypatch.delitem(sys.modules, "convert.export.graph", raising=False)
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    status, _, err = run(capsys, model, "--for", "all")
    assert status == 2 and "pip install ai-edge-litert" in err


def test_a_file_without_spec(tiny_models):
    with pytest.raises(ValueError, match="found none inside: another tool's file, or a truncated"):
        open_source(tiny_models / "tiny_bare.tflite")


def test_a_keras_file():
    with pytest.raises(ValueError, match=r"digits\.keras is not a TFLite file, but a \.keras"):
        open_source(ROOT / "models" / "digits.keras")


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="check the path"):
        open_source(tmp_path / "nothing.tflite")


def run(capsys, *arguments):
    """(exit status, stdout, stderr) of the command."""
    status = main(list(map(str, arguments)))
    return status, *capsys.readouterr()


@pytest.fixture
def model(tiny_models, tmp_path):
    path = tmp_path / "mine_int8.tflite"
    path.write_bytes((tiny_models / "tiny_int8.tflite").read_bytes())
    return path


@pytest.mark.parametrize(
    ("reader", "names"),
    [
        ("frigate", {"mine_int8_postprocess.tflite", "mine_int8_labels.txt"}),
        ("pycoral", {"mine_int8_postprocess.tflite", "mine_int8_labels.txt"}),
        ("mediapipe", {"mine_int8_mediapipe.tflite"}),
        ("opencv", {"mine_int8_opencv.tflite"}),
        (
            "all",
            {
                *("mine_int8_postprocess.tflite", "mine_int8_mediapipe.tflite"),
                *("mine_int8_opencv.tflite", "mine_int8_labels.txt"),
            },
        ),
    ],
)
def test_each_reader_gets_its_files_beside_the_model(model, capsys, reader, names):
    status, out, err = run(capsys, model, "--for", reader)
    assert (status, err) == (0, "")
    assert {path.name for path in model.parent.iterdir()} == {model.name, *names}
    assert {line.split(":")[0] for line in out.splitlines()} == {
        str(model.parent / name) for name in names
    }


def test_nothing_is_replaced_unless_that_is_wanted(model, tmp_path, capsys):
    labels = tmp_path / "mine_int8_labels.txt"
    labels.write_text("0 crimson\n")
    status, _, err = run(capsys, model, "--for", "frigate")
    assert status == 2 and "mine_int8_labels.txt exist already; replace" in err
    assert labels.read_text() == "0 crimson\n"
    assert run(capsys, model, "--for", "frigate", "--overwrite")[0] == 0
    assert labels.read_text() == "0 red\n1 green\n"


def test_what_is_exported_already_is_not_exported_again(model, tmp_path, capsys):
    run(capsys, model, "--for", "all")
    for form in ("postprocess", "mediapipe"):
        path = tmp_path / f"mine_int8_{form}.tflite"
        status, _, err = run(capsys, path, "--for", "all")
        assert status == 2
        assert f"found one that is exported already ({form}); export the file" in err


def test_a_net_that_does_not_run_leaves_nothing_behind(tiny_models, tmp_path, capsys):
    def cut_weights(model):
        buffers = [b for b in model.buffers if b.data is not None and len(b.data) > 1000]
        buffers[0].data = np.asarray(buffers[0].data)[:7]

    path = edited(tiny_models / "tiny_int8.tflite", tmp_path, cut_weights)
    status, _, err = run(capsys, path, "--for", "frigate", "--out", tmp_path / "out")
    assert status == 2
    assert "exported as postprocess it does not run" in err
    assert list((tmp_path / "out").iterdir()) == []


def test_a_label_map_has_the_id_on_every_line(tmp_path):
    spec = replace(SPEC, class_names=("1 euro", "2 euro"))
    assert label_map(spec.class_names) == "0 1 euro\n1 2 euro\n"


@pytest.mark.parametrize("name", [" red", "red ", ": red"])  # a spec holds no line ends
def test_names_that_readers_would_change(tiny_models, tmp_path, capsys, name):
    spec = DetectorSpec(SPEC.input_hw, (name, "green"), SPEC.levels)
    path = edited(tiny_models / "tiny_int8.tflite", tmp_path, unchanged, spec)
    status, _, err = run(capsys, path, "--for", "frigate")
    assert status == 2 and repr(name) in err and "rename the class" in err
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_labels_inside_are_plain(tiny_models, tmp_path, capsys):
    spec = replace(SPEC, class_names=("1 euro", "2 euro"))
    path = edited(tiny_models / "tiny_int8.tflite", tmp_path, unchanged, spec)
    run(capsys, path, "--for", "all")
    for form in ("postprocess", "mediapipe"):
        with zipfile.ZipFile(tmp_path / f"edited_{form}.tflite") as archive:
            assert archive.read("labels.txt") == b"1 euro\n2 euro\n"
