import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import TensorType

from convert import __main__ as command
from convert import pipeline as conversion
from convert import variants
from convert.benchmark import setup as benchmark
from convert.errors import VerificationError
from convert.pipeline import ConversionInput
from convert.runtime_versions import operator_name
from convert.variants import VARIANTS
from convert.verify import find_problems, read_model
from edge_runtime.detector.calibration_record import read_calibration
from edge_runtime.detector.detector import Detector
from edge_runtime.detector.interpreter import RUNTIME_VERSION_MEMBER
from edge_runtime.detector.model_file import read_model_file
from edge_runtime.detector.spec import DetectorSpec, embed, read_member, read_spec
from tests.conftest import HANG, ROOT
from tests.convert.fixtures import (  # noqa: F401
    SPEC,
    dataset_fixture,
    frames_fixture,
    keras_path_fixture,
    make_model,
    write_dataset,
)
from tests.tiny_model import SPEC as TINY_SPEC
from train.data.dataset import DataWarning

pytestmark = pytest.mark.slow

INT8 = TensorType.INT8
FILES = {f"cells_{variant}.tflite" for variant, row in VARIANTS.items() if not row.flag}
EXPORTED = {"cells_int8_postprocess.tflite", "cells_int8_labels.txt"}
# What is enough to see whether files appear, and quick.
FEW = ("--variants", "float32", "int8", "--calibration-images", 20)


