import json
import subprocess
import sys

import numpy as np
import pytest

from convert.benchmark import __main__ as benchmark
from convert.benchmark.report import ApPair, BenchmarkReport, read_report
from convert.benchmark.robustness import CONDITIONS, compare_with_clean
from convert.benchmark.run import run_benchmark
from convert.benchmark.tables import format_report, robustness_rows
from convert.export.exporter import export
from convert.export.forms import POSTPROCESS
from convert.export.source import open_source
from convert.report_files import write_report
from edge_runtime.detector.latency import WARM_UP_RUNS, measure
from edge_runtime.detector.spec import DetectorSpec, embed
from tests.conftest import HANG, ROOT, needs_opencv
from tests.convert.fixtures import (  # noqa: F401
    SPEC,
    converted_fixture,
    dataset_fixture,
    frames_fixture,
    keras_path_fixture,
    write_dataset,
)
from train.data.dataset import load_dataset

pytestmark = pytest.mark.slow

MODEL_KEYS = {
    *("variant", "file", "input_hw", "bytes", "latency_ms", "threads", "training"),
    *("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"),
    *("ap_per_class", "ap50_per_class", "peak_memory"),
}


@pytest.fixture(scope="module")
def report(converted, dataset):
    return run_benchmark(
        [converted["int8"], converted["float32"]], dataset, threads=1, latency_runs=3
    ).report


def test_report_json(report, dataset):
    report = report.to_json()
    assert set(report) == {"command", "machine", "data", "thresholds", "models", "agreement"}
    assert report["data"]["root"] == dataset.name
    assert (report["data"]["split"], report["data"]["images"]) == ("test", 12)
    assert report["data"]["fingerprint"] == load_dataset(dataset, "test").fingerprint()
    assert report["thresholds"]["accuracy"] == {"score": 0.01, "iou": 0.45, "max_detections": 200}
    assert report["thresholds"]["latency"]["score"] == 0.5
    assert {"platform", "cpu", "cores", "governor", "python", "interpreter", "date"} <= set(
        report["machine"]
    )
    assert [model["variant"] for model in report["models"]] == ["float32", "int8"]
    errors = [model.get("score_error") for model in report["models"]]
    assert errors == [None, report["agreement"]["score_difference"]["mean_abs"]]
    for model in report["models"]:
        assert set(model) - {"score_error"} == MODEL_KEYS
        assert model["input_hw"] == [64, 64]
        assert model["threads"] == 1
        for step in ("inference", "end_to_end"):
            assert 0 < model["latency_ms"][step]["median"] <= model["latency_ms"][step]["p90"]
        latency = model["latency_ms"]
        assert latency["inference"]["median"] < latency["end_to_end"]["median"]
    text = json.dumps(report, allow_nan=False)
    assert str(dataset.parent) not in text  # no path of this machine


def test_a_report_is_read_as_it_was_written(report, tmp_path):
    path = tmp_path / "report.json"
    write_report(path, report.to_json())
    assert read_report(path) == report


@pytest.mark.parametrize("path", ["models/digits_report.json", "studies/bccd/report.json"])
def test_reports_of_earlier_versions_keep_their_keys(path):
    content = json.loads((ROOT / path).read_text(encoding="utf-8"))
    content["models"][0]["note"] = content["note"] = "of another tool"
    again = json.loads(json.dumps(BenchmarkReport.from_json(content).to_json()))
    assert again == content
    assert list(again)[:5] == list(content)[:5]
    assert [list(model) for model in again["models"]] == [list(m) for m in content["models"]]


def test_the_known_right_answers_are_counted_right(report):
    for accuracy in (model.accuracy for model in report.models):
        assert accuracy.ap50 == pytest.approx(1)
        assert accuracy.ap50_per_class == {"blue": pytest.approx(1), "red": pytest.approx(1)}
        assert accuracy.ap > 0.8  # boxes are off by the random offsets
        assert accuracy.ap_small == accuracy.ap  # all cells are 32x24 pixels
        assert accuracy.ap_medium is accuracy.ap_large is None


