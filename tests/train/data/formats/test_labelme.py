import json
import math
import re

import pytest

from tests.train.data.formats.pictures import boxes_of, make_folder, read_with
from train.data.formats.files import FolderFiles
from train.data.formats.labelme import FORMAT, scan_annotation
from train.data.formats.registry import read_folder
from train.data.lint.findings import KINDS

BOX = (4, 2, 20, 10)
RECTANGLE = {"label": "cat", "points": [[4, 2], [20, 10]], "shape_type": "rectangle"}


def label(*shapes, **more):
    keys = {"version": "5.4.1", "flags": {}, "shapes": list(shapes), "imagePath": "a.jpg"}
    return json.dumps({**keys, "imageHeight": 20, "imageWidth": 40, **more}, indent=1)


def read(root, text, **more):
    return read_with(FORMAT, make_folder(root, {"a.json": text, **more}, ["a.jpg"]))


def shape(kind, *points, **more):
    return {"label": "cat", "points": [list(point) for point in points], "shape_type": kind, **more}


@pytest.mark.parametrize(
    ("drawn", "box"),
    [
        (RECTANGLE, BOX),
        (shape("rectangle", (20, 2), (4, 10)), BOX),  # drawn from another corner
        (shape("rectangle", (4, 2), (20, 2), (20, 10), (4, 10)), BOX),  # X-AnyLabeling
        (shape("rotation", (4, 6), (12, 2), (20, 6), (12, 10), direction=0.5), BOX),
        (shape("polygon", (4, 6), (12, 2), (20, 10)), BOX),
        (shape(None, (4, 6), (12, 2), (20, 10)), BOX),
        (shape("mask", (4, 2), (20, 10), mask="iVBORw0"), BOX),
        (shape("circle", (12, 10), (15, 14)), (7, 5, 17, 15)),
    ],
)
def test_a_shape_becomes_the_box_around_it(tmp_path, drawn, box):
    folder = read(tmp_path, label(drawn, {**RECTANGLE, "label": " dog ", "difficult": True}))
    assert folder.format == "LabelMe"
    assert boxes_of(folder, "a") == [("cat", box), ("dog", BOX)]
    annotation = folder.items["a"].annotation
    assert [one.difficult for one in annotation.objects] == [False, True]
    assert (annotation.filename, annotation.size_wh) == ("a.jpg", (40, 20))
    assert annotation.objects[0].box_line == 5


@pytest.mark.parametrize(
    ("drawn", "kind", "said"),
    [
        (shape("point", (4, 2)), "missing-tag", "object 2 expected a shape with an area.*'point'"),
        (shape("line", (4, 2), (20, 10)), "missing-tag", "got 'line'; draw a rectangle instead"),
        (shape(["rectangle"], (4, 2)), "missing-tag", "expected a shape with an area"),
        (shape("polygon", (4, 2), (20, 10)), "bad-number", "at least 3 pairs"),
        (shape("rectangle", (4, 2), (20, "10")), "bad-number", r"2 pairs \[x, y\], got .\[\[4, 2"),
        (shape("rectangle", (4, 2), (20, math.nan)), "bad-number", "at least 2 pairs"),
        (shape("rectangle", (4, 2), (20, 10**400)), "bad-number", "at least 2 pairs"),
        ({**RECTANGLE, "label": ""}, "missing-tag", 'object 2 has no "label"'),
        ("cat", "missing-tag", 'object 2 has no "label"'),
        ({**RECTANGLE, "points": None}, "bad-number", "got 'None'"),
    ],
)
def test_flaws_of_shapes(tmp_path, drawn, kind, said):
    item = read(tmp_path, label(RECTANGLE, drawn)).items["a"]
    assert [one.box_px for one in item.annotation.objects] == [BOX]
    (flaw,) = item.flaws
    assert (flaw.kind, flaw.number) == (kind, 2)
    assert flaw.kind in KINDS and flaw.line > 5
    assert re.search(said, flaw.message), flaw.message


def test_malformed_files_are_named_and_a_bad_size_is_no_flaw(tmp_path):
    texts = {"b.json": label(RECTANGLE)[:60], "c.json": '{"classes": []}'}
    make_folder(tmp_path, texts, ["b.jpg"])
    folder = read(tmp_path, label(RECTANGLE, imageWidth="wide"))
    assert folder.items["a"].annotation.size_wh is None
    assert "b.json, line 6" in str(folder.items["b"].malformed)
    assert "c" not in folder.items  # it has no picture, and no shapes
    (tmp_path / "d.json").write_text('{"shapes": 3}')
    with pytest.raises(ValueError, match=r'd\.json: expected a LabelMe file with a list "shapes"'):
        scan_annotation(tmp_path / "d.json")


def test_labels_txt_orders_the_classes_and_its_others_are_none(tmp_path):
    texts = {"labels.txt": "__ignore__\n_background_\ndog\ncat\n"}
    folder = read(tmp_path, label(RECTANGLE), **texts)
    assert folder.classes.names == ("__ignore__", "_background_", "dog", "cat")
    assert not folder.classes.binding


def test_sources_beside_what_was_exported_from_them_are_left_aside(tmp_path):
    sources = {f"{name}.json": label(RECTANGLE, imagePath=f"{name}.jpg") for name in "abcd"}
    rows = [f"{name}.jpg,40,20,cat,4,2,20,10\n" for name in "abc"]  # one is background
    table = "filename,width,height,class,xmin,ymin,xmax,ymax\n" + "".join(rows)
    folder = read_folder(
        make_folder(tmp_path, {**sources, "labels.csv": table}, [f"{name}.jpg" for name in "abcd"])
    )
    assert folder.format == "CSV"
    assert any("LabelMe (4 of them) are left aside" in note for note in folder.notes)


def test_json_beside_the_pictures_of_another_program_is_not_taken_along(tmp_path):
    notes = {f"{name}.json": '{"camera": 1}' for name in "bcd"}
    folder = read(tmp_path, label(RECTANGLE), **notes)
    assert [item.annotation is not None for item in folder.items.values()] == [True]


def test_the_picture_inside_may_stand_in_front_of_the_shapes(tmp_path):
    keys = json.loads(label(RECTANGLE, imageData="A" * 100_000))
    folder = read_folder(
        make_folder(tmp_path, {"a.json": json.dumps(keys, sort_keys=True)}, ["a.jpg"])
    )
    assert boxes_of(folder, "a") == [("cat", BOX)]


def test_other_json_is_not_labelme(tmp_path):
    backup = json.dumps([{"version": 0, "tags": [], "shapes": [RECTANGLE]}])  # CVAT's
    make_folder(tmp_path, {"annotations.json": backup, "e.json": "", "f.json": "{}"}, ["a.jpg"])
    assert FORMAT.recognize(FolderFiles(tmp_path)) is None
    utf16 = b"\xff\xfe" + label(RECTANGLE).encode("utf-16-le")
    make_folder(tmp_path / "wide", {"a.json": utf16}, ["a.jpg"])
    assert boxes_of(read_folder(tmp_path / "wide"), "a") == [("cat", BOX)]