def run(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": "jax"}
    return subprocess.run(
        [sys.executable, "-m", "convert", *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANG,
        **options,
    )


def test_command(keras_path, dataset, tmp_path):
    out = tmp_path / "new" / "folder"
    done = run(keras_path, "--data", dataset, "--out", out, "--calibration-images", 25)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == ""  # not one line of TensorFlow
    lines = done.stdout.splitlines()
    assert "PASCAL VOC, XML files in Annotations/; 54 pictures" in lines.pop(0)
    assert lines[0].startswith("calibration: 25 of 30 pictures of split 'train', seed 0; boxes: bl")
    assert {line.split(":")[0] for line in lines[1 : 1 + len(FILES)]} == FILES
    assert lines[1 + len(FILES)].startswith("cells_int8_postprocess.tflite: 0.0")
    assert lines[-2] == str(out / "report.json")
    assert lines[-1].startswith("int8: AP50 1.00 on 12 test pictures is very good: ")
    reports = {"found.jpg", "report.json", "report.html"}
    assert {path.name for path in out.iterdir()} == FILES | EXPORTED | reports
    assert (out / "cells_int8_labels.txt").read_text() == "0 blue\n1 red\n"
    report = json.loads((out / "report.json").read_text())
    assert report["command"].startswith("python -m convert ")
    assert len(report["robustness"]) > 1
    assert report["calibration"]["images"] == 25
    assert [model["ap50"] for model in report["models"]] == pytest.approx([1] * (len(FILES) + 1))
    assert report["models"][-1]["variant"] == "int8_postprocess"
    for name in FILES:
        variant = read_member(out / name, "variant.txt")
        assert name == f"cells_{variant}.tflite"
        assert find_problems(out / name, variant) == []
        assert read_spec(out / name) == SPEC
        assert read_member(out / name, "labels.txt") == "blue\nred\n"
        assert read_model_file(out / name).is_sealed  # its checksums are there, and hold
        calibration = read_calibration(out / name)
        assert (calibration is None) == (variant in ("float32", "float16", "dynamic"))
        if calibration is not None:
            assert (calibration.images, calibration.split) == (25, "train")
            assert min(calibration.boxes.values()) > 0
        version = read_member(out / name, RUNTIME_VERSION_MEMBER)
        assert (1, 5) <= tuple(map(int, version.split(".")))[:2] <= (2, 14)


def test_the_same_run_gives_the_same_files(keras_path, dataset, tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    frames, _ = command._calibration(arguments(keras_path, dataset, tmp_path), SPEC)
    for folder in folders:
        (folder / "work").mkdir(parents=True)
        source = ConversionInput(keras_path, SPEC, frames, folder / "work")
        conversion.convert_all(source, ["float32", "int8", "aeq_int8"], folder)
    for name in ("cells_float32.tflite", "cells_int8.tflite", "cells_aeq_int8.tflite"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def arguments(keras_path, dataset, out):
    given = [keras_path, "--data", dataset, "--out", out, "--calibration-images", 20]
    return command._parser().parse_args(list(map(str, given)))


def fail(capsys, *given):
    """Run in this process; the single line of the error."""
    status = command.main(list(map(str, given)))
    out, err = capsys.readouterr()
    assert status == 2, out + err
    assert len(err.splitlines()) == 1
    return err


def test_earlier_files_survive_a_file_that_fails_its_check(
    keras_path, dataset, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"
    out.mkdir()
    for name in FILES:
        (out / name).write_text("earlier")
    monkeypatch.setattr(
        conversion, "find_problems", lambda path, variant: ["a flaw"] * (variant == "int8")
    )
    given = [keras_path, "--data", dataset, "--out", out, *FEW]
    assert command.main(list(map(str, given))) == 1
    assert "cells_int8.tflite is unusable:\n  a flaw" in capsys.readouterr().err
    assert {path.name for path in out.iterdir()} == FILES
    assert {path.read_text() for path in out.iterdir()} == {"earlier"}


def test_names_that_label_maps_cannot_hold_end_no_conversion(tiny_models, tmp_path, capsys):
    """The variants are for our own runtime, which takes any name."""
    path = tmp_path / "tiny_int8.tflite"
    path.write_bytes((tiny_models / "tiny_bare.tflite").read_bytes())
    embed(path, replace(TINY_SPEC, class_names=("red", "green ")))
    assert conversion._export({"float32": path, "int8": path}) == []
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("not exported for other tools: class names without blanks")
    assert list(tmp_path.iterdir()) == [path]


def test_without_an_int8_file_nothing_is_exported(tiny_models, capsys):
    assert conversion._export({"float32": tiny_models / "tiny_float.tflite"}) == []
    assert capsys.readouterr().out == ""


def test_missing_model(dataset, tmp_path, capsys):
    err = fail(capsys, tmp_path / "no.keras", "--data", dataset, "--out", tmp_path / "out")
    assert "no model file at" in err


def test_other_suffix(dataset, tmp_path, capsys):
    err = fail(capsys, tmp_path / "a.tflite", "--data", dataset, "--out", tmp_path / "out")
    assert "a .keras file" in err


def test_model_without_spec(dataset, tmp_path, capsys):
    path = tmp_path / "bare.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    err = fail(capsys, path, "--data", dataset, "--out", tmp_path / "out")
    assert "detector_spec.json expected, found none" in err


def test_data_of_other_classes(keras_path, tmp_path, capsys):
    data = write_dataset(tmp_path / "data", {"train": 25, "test": 3, "val": 1})
    for path in (data / "Annotations").iterdir():
        path.write_text(path.read_text().replace("<name>red", "<name>green"))
    err = fail(capsys, keras_path, "--data", data, "--out", tmp_path / "out")
    assert "got the class 'green', expected one of blue, red" in err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--calibration-split", "test"], "must not see calibration pictures"),
        (["--split", "nowhere"], "nowhere"),
    ],
)
def test_unsuitable_data_stops_before_the_conversion(
    keras_path, dataset, tmp_path, capsys, monkeypatch, flags, message
):
    monkeypatch.setattr(conversion, "convert_all", lambda *_: pytest.fail("conversion began"))
    out = tmp_path / "out"
    assert message in fail(capsys, keras_path, "--data", dataset, "--out", out, *flags)
    assert list(out.iterdir()) == []


def test_unwritable_folder(keras_path, dataset, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    err = fail(capsys, keras_path, "--data", dataset, "--out", tmp_path / "file" / "out")
    assert "cannot write into" in err


def test_full_disk_while_converting(keras_path, dataset, tmp_path, capsys, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(conversion, "write_float32", full)
    out = tmp_path / "out"
    given = (keras_path, "--data", dataset, "--out", out, "--calibration-images", 20)
    err = fail(capsys, *given)
    assert "No space left" in err
    assert f"{out} needs room" in err
    assert list(out.iterdir()) == []


def test_flags_and_variants_that_do_not_go_together(keras_path, dataset, tmp_path, capsys):
    given = (keras_path, "--data", dataset, "--out", tmp_path)
    assert "int8_qat needs --qat" in fail(capsys, *given, "--variants", "int8_qat")
    flags = ("--keep-float", "offsets", "--variants", "int8")
    assert "name it in --variants" in fail(capsys, *given, *flags)
    assert "has learnt no int8 ranges" in fail(capsys, *given, "--qat", keras_path)
    other = tmp_path / "other.keras"
    make_model().save(other)
    embed(other, DetectorSpec(SPEC.input_hw, ("left", "right"), SPEC.levels))
    assert "with the spec of" in fail(capsys, *given, "--qat", other)


def test_a_layer_that_is_not_there(keras_path, dataset, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(conversion, "convert_all", lambda *_: pytest.fail("conversion began"))
    flags = ("--calibration-images", 20, "--keep-float", "logit")
    err = fail(capsys, keras_path, "--data", dataset, "--out", tmp_path, *flags)
    assert "no layer is called 'logit'" in err


def test_layers_that_stay_in_float(keras_path, dataset, tmp_path):
    flags = ("--variants", "int8", "int8_mixed", "--keep-float", "offsets_*", "offsets")
    given = [keras_path, "--data", dataset, "--out", tmp_path, *flags]
    assert command.main([*map(str, given), "--calibration-images=20", "--no-robustness"]) == 0
    integers = {}
    for variant in ("int8", "int8_mixed"):
        model = read_model(tmp_path / f"cells_{variant}.tflite")
        graph = model.subgraphs[0]
        integers[variant] = sorted(
            int(graph.tensors[o.inputs[1]].type == INT8)
            for o in graph.operators
            if operator_name(model.operatorCodes[o.opcodeIndex]) == "CONV_2D"
        )
    assert integers["int8"] == [1] * 5
    assert integers["int8_mixed"] == [0, 0, 1, 1, 1]  # the two heads' weights
    detector = Detector(tmp_path / "cells_int8_mixed.tflite")
    frame = np.full((64, 64, 3), 90, np.uint8)
    assert {array.dtype for array in detector.invoke(detector.preprocess(frame))} == {
        np.dtype(np.float32)
    }
    assert detector.preprocess(frame).dtype == np.int8


def test_without_ai_edge_quantizer(keras_path, dataset, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(variants, "find_spec", lambda name: None)
    err = fail(capsys, keras_path, "--data", dataset, "--out", tmp_path)
    assert "pip install ai-edge-quantizer, or choose others with --variants" in err


def test_what_calibration_lacks_is_said_and_does_not_stop(keras_path, tmp_path, capsys):
    data = write_dataset(tmp_path / "data", {"train": 12, "test": 12, "val": 1}, names=("blue",))
    for name in ("train_003", "test_005"):
        path = data / f"JPEGImages/{name}.png"
        path.write_bytes(path.read_bytes()[:200])
    given = arguments(keras_path, data, tmp_path / "out")
    given.calibration_images = 200
    with pytest.warns(DataWarning) as caught:
        frames, record = command._calibration(given, SPEC)
        assert len(run_benchmark_data(data)) == 11
    said = [str(warning.message) for warning in caught]
    for part in (
        "test_005.png cannot be read",
        "train_003.png cannot be read",
        "left out: 11 of 12 pictures of split 'test' are left",
        "ranges measured on 11 pictures",
        "calibration sees no box of red",
    ):
        assert any(part in message for message in said), part
    assert len(frames) == record.images == 11
    assert record.boxes["red"] == 0
    assert "11 of 12 pictures of split 'train' (200 were asked for), seed 0" in (
        capsys.readouterr().out
    )


def run_benchmark_data(data):
    """What the benchmark looks at."""
    return benchmark._load(data, "test", SPEC.class_names, None)


def test_a_broken_copy_of_the_data_stops_before_the_conversion(keras_path, tmp_path, capsys):
    data = write_dataset(tmp_path / "data", {"train": 20, "test": 2, "val": 1})
    path = data / "JPEGImages/test_001.png"
    path.write_bytes(path.read_bytes()[:200])
    given = (keras_path, "--data", data, "--out", tmp_path / "out", "--calibration-images", 20)
    assert "test_001.png" in fail(capsys, *given)


def test_help_names_every_default(capsys):
    with pytest.raises(SystemExit):
        command.main(["--help"])
    text = " ".join(capsys.readouterr().out.split())  # argparse breaks lines anywhere
    for default in ("(default: 200)", "(default: train)", "(default: test)", "(default: 0)"):
        assert default in text


def test_what_anothers_quantizer_cannot_do_is_left_out_and_said(
    keras_path, frames, tmp_path, capsys, monkeypatch
):
    """As of a VGG, whose division by length TensorFlow's converter leaves in float."""
    monkeypatch.setattr(
        conversion, "find_problems", lambda _, variant: ["a flaw"] * (variant != "float32")
    )
    work, out = tmp_path / "work", tmp_path / "out"
    work.mkdir()
    out.mkdir()
    source = ConversionInput(keras_path, SPEC, frames, work)
    wanted = ["float32", "int8_converter"]
    written = conversion.convert_all(source, wanted, out, may_fail=["int8_converter"])
    assert list(written) == ["float32"]
    assert [path.name for path in out.iterdir()] == ["cells_float32.tflite"]
    assert "int8_converter left out: cells_int8_converter.tflite" in capsys.readouterr().out
    with pytest.raises(VerificationError, match="a flaw"):
        conversion.convert_all(source, wanted, out)
