import json
import re

import pytest

from tests.train.data.formats.pictures import boxes_of, make_folder, read_with, splits_of
from train.data.formats.createml import FORMAT
from train.data.formats.files import FolderFiles
from train.data.formats.registry import read_folder
from train.data.lint.findings import KINDS

BOX = (4, 2, 20, 10)
OBJECT = {"label": "cat", "coordinates": {"x": 12, "y": 6, "width": 16, "height": 8}}


def entry(name, *objects, key="image", boxes="annotations", **more):
    return {key: name, boxes: list(objects), **more}


def read(root, *entries, pictures=("a.jpg",), name="_annotations.createml.json"):
    text = json.dumps(entries, indent=1)
    return read_with(FORMAT, make_folder(root, {name: text}, pictures))


def changed(**sides):
    return {**OBJECT, "coordinates": {**OBJECT["coordinates"], **sides}}


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"key": "imagefilename", "boxes": "annotation"},  # Apple's pages
        {"verified": True},  # LabelImg
    ],
)
def test_x_and_y_are_the_center(tmp_path, keys):
    odd = changed(x=10.5, width=5)
    first = entry("b.jpg", **{k: v for k, v in keys.items() if k in ("key", "boxes")})
    folder = read(tmp_path, first, entry("a.jpg", OBJECT, odd, **keys), pictures=("a.jpg", "b.jpg"))
    assert folder.format == "CreateML"
    assert boxes_of(folder, "a") == [("cat", BOX), ("cat", (8, 2, 13, 10))]
    assert boxes_of(folder, "b") == []  # the list has it: background
    annotation = folder.items["a"].annotation
    assert (annotation.filename, annotation.size_wh, annotation.line) == ("a.jpg", None, 6)
    assert annotation.objects[0].box_line == 9


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        ({**OBJECT, "label": " "}, "missing-tag", 'object 2 of a.jpg has no "label"'),
        ({"coordinates": OBJECT["coordinates"]}, "missing-tag", 'has no "label"'),
        ({"label": "cat"}, "bad-number", "numbers of pixels in x, y, width, height, got 'null'"),
        (changed(x="12"), "bad-number", "numbers of pixels"),
        (changed(height=True), "bad-number", "numbers of pixels"),
        (changed(height=float("nan")), "bad-number", "numbers of pixels"),
        (changed(height=10**400), "bad-number", "numbers of pixels"),
        ("cat", "missing-tag", 'has no "label"'),
    ],
)
def test_flaws_of_boxes(tmp_path, value, kind, said):
    item = read(tmp_path, entry("a.jpg", OBJECT, value)).items["a"]
    assert [one.box_px for one in item.annotation.objects] == [BOX]
    (flaw,) = item.flaws
    assert (flaw.kind, flaw.number) == (kind, 2)
    assert flaw.kind in KINDS and flaw.line > 9
    assert re.search(said, flaw.message), flaw.message


def test_roboflows_folders_are_splits_each_with_its_own_pictures(tmp_path):
    wide = changed(x=17, width=26)
    for folder, box in (("train", OBJECT), ("valid", wide)):
        text = json.dumps([entry("a.jpg", box)])
        name = f"{folder}/_annotations.createml.json"
        make_folder(tmp_path, {name: text}, [f"{folder}/a.jpg"])
    folder = read_folder(tmp_path)
    (train,), (val,) = splits_of(folder)["train"], splits_of(folder)["val"]
    assert boxes_of(folder, train) == [("cat", BOX)]
    assert boxes_of(folder, val) == [("cat", (4, 2, 30, 10))]


def test_another_form_of_the_same_pictures_in_a_folder_beside_is_no_other_set(tmp_path):
    coco = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 40, "height": 20}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [4, 2, 16, 8]}],
    }
    texts = {
        "coco/_annotations.coco.json": json.dumps(coco),
        "createml/_annotations.createml.json": json.dumps([entry("a.jpg", OBJECT)]),
    }
    folder = read_folder(make_folder(tmp_path, texts, ["images/a.jpg"]))
    assert folder.format == "COCO" and boxes_of(folder, next(iter(folder.items))) == [("cat", BOX)]


def test_malformed_files_and_entries_are_named(tmp_path):
    text = json.dumps([entry("a.jpg", OBJECT), entry("b.jpg", OBJECT)], indent=1)
    make_folder(tmp_path, {"a.json": text[:-60]}, ["a.jpg"])
    with pytest.raises(ValueError, match=r"a\.json, line 2\d, column .*expected JSON"):
        read_folder(tmp_path)
    entries = [entry("a.jpg", OBJECT), {"annotations": []}, {"image": "b.jpg"}, 5, entry("../")]
    folder = read(tmp_path, *entries, name="a.json")
    assert list(folder.items) == ["a"]
    assert [flaw.kind for _, flaw in folder.flaws] == ["unknown-image"] * 4
    assert 'expected an "image" of one line' in folder.flaws[0][1].message


def test_other_lists_are_not_createml(tmp_path):
    texts = {
        "classes.json": [{"image": "a.jpg", "annotations": ["cat"]}],
        "coco.json": [{"image": "a.jpg", "annotations": [{"label": "cat", "bbox": [1, 2, 3, 4]}]}],
        "studio.json": [{"data": {"image": "a.jpg"}, "annotations": []}],
        "numbers.json": [1, 2],
        "none.json": [],
    }
    make_folder(tmp_path, {name: json.dumps(value) for name, value in texts.items()}, ["a.jpg"])
    make_folder(tmp_path, {"empty.json": "", "object.json": "{}"})
    assert FORMAT.recognize(FolderFiles(tmp_path)) is None