def test_class_without_ground_truth_stays_blank(converted, tmp_path, capsys):
    data = write_dataset(tmp_path / "data", {"test": 3}, names=("red",))
    out = tmp_path / "out.json"
    arguments = [str(converted["float32"]), "--data", str(data), "--out", str(out)]
    assert benchmark.main([*arguments, "--latency-runs", "0", "--threads", "1"]) == 0
    (model,) = json.loads(out.read_text())["models"]
    assert model["ap50_per_class"] == {"blue": None, "red": 1.0}
    assert model["latency_ms"] is None
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == str(out)
    assert "blue" in lines  # and nothing behind it
    lines = [line for line in lines if str(tmp_path) not in line]  # it may hold a -1 itself
    assert not any("nan" in line or "None" in line or "-1" in line for line in lines)


@needs_opencv
def test_another_resizer_is_in_the_report(converted, dataset, tmp_path, capsys):
    out = tmp_path / "out.json"
    arguments = [str(converted["int8"]), "--data", str(dataset), "--out", str(out), "--no-page"]
    arguments += ["--latency-runs", "0", "--limit", "2", "--resizer", "opencv"]
    assert benchmark.main(arguments) == 0
    assert "resized by opencv" in capsys.readouterr().out
    assert json.loads(out.read_text())["resizer"] == read_report(out).resizer == "opencv"


def test_limit(converted, dataset, tmp_path):
    report = run_benchmark([converted["int8"]], dataset, latency_runs=1, limit=2).report
    assert report.data.images == 2
    assert report.agreement is None
    assert "agreement" not in report.to_json()


def test_variant_of_a_file_that_does_not_say(converted, dataset, tmp_path):
    paths = []
    for name, variant in (("a", "int8"), ("b_float16", "float16"), ("c", "float32")):
        data = converted[variant].read_bytes()
        paths.append(tmp_path / f"{name}.tflite")
        paths[-1].write_bytes(data[: data.index(b"PK\x03\x04")])
        embed(paths[-1], SPEC)
    report = run_benchmark(paths, dataset, latency_runs=0, limit=1).report
    got = {model.file: model.variant for model in report.models}
    assert got == {"a.tflite": "int8", "b_float16.tflite": "float16", "c.tflite": None}
    assert "c.tflite" in format_report(report)


class FakeDetector:
    """Takes no time, and notes in which order it was asked."""

    def __init__(self, name, calls):
        self.name, self.calls = name, calls

    def preprocess(self, frame):
        return frame

    def invoke(self, tensor):
        self.calls.append(self.name)
        return tensor

    def postprocess(self, raw, frame_hw, picture_hw):
        assert frame_hw == picture_hw == (4, 6)


def test_models_take_turns_and_warm_up_does_not_count():
    calls = []
    detectors = [FakeDetector(name, calls) for name in "abc"]
    got = measure(detectors, [np.zeros((4, 6, 3), np.uint8)], runs=4)
    assert len(calls) == 3 * (WARM_UP_RUNS + 4)
    rounds = ["".join(calls[start : start + 3]) for start in range(0, len(calls), 3)]
    assert set(rounds) == {"abc", "bca", "cab"}
    assert len(got) == 3


def test_table_columns_and_differences(report):
    head, table, classes, agreement = format_report(report).split("\n\n")
    assert "split test: 12 pictures" in head
    lines = table.splitlines()
    assert lines[0].split()[0] == "variant"
    assert [line.split()[0] for line in lines[1:]] == ["float32", "int8"]
    difference = 100 * (report.models[1].accuracy.ap - report.models[0].accuracy.ap)
    assert f"{difference:+.2f}" in lines[2].split()
    assert "+" not in lines[1]  # float32 differs from nothing
    assert [line.split()[0] for line in classes.splitlines()] == ["AP50", "blue", "red"]
    assert agreement.startswith(f"shown at score >= 0.5: {report.agreement.both} by both, 0 by")


def test_robustness_starts_from_the_clean_rows(converted, dataset):
    paths = [converted["float32"], converted["int8"]]
    report = run_benchmark(paths, dataset, latency_runs=0, limit=4, robustness=True).report
    clean, *others = report.robustness
    for model in report.models:
        assert clean.models[model.variant] == ApPair(model.accuracy.ap, model.accuracy.ap50)
    assert [row.condition for row in others] == list(CONDITIONS)
    table = format_report(report).split("\n\n")[-1].splitlines()
    assert len(table) == 2 + len(CONDITIONS)
    for line, row in zip(table[1:], report.robustness, strict=True):
        assert line.startswith(row.condition)
        assert line.endswith("FAILS") == (row.passes is False)


