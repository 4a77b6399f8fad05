"""The file of anchors and the command that writes it."""

import json

import numpy as np
import pytest
from PIL import Image

from edge_runtime.detector.spec import AnchorLevel, DetectorSpec
from tests.train.data.voc_folder import make_voc
from train.anchors.__main__ import main
from train.anchors.levels import load_levels, save_levels
from train.anchors.plot import anchor_sizes_px

STRIDES = (8, 16, 32, 64)
LEVELS = (AnchorLevel(8, (0.1, 0.2), (0.5, 2)), AnchorLevel(32, (0.4,), (1,)))


def test_levels_come_back_as_they_were_written(tmp_path):
    path = tmp_path / "new" / "anchors.json"
    save_levels(path, LEVELS)
    assert load_levels(path) == LEVELS
    assert [item.name for item in path.parent.iterdir()] == ["anchors.json"]
    DetectorSpec((64, 64), ("a",), load_levels(path))


GOOD = {"stride": 8, "sizes": [0.1], "aspect_ratios": [1]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "Expecting property name"),
        ("[]", 'no object with a list "levels"'),
        ('{"levels": []}', 'no object with a list "levels"'),
        ('{"levels": 3}', 'no object with a list "levels"'),
        ([3], "without exactly stride, sizes, aspect_ratios"),
        ([{"stride": 8, "sizes": [0.1]}], "without exactly"),
        ([{**GOOD, "name": "x"}], "without exactly"),
        ([{**GOOD, "sizes": "12"}], "sizes that are no list of numbers: 12"),
        ([{**GOOD, "sizes": ["0.1"]}], "sizes that are no list of numbers"),
        ([{**GOOD, "aspect_ratios": [True]}], "aspect_ratios that are no list of numbers"),
        ([{**GOOD, "aspect_ratios": [1, 2]}], "as many sizes as aspect_ratios"),
        ([{**GOOD, "sizes": [-0.1]}], "must be numbers from 0.0001"),
        ([{**GOOD, "sizes": [float("nan")]}], "must be numbers from 0.0001"),
        ([{**GOOD, "stride": 12}], "power of two"),
        ([{**GOOD, "stride": "8"}], "power of two"),
        ([{**GOOD, "stride": 16}, GOOD], "strides that do not rise"),
        ([GOOD, GOOD], "strides that do not rise"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path, content, said):
    path = tmp_path / "anchors.json"
    path.write_text(content if isinstance(content, str) else json.dumps({"levels": content}))
    with pytest.raises(ValueError, match="anchor levels as JSON expected") as caught:
        load_levels(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "python -m train.anchors" in str(caught.value)


def test_a_missing_or_binary_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file of anchors at .*train\.anchors"):
        load_levels(tmp_path / "none.json")
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="anchor levels as JSON expected"):
        load_levels(tmp_path / "a.json")


def test_command_line(tmp_path, capsys):
    boxes = [(x, y, x + w, y + w // 2) for x in (1, 9) for y in (1, 5) for w in (6, 8, 10)]
    make_voc(tmp_path, boxes)
    out, picture = tmp_path / "anchors.json", tmp_path / "anchors.png"
    flags = ["--data", str(tmp_path), "--input-size", "256"]
    assert main([*flags, "--out", str(out), "--picture", str(picture)]) == 0
    printed = capsys.readouterr().out
    assert "cat       12" in printed and "stride   8, 32x32 cells: " in printed
    levels = load_levels(out)
    assert tuple(level.stride for level in levels) == STRIDES
    # boxes of 6x3, 8x4 and 10x5 pixels of 40x20 are square in the net's eyes
    np.testing.assert_allclose(anchor_sizes_px(levels[:1], (256, 256)), [[38.4] * 2], rtol=1e-3)
    shapes = anchor_sizes_px(levels[1:2], (256, 256))
    np.testing.assert_allclose(shapes, [[51.2] * 2, [64] * 2], rtol=1e-3)
    with Image.open(picture) as image:
        assert image.format == "PNG"
        assert min(image.size) > 400
        assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 10


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--per-level", "0"], "--per-level is at least 1"),
        (["--per-level", "4"], "at least 16 boxes"),
        (["--input-size", "32"], "64 to 2048"),
        (["--seed", "-1"], "--seed is 0 to"),
        (["--out", "a.txt"], "--out is a .json file"),
        (["--picture", "a.jpg"], "--picture is a .png file"),
        (["--split", "none"], "none"),
    ],
)
def test_a_wrong_command_is_refused_in_one_line(tmp_path, capsys, flags, said):
    make_voc(tmp_path, [(1, 1, 5, 5)])
    assert main(["--data", str(tmp_path), *flags]) == 2
    streams = capsys.readouterr()
    assert said in streams.err and streams.err.startswith("train.anchors: ")
    assert len(streams.err.splitlines()) == 1


def test_an_unknown_preset_is_refused_by_name(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--data", "nowhere", "--preset", "yolo"])
    assert "fpnlite" in capsys.readouterr().err
