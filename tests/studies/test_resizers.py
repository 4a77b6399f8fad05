"""Resizers study: the same pictures by each resizer, what they are, and what was learned from."""

import json

import numpy as np
import pytest
from PIL import Image

from edge_runtime.detector.resize import OPENCV, PILLOW
from studies.resizers import __main__ as study
from studies.resizers.report import Accuracies, Row, format_study, page_table, to_json
from tests.conftest import needs_opencv
from train.data.formats.voc import write_annotation

pytestmark = needs_opencv


@pytest.fixture
def data(tmp_path, red_frame):
    """For an input of 32 x 48 three pictures of 64 x 144, twice as high, and one of 65 x 144."""
    folder = tmp_path / "cells"
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    ids = ["a", "b", "c", "d"]
    for number, name in enumerate(ids):
        pixels = red_frame if number else np.pad(red_frame, ((0, 1), (0, 0), (0, 0)))
        Image.fromarray(pixels).save(folder / f"JPEGImages/{name}.png")
        height, width = pixels.shape[:2]
        path = folder / f"Annotations/{name}.xml"
        write_annotation(path, f"{name}.png", width, height, np.array([(108, 4, 132, 36)]), ["red"])
    for split, names in (("train", ids[:1]), ("val", ids[1:2]), ("test", ids)):
        (folder / f"ImageSets/Main/{split}.txt").write_text("".join(f"{i}\n" for i in names))
    return folder


def test_every_resizer_sees_the_same_pictures(data, tiny_models, tmp_path, capsys):
    models = [str(tiny_models / f"tiny_{kind}.tflite") for kind in ("float", "int8")]
    arguments = ["--case", str(data), *models, "--splits", "test", "--out", str(tmp_path)]
    assert study.main(arguments) == 0
    rows = json.loads((tmp_path / "resizers.json").read_text())["rows"]
    assert [row["file"] for row in rows] == ["tiny_float.tflite", "tiny_int8.tflite"]
    for row in rows:
        assert (row["data"], row["split"], row["input_hw"]) == ("cells", "test", [32, 48])
        assert (row["pictures"], row["larger_in_one"], row["larger_in_both"]) == (4, 4, 1)
        assert {name: values["ap50"] for name, values in row["accuracies"].items()} == {
            name: pytest.approx(1) for name in (PILLOW, OPENCV)
        }
    assert (tmp_path / "resizers.md").read_text() == page_table(rows) + "\n"
    assert "tiny_int8" in capsys.readouterr().out


def test_a_split_that_was_learned_from_is_left_out(
    data, tiny_models, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(study, "read_training", lambda path: {"split": "trainval"})
    model = tiny_models / "tiny_int8.tflite"
    assert [study.has_learned(model, split) for split in ("train", "val", "test")] == [1, 1, 0]
    arguments = ["--case", str(data), str(model), "--splits", "val", "--out", str(tmp_path)]
    assert study.main(arguments) == 2
    assert "learned from" in capsys.readouterr().err
    assert not (tmp_path / "resizers.json").exists()


def test_differences_and_their_means():
    def row(name, split, opencv):
        accuracies = {PILLOW: Accuracies(0.5, 0.5), OPENCV: Accuracies(opencv, opencv)}
        return Row("set", split, f"{name}.tflite", (32, 48), 9, 20, 4, 1, accuracies)

    rows = [row("a", "val", 0.51), row("b", "val", 0.53), row("a", "test", 0.49)]
    lines = page_table(to_json("command", {}, rows)["rows"]).splitlines()
    assert lines[2] == "| a | val | 9 | 4, 1 | 50.00 | 51.00 | +1.00 | 50.00 | 51.00 | +1.00 |"
    assert "| mean | val |  |  |  |  | +2.00 ± 1.41 |" in lines[5]
    assert "| mean | test |  |  |  |  | -1.00 ± 0.00 |" in lines[6]
    assert len(format_study(rows).splitlines()) == 6


def test_a_case_is_a_folder_and_a_detector(capsys):
    with pytest.raises(SystemExit):
        study.main(["--case", "folder"])
    assert "at least one .tflite file expected" in capsys.readouterr().err