def test_a_failing_condition_is_marked():
    row = {"float32": ApPair(0.5, 0.5), "int8": ApPair(0.4, 0.49)}
    clean = {"float32": ApPair(0.9, 0.9), "int8": ApPair(0.9, 0.898)}
    lines = robustness_rows(compare_with_clean({"clean": clean, "blurred": row}))
    assert lines[1][1:] == ["90.00", "90.00", "+0.00", "90.00", "89.80", "-0.20", "", ""]
    assert lines[2][1:] == ["50.00", "40.00", "-10.00", "50.00", "49.00", "-1.00", "-0.80", "FAILS"]


def test_exported_files_are_measured_as_well(converted, dataset, tmp_path):
    """`build/*.tflite` names them, too; their operator suppresses where ours votes."""
    source = open_source(converted["int8"])
    exported, _ = export(source, [POSTPROCESS], tmp_path)
    given = [converted["int8"], exported, "--data", dataset, "--limit", 4, "--no-page"]
    given += ["--latency-runs", 0, "--out", tmp_path / "r.json"]
    assert benchmark.main(list(map(str, given))) == 0
    own, other = read_report(tmp_path / "r.json").models
    assert (own.variant, other.variant) == ("int8", "int8_postprocess")
    assert other.accuracy.ap50 == pytest.approx(own.accuracy.ap50, abs=0.02)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.tflite"], "no model file at missing.tflite"),
        (["{int8}", "--split", "nowhere"], "nowhere"),
        (["{int8}", "{other}"], "models of the same classes expected"),
        (["{int8}", "--out", "{file}/report.json"], "cannot write into"),
        (["{int8}", "--out", "report.html"], "a path for the JSON expected"),
        (["{int8}", "--robustness"], "models float32 and int8 expected"),
    ],
)
def test_errors_are_one_line(converted, dataset, tmp_path, capsys, arguments, message):
    other = tmp_path / "other.tflite"
    data = converted["int8"].read_bytes()
    other.write_bytes(data[: data.index(b"PK\x03\x04")])
    embed(other, DetectorSpec(SPEC.input_hw, ("x", "y"), SPEC.levels))
    places = {"int8": converted["int8"], "other": other, "file": converted["int8"]}
    filled = [argument.format(**places) for argument in arguments]
    if "--out" not in filled:
        filled += ["--out", str(tmp_path / "report.json")]
    assert benchmark.main([*filled, "--data", str(dataset)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert not (tmp_path / "report.json").exists()


@pytest.mark.parametrize(
    "flags", [["--threads", "0"], ["--limit", "0"], ["--latency-runs", "-1"], ["--limit", "x"]]
)
def test_numbers_out_of_range(flags, capsys):
    with pytest.raises(SystemExit) as caught:
        benchmark.main(["a.tflite", "--data", "d", *flags])
    assert caught.value.code == 2
    assert "a whole number " in capsys.readouterr().err


def test_earlier_report_survives_an_error(converted, tmp_path):
    out = tmp_path / "report.json"
    out.write_text("earlier")
    arguments = [str(converted["int8"]), "--data", str(tmp_path), "--out", str(out)]
    assert benchmark.main(arguments) == 2
    assert out.read_text() == "earlier"
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_missing_extra_is_named(monkeypatch, tmp_path, capsys):
    for name in ("convert.benchmark.run", "train.evaluation.coco"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    assert benchmark.main(["a.tflite", "--data", "d", "--out", str(tmp_path / "r.json")]) == 2
    assert "pip install pycocotools defusedxml tqdm" in capsys.readouterr().err


def test_runs_without_tensorflow_and_keras_and_loads_no_plots():
    code = (
        "import sys, convert.benchmark, convert.benchmark.run, convert.benchmark.html; "
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=HANG
    )
    assert done.returncode == 0, done.stderr
    heavy = {"tensorflow", "keras", "jax", "torch", "flatbuffers", "matplotlib", "jinja2"}
    assert not heavy & set(done.stdout.split())
