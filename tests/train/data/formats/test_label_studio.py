import json
import re

import pytest

from tests.train.data.formats.pictures import boxes_of, make_folder, read_with
from train.data.formats.label_studio import FORMAT
from train.data.formats.registry import read_folder
from train.data.lint.findings import KINDS

BOX = (4, 2, 20, 10)  # of a picture of 40 x 20: 10 %, 10 %, 50 %, 50 %
SIDES = {"x": 10, "y": 10, "width": 40, "height": 40, "rotation": 0}


def region(kind="rectanglelabels", label="cat", more=None, **value):
    value = {**(value or SIDES), kind: [label] if isinstance(label, str) else label}
    size = {"original_width": 40, "original_height": 20, "image_rotation": 0}
    return {**size, "id": "r", "type": kind, "value": value, **(more or {})}


def annotation(*results, **more):
    return {"result": list(results), "was_cancelled": False, "ground_truth": False, **more}


def task(*annotations, image="/data/upload/3/1a2b3c4d-a.jpg", **data):
    return {"id": 1, "data": {"image": image, **data}, "annotations": list(annotations)}


def read(root, *tasks, pictures=("a.jpg",)):
    text = json.dumps(tasks, indent=1)
    return read_with(FORMAT, make_folder(root, {"project-3.json": text}, pictures))


@pytest.mark.parametrize(
    ("drawn", "box"),
    [
        (region(), BOX),
        # a quarter turn clockwise around the corner (4, 2): 16 wide and 8 high, to its left
        (region(**{**SIDES, "rotation": 90}), (-4, 2, 4, 18)),
        (region(**{**SIDES, "rotation": 270}), (4, -14, 12, 2)),
        # 16 / sqrt(2) is 11.313708, 8 / sqrt(2) is 5.656854
        (region(**{**SIDES, "rotation": 45}), (-1.656854, 2, 15.313708, 18.970563)),
        (region("polygonlabels", points=[[10, 30], [30, 10], [50, 50]]), BOX),
        (region("ellipselabels", x=30, y=30, radiusX=20, radiusY=20, rotation=0), BOX),
        # half sides of 8 and 4 pixels, turned
        (region("ellipselabels", x=30, y=30, radiusX=20, radiusY=20, rotation=90), (8, -2, 16, 14)),
        (region("labels"), BOX),
    ],
)
def test_percent_of_a_region_become_the_box_around_it_in_pixels(tmp_path, drawn, box):
    folder = read(tmp_path, task(annotation(region(label=" dog "), drawn)))
    assert folder.format == "Label Studio"
    assert boxes_of(folder, "a") == [("dog", BOX), ("cat", box)]
    assert folder.items["a"].annotation.size_wh == (40, 20)
    assert folder.items["a"].flaws == ()


def test_no_rotation_may_be_null(tmp_path):
    folder = read(tmp_path, task(annotation(region(**{**SIDES, "rotation": None}))))
    assert boxes_of(folder, "a") == [("cat", BOX)]


def test_two_tasks_of_one_picture_are_refused_as_two_annotations_are(tmp_path):
    folder = read(tmp_path, task(annotation(region())), task(annotation(region(label="dog"))))
    item = folder.items["a"]
    assert item.annotation is None and "expected one task of" in str(item.malformed)


def test_regions_of_pictures_of_two_sizes_are_flaws(tmp_path):
    other = region(more={"original_width": 80, "original_height": 40})
    folder = read(tmp_path, task(annotation(region(), other)))
    assert boxes_of(folder, "a") == [("cat", BOX)]
    (flaw,) = folder.items["a"].flaws
    assert flaw.kind == "bad-number" and "a picture of (80, 40) pixels" in flaw.message


@pytest.mark.parametrize(
    ("drawn", "kind", "said"),
    [
        (region("brushlabels", rle=[1]), "missing-tag", "shape with an area.*got 'brushlabels'"),
        (region("keypointlabels", x=1, y=1), "missing-tag", "draw a rectangle instead"),
        (region(label=["cat", "dog"]), "missing-tag", 'one class in "rectanglelabels", got'),
        (region(label=[]), "missing-tag", "one class in"),
        (region("rectangle", label=None), "missing-tag", 'one class in "rectangle", got .null'),
        ("cat", "missing-tag", "expected a shape"),
        (region("rectangle", None, {"id": []}), "missing-tag", 'one class in "rectangle"'),
        (region(more={"type": ["x"]}), "missing-tag", "expected a shape"),
        (region(x="1", y=1, width=1, height=1), "bad-number", "x, y, width, height in percent"),
        (region(**{**SIDES, "rotation": "9"}), "bad-number", "x, y, width, height in percent"),
        (region("polygonlabels", points=[[1, 1], [2, 2]]), "bad-number", "at least 3 pairs"),
        (region("polygonlabels", points=[[1, 1], [2, 2], [3]]), "bad-number", "at least 3 pairs"),
        (region("ellipselabels", x=1, radiusX=2), "bad-number", "radiusX, radiusY in percent"),
        (region(more={"original_width": None}), "bad-number", '"original_width"'),
        (region(more={"image_rotation": 90}), "bad-number", "turned in Label Studio"),
    ],
)
def test_flaws_of_regions(tmp_path, drawn, kind, said):
    item = read(tmp_path, task(annotation(region(), drawn))).items["a"]
    assert [one.box_px for one in item.annotation.objects] == [BOX]
    (flaw,) = item.flaws
    assert (flaw.kind, flaw.number) == (kind, 2)
    assert flaw.kind in KINDS and flaw.line > 1
    assert re.search(said, flaw.message), flaw.message


