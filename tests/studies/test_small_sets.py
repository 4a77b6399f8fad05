"""Small sets study: a row for each training, means over seeds, earlier rows kept."""

import csv
import json

import pytest

from studies.small_sets.__main__ import main
from studies.small_sets.report import format_study, merge, read_cell, read_cells


def write_run(folder, name, seed, ap, flags="", int8_loss=0.01):
    """NAME_SEED.csv and NAME_SEED/report.json, as a training and a conversion leave them."""

    def model(variant, value):
        return {
            **{"variant": variant, "file": f"{variant}.tflite", "bytes": 9, "threads": 2},
            **{"latency_ms": None, "training": None, "input_hw": [256, 320]},
            **{"ap": value, "ap50": value + 0.2, "ap_per_class": {}, "ap50_per_class": {}},
            **dict.fromkeys(("ap75", "ap_small", "ap_medium", "ap_large")),
        }

    thresholds = {"score": 0.01, "iou": 0.45, "max_detections": 200}
    command = f"python -m train --out b/x.keras --data d/{name} --seed {seed} --resume {flags}"
    report = {
        "command": "python -m convert x.keras",
        "data": {"root": name, "split": "test", "images": 9, "boxes": 20, "difficult": 0},
        "machine": {"date": "2026-11-26T01:02:03"},
        "thresholds": {"latency": thresholds, "accuracy": thresholds},
        "models": [model("float32", ap), model("int8", ap - int8_loss)],
        "training": {
            **{"command": command, "seed": seed, "images": 40, "epochs": 2, "minutes": 1.0},
            **{"commit": "abc", "machine": {"cpu": "a processor", "cores": 2}},
        },
    }
    (folder / f"{name}_{seed}").mkdir(parents=True)
    path = folder / f"{name}_{seed}" / "report.json"
    path.write_text(json.dumps(report))
    rows = "".join(f"{n},60.0\n" for n in (1, 2, 3))
    (folder / f"{name}_{seed}.csv").write_text(f"epoch,seconds\n{rows}")
    return path


def test_a_cell_has_the_whole_training(tmp_path):
    """The record in the model ends at its best epoch, the log at the last."""
    cell = read_cell(write_run(tmp_path, "cats", 1, 0.5))
    assert (cell.data, cell.seed, cell.input, cell.flags) == ("cats", 1, "320x256", "")
    assert (cell.epochs, cell.minutes, cell.pictures, cell.test_pictures) == (3, 3.0, 40, 9)
    assert (cell.float32_ap, cell.int8_ap50) == (0.5, pytest.approx(0.69))


def test_another_detectors_weights_are_another_row(tmp_path):
    start = "--start-from b/chess_0.keras"
    cells = [
        read_cell(write_run(tmp_path / "a", "cats", 0, 0.5)),
        read_cell(write_run(tmp_path / "b", "cats", 0, 0.6, start)),
    ]
    assert [cell.start for cell in cells] == ["ImageNet", "chess_0"]
    assert merge(cells, cells) == cells
    assert [row.split()[1] for row in format_study(cells).splitlines()[-2:]] == [
        "ImageNet",
        "chess_0",
    ]


def test_means_over_seeds_and_a_set_alone(tmp_path):
    runs = [("cats", 0, 0.50), ("cats", 1, 0.54), ("dogs", 0, 0.30)]
    cells = [read_cell(write_run(tmp_path, *run)) for run in runs]
    cats, dogs = format_study(cells).splitlines()[-2:]
    for text in ("cats", "40 + 9", "72.00 ± 2.83", "52.00 ± 2.83", "-1.00 ± 0.00"):
        assert text in cats
    assert "±" not in dogs and "30.00" in dogs


def test_earlier_rows_stay_and_are_measured_again(tmp_path, capsys):
    first = write_run(tmp_path / "a", "cats", 0, 0.5)
    assert main([str(first), "--out", str(tmp_path / "one")]) == 0
    again = [write_run(tmp_path / "b", "cats", 0, 0.6), write_run(tmp_path / "b", "cats", 1, 0.7)]
    earlier = tmp_path / "one" / "small_sets.json"
    arguments = [*map(str, again), "--earlier", str(earlier), "--out", str(tmp_path / "two")]
    assert main(arguments) == 0
    cells = read_cells(tmp_path / "two" / "small_sets.json")
    assert [(cell.seed, cell.float32_ap) for cell in cells] == [(0, 0.6), (1, 0.7)]
    assert (tmp_path / "two" / "small_sets.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "two" / "small_sets.csv").open() as file:
        assert [row["seed"] for row in csv.DictReader(file)] == ["0", "1"]
    assert "flags beside data, out, weights and seed: none" in capsys.readouterr().out


def test_trainings_with_other_flags_do_not_mix(tmp_path):
    cells = [
        read_cell(write_run(tmp_path, "cats", 0, 0.5)),
        read_cell(write_run(tmp_path, "cats", 1, 0.5, "--epochs 7")),
    ]
    with pytest.raises(ValueError, match=r"same flags expected, got \['', '--epochs 7'\]"):
        merge([], cells)


def test_what_is_missing_is_named(tmp_path):
    path = write_run(tmp_path, "cats", 0, 0.5)
    (tmp_path / "cats_0.csv").unlink()
    with pytest.raises(FileNotFoundError, match="no log of the training"):
        read_cell(path)
    other = tmp_path / "other.json"
    other.write_text("[]")
    with pytest.raises(ValueError, match=r"a small_sets\.json expected"):
        read_cells(other)
