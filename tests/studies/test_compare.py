"""The comparison: what is run, what goes on, what is refused, and the table."""

import json
import os
from dataclasses import replace

import pytest

from convert.benchmark.report import ACCURACY_KEYS, ModelRow, Percentiles
from studies.compare.__main__ import main
from studies.compare.report import OTHER, Size, _row, format_rows, page_table, read_rows
from studies.compare.runs import Recipe, check_recipe, convert_command, train_command
from tests.conftest import ROOT
from tests.convert.fixtures import write_dataset
from train.evaluation.coco import Accuracy

RECIPE = Recipe("data", "test", 20.0, ("--alpha", "0.5"), {"ssdlite": "w.h5"})


def test_commands_begin_go_on_and_end(tmp_path):
    first = train_command("ssdlite", RECIPE, tmp_path)
    assert first == [
        *("-m", "train", "--data", "data", "--out", str(tmp_path / "ssdlite.keras")),
        *("--preset", "ssdlite", "--budget", "20", "--backbone-weights", "w.h5", "--alpha", "0.5"),
    ]
    (tmp_path / "ssdlite.resume.npz").touch()
    assert train_command("ssdlite", RECIPE, tmp_path) == [*first, "--resume"]
    (tmp_path / "ssdlite.keras").touch()  # the best so far; the training goes on
    assert train_command("ssdlite", RECIPE, tmp_path)[-1] == "--resume"
    (tmp_path / "ssdlite.resume.npz").unlink()
    assert train_command("ssdlite", RECIPE, tmp_path) is None
    assert convert_command("ssdlite", RECIPE, tmp_path)[3:5] == ["--data", "data"]
    (tmp_path / "ssdlite").mkdir()
    report = tmp_path / "ssdlite/report.json"
    report.touch()
    os.utime(report, (2e9, 2e9))
    assert convert_command("ssdlite", RECIPE, tmp_path) is None


def test_detectors_of_another_recipe_are_not_mixed(tmp_path):
    folder = tmp_path / "out"
    check_recipe(replace(RECIPE, budget=10.0), folder)
    check_recipe(RECIPE, folder)  # nothing was made with the other
    (folder / "ssdlite.resume.npz").touch()
    check_recipe(RECIPE, folder)
    check_recipe(replace(RECIPE, weights={**RECIPE.weights, "fpnlite": "x.h5"}), folder)
    with pytest.raises(ValueError, match=r"holds a comparison with budget 20\.0, got 30\.0"):
        check_recipe(replace(RECIPE, budget=30.0), folder)
    with pytest.raises(ValueError, match="holds a comparison with weights"):
        check_recipe(replace(RECIPE, weights={"ssdlite": "other.h5"}), folder)


def model_row(**changes):
    accuracy = Accuracy(**{key: {} if "per_class" in key else 0.5 for key in ACCURACY_KEYS})
    row = ModelRow(
        variant="int8",
        file="ssdlite_int8.tflite",
        bytes=2_500_000,
        threads=2,
        latency_ms={"inference": Percentiles(12.34, 15.0)},
        training={"minutes": 19.6},
        accuracy=replace(accuracy, ap_small=None),
        input_hw=(300, 320),
        peak_memory=90_000_000,
    )
    return replace(row, **changes)


def test_the_table_has_a_row_for_each_file_and_for_other_detectors(tmp_path):
    sizes = {"ssdlite": Size(4_300_000, 800_000_000)}
    ours = _row(model_row(), sizes)
    other = _row(
        model_row(
            variant=None,
            file="faster.json",
            name="Faster R-CNN",
            bytes=None,
            threads=None,
            latency_ms=None,
            training=None,
            input_hw=None,
            peak_memory=None,
        ),
        sizes,
    )
    assert (ours.detector, ours.kind, ours.input) == ("ssdlite", "int8", "320x300")
    assert (other.detector, other.kind, other.parameters) == ("Faster R-CNN", OTHER, None)
    first, second = format_rows([ours, other]).splitlines()[1:]
    for cell in ("4.30", "0.80", "50.00", "- / 50.00 / 50.00", "12.3 (15.0)", "90", "2.50", "20"):
        assert cell in first
    assert "Faster R-CNN  results" in second
    path = tmp_path / "compare.json"
    path.write_text(json.dumps({"rows": [vars(ours), vars(other)]}))
    assert read_rows(path) == [ours, other]
    assert main(["--out", str(tmp_path), "--draw", str(path)]) == 0
    assert (tmp_path / "compare.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--data expected"),
        (["--data", "d", "--backbone-weights", "resnet=x.h5"], "is PRESET=FILE, got resnet=x.h5"),
        (["--data", "d", "--backbone-weights", "ssdlite=none.h5"], "no file at none.h5"),
        (["--data", "d", "--results", "none.json"], "--results: no file at none.json"),
        (["--data", "d"], "d: "),
        (["--data", "d", "--", "--preset", "digits"], "got --preset, which the comparison sets"),
        (["--data", "d", "--", "--budget=3"], "got --budget=3, which the comparison sets"),
    ],
)
def test_bad_input_is_named_before_anything_runs(flags, message, tmp_path, capsys):
    assert main(["--out", str(tmp_path), *flags]) == 2
    assert message in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_splits_and_results_are_checked_before_the_trainings(tmp_path, capsys):
    data, out = tmp_path / "data", tmp_path / "out"
    write_dataset(data, {"train": 2, "test": 1})
    common = ["--out", str(out), "--data", str(data)]
    assert main([*common, "--split", "tset"]) == 2
    assert "tset" in capsys.readouterr().err
    results = tmp_path / "other.json"
    results.write_text('{"detections": 3}')
    assert main([*common, "--split", "train", "--results", str(results)]) == 2
    assert "a list of COCO results expected" in capsys.readouterr().err
    assert not out.exists()
    with pytest.raises(SystemExit):
        main([*common, "--budget", "nan"])
    assert "a number above 0 expected" in capsys.readouterr().err


def test_the_page_has_the_table_that_was_measured():
    found = ROOT / "studies/compare/bccd.json"
    assert page_table(read_rows(found)) in (ROOT / "docs/ssd.md").read_text(encoding="utf-8")