def test_twins_and_results_that_are_no_regions_are_left_aside(tmp_path):
    twin = region("rectangle", label=None)
    choice = {"type": "choices", "value": {"choices": ["night"]}, "id": "c"}
    folder = read(tmp_path, task(annotation(twin, region("labels"), choice)))
    assert boxes_of(folder, "a") == [("cat", BOX)]
    assert folder.items["a"].flaws == ()
    assert any("1 results of the type choices are left aside" in note for note in folder.notes)


@pytest.mark.parametrize(
    "annotations",
    [
        [annotation(region())],
        [annotation(region("polygonlabels", points=[]), was_cancelled=True), annotation(region())],
        [annotation(), annotation(region(), ground_truth=True)],
    ],
)
def test_the_annotation_that_counts(tmp_path, annotations):
    assert boxes_of(read(tmp_path, task(*annotations)), "a") == [("cat", BOX)]


def test_several_annotations_are_refused_and_unfinished_tasks_left_out(tmp_path):
    tasks = [
        task(annotation(region()), annotation(region())),
        task(annotation(), image="https://host/b.jpg?sign=1"),
        task(annotation(region(), was_cancelled=True), image="s3://bucket/c.jpg"),
        task(image="d.jpg"),
    ]
    folder = read(tmp_path, *tasks, pictures=[f"{name}.jpg" for name in "abcd"])
    assert list(folder.items) == ["a", "b"]
    assert "or one that is marked as ground truth, got 2" in str(folder.items["a"].malformed)
    assert boxes_of(folder, "b") == []  # someone found nothing on it: background
    assert [path.name for path in folder.unannotated] == ["c.jpg", "d.jpg"]
    assert any("2 tasks have no annotation, or only a skipped" in note for note in folder.notes)


@pytest.mark.parametrize(
    ("address", "picture"),
    [
        ("/data/upload/3/1a2b3c4d-a.jpg", "images/a.jpg"),
        ("/data/upload/3/1a2b3c4d-a.jpg", "images/1a2b3c4d-a.jpg"),
        ("s3://bucket/folder/a.jpg", "images/1a2b3c4d-a.jpg"),
        ("https://host/x/my%20a.jpg?X-Amz-Date=1", "images/my a.jpg"),
        ("/data/local-files/?d=set%2Fa.jpg", "set/a.jpg"),
        ("gs://bucket/a.jpg", "a.jpg"),
    ],
)
def test_addresses_of_pictures(tmp_path, address, picture):
    folder = read(tmp_path, task(annotation(region()), image=address), pictures=[picture])
    (item,) = folder.items.values()
    assert (item.image_path, item.image_problem) == (tmp_path / picture, "")


def test_a_picture_that_two_tasks_could_mean_is_nobodys(tmp_path):
    first = task(annotation(region()), image="/data/upload/3/11111111-a.jpg")
    second = task(annotation(region()), image="/data/upload/3/22222222-a.jpg")
    folder = read(tmp_path, first, second)
    problems = [item.image_problem for item in folder.items.values()]
    assert len(problems) == 2 and all("has no picture" in problem for problem in problems)
    two = read(tmp_path / "two", first, pictures=["x/a.jpg", "y/a.jpg"])
    (item,) = two.items.values()
    assert item.image_path is None and "x/a.jpg and y/a.jpg fit both" in item.image_problem


def test_tasks_without_a_picture_and_malformed_files_are_named(tmp_path):
    tasks = [task(annotation(region())), task(image="a text"), task(other="/b.jpg"), 5]
    folder = read(tmp_path, *tasks)
    assert list(folder.items) == ["a"]
    assert [flaw.kind for _, flaw in folder.flaws] == ["unknown-image"] * 3
    text = json.dumps(tasks[:2], indent=1)
    (tmp_path / "project-3.json").write_text(text[:-30])
    with pytest.raises(ValueError, match=r"project-3\.json, line \d+, column \d+: expected"):
        read_folder(tmp_path)
