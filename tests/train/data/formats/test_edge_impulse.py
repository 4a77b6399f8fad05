import json
import re

import pytest

from tests.train.data.formats.pictures import boxes_of, make_folder, read_with, splits_of
from train.data.formats.edge_impulse import FORMAT
from train.data.formats.registry import read_folder

BOX = (4, 2, 20, 10)
OBJECT = {"label": "cat", "x": 4, "y": 2, "width": 16, "height": 8}
NAME = "bounding_boxes.labels"


def label(**pictures):
    content = {"version": 1, "type": "bounding-box-labels"}
    named = {f"{stem}.jpg": boxes for stem, boxes in pictures.items()}
    return json.dumps({**content, "boundingBoxes": named}, indent=1)


def read(root, text):
    return read_with(FORMAT, make_folder(root, {NAME: text}, ["a.jpg", "b.jpg", "c.jpg"]))


def test_x_and_y_are_the_top_left_corner(tmp_path):
    folder = read(tmp_path, label(b=[], a=[OBJECT, {**OBJECT, "label": "dog", "width": 26.5}]))
    assert folder.format == "Edge Impulse"
    assert boxes_of(folder, "a") == [("cat", BOX), ("dog", (4, 2, 30.5, 10))]
    assert boxes_of(folder, "b") == []  # the list has it: background
    assert folder.unannotated == (tmp_path / "c.jpg",)
    annotation = folder.items["a"].annotation
    assert (annotation.line, annotation.objects[1].box_line) == (6, 14)


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        ({**OBJECT, "label": ""}, "missing-tag", 'object 2 of a.jpg has no "label"'),
        ({**OBJECT, "x": "4"}, "bad-number", "numbers of pixels in x, y, width, height"),
        ({"label": "cat", "x": 1, "y": 1}, "bad-number", "numbers of pixels"),
        (5, "missing-tag", 'has no "label"'),
    ],
)
def test_flaws_of_boxes(tmp_path, value, kind, said):
    item = read(tmp_path, label(a=[OBJECT, value])).items["a"]
    assert [one.box_px for one in item.annotation.objects] == [BOX]
    (flaw,) = item.flaws
    assert (flaw.kind, flaw.number, flaw.line) == (kind, 2, 13)
    assert re.search(said, flaw.message), flaw.message


def test_training_and_testing_are_splits_each_with_its_own_pictures(tmp_path):
    for folder, width in (("training", 16), ("testing", 26)):
        text = label(a=[{**OBJECT, "width": width}])
        make_folder(tmp_path, {f"{folder}/{NAME}": text}, [f"{folder}/a.jpg"])
    folder = read_folder(tmp_path)
    (train,), (test,) = splits_of(folder)["train"], splits_of(folder)["test"]
    assert boxes_of(folder, train) == [("cat", BOX)]
    assert boxes_of(folder, test) == [("cat", (4, 2, 30, 10))]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (label(a=[OBJECT])[:-20], r"labels, line 1\d, column \d+: expected"),
        ('{"version": 1}', 'labels: expected an object "boundingBoxes" of pictures, got none'),
        ('{"boundingBoxes": {"a.jpg": [],\n"a.jpg": []}}', "line 2, .*each key once, got 'a.jpg'"),
        ("", "expected '{'"),
    ],
)
def test_files_of_no_use_are_named(tmp_path, text, said):
    make_folder(tmp_path, {NAME: text}, ["a.jpg"])
    with pytest.raises(ValueError, match=said):
        read_folder(tmp_path)


def test_a_picture_without_a_list_is_a_flaw(tmp_path):
    folder = read(tmp_path, '{"boundingBoxes": {"b.jpg": 5, "../": [], "a.jpg": []}}')
    assert list(folder.items) == ["a"]
    assert [flaw.kind for _, flaw in folder.flaws] == ["unknown-image"] * 2
