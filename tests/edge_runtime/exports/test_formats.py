import csv
import io
import json
import os
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from edge_runtime import Detections
from edge_runtime.exports.base import Job, Picture
from edge_runtime.exports.registry import find_writer

NAMES = ("cat", "dog")
BOXES = [[10, 5, 60.5, 30], [-4, 40, 20, 60], [120, 0, 130, 10]]  # the second leaves, the third is
FOUND = Detections(np.array(BOXES), [0.75, 0.5, 0.25], [1, 0, 0], NAMES)  # outside
NOTHING = Detections(np.empty((0, 4)), [], [], NAMES)


def export(form, folder, images=("shots/one.jpg", "shots/two.png"), **settings):
    """The first picture shows a dog and a cat, the others nothing; all are 100 x 50."""
    writer = find_writer(form)(Job(images, NAMES, folder, **settings))
    for number, path in enumerate(images):
        pixels = np.zeros((50, 100, 3), np.uint8)
        writer.write(Picture(number, path, pixels, NOTHING if number else FOUND, {"inference": 1}))
    writer.finish()


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_voc_is_what_labelimg_writes(tmp_path):
    export("voc", tmp_path)
    assert names_in(tmp_path) == ["one.xml", "two.xml"]
    text = (tmp_path / "one.xml").read_text()
    assert text.startswith(
        "<annotation>\n\t<folder>shots</folder>\n\t<filename>one.jpg</filename>\n"
        "\t<source>\n\t\t<database>Unknown</database>\n\t</source>\n"
        "\t<size>\n\t\t<width>100</width>\n\t\t<height>50</height>\n\t\t<depth>3</depth>\n"
        "\t</size>\n\t<segmented>0</segmented>\n"
        "\t<object>\n\t\t<name>dog</name>\n\t\t<pose>Unspecified</pose>\n"
        "\t\t<truncated>0</truncated>\n\t\t<difficult>0</difficult>\n"
        "\t\t<bndbox>\n\t\t\t<xmin>10</xmin>\n\t\t\t<ymin>5</ymin>\n"
        "\t\t\t<xmax>60.5</xmax>\n\t\t\t<ymax>30</ymax>\n\t\t</bndbox>\n\t</object>\n"
    )
    nodes = ET.fromstring(text).findall("object")
    corners = [[part.text for part in node.find("bndbox")] for node in nodes]
    assert corners == [["10", "5", "60.5", "30"], ["0", "40", "20", "50"]]
    empty = ET.parse(tmp_path / "two.xml").getroot()
    assert empty.findall("object") == [] and empty.findtext("size/width") == "100"


def test_a_picture_that_was_read_smaller(tmp_path):
    picture = Picture(0, "a.jpg", np.zeros((25, 50, 3), np.uint8), FOUND, {}, hw=(50, 100))
    assert (picture.width, picture.height) == (100, 50)
    assert picture.labels()[0].box == (10, 5, 60.5, 30)
    assert picture.detections_in_pixels().boxes[0].tolist() == [5, 2.5, 30.25, 15]


def test_voc_escapes_names(tmp_path):
    export("voc", tmp_path, ["a&b <1>.jpg"])
    root = ET.parse(tmp_path / "a&b <1>.xml").getroot()
    assert root.findtext("filename") == "a&b <1>.jpg"


def test_yolo(tmp_path):
    export("yolo", tmp_path)
    assert names_in(tmp_path) == ["classes.txt", "one.txt", "two.txt"]
    assert (tmp_path / "classes.txt").read_text() == "cat\ndog\n"
    assert (tmp_path / "one.txt").read_text() == (
        "1 0.352500 0.350000 0.505000 0.500000\n0 0.100000 0.900000 0.200000 0.200000\n"
    )
    assert (tmp_path / "two.txt").read_text() == ""


def test_yolo_classes_of_another_model_are_kept(tmp_path):
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    export("yolo", tmp_path, ["a.jpg"])
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    with pytest.raises(ValueError, match=r"classes\.txt has other classes than this model, cat"):
        export("yolo", tmp_path, ["b.jpg"])
    assert names_in(tmp_path) == ["a.txt", "classes.txt"]
    with pytest.raises(ValueError, match=r"is for the class names; rename the picture Classes"):
        export("yolo", tmp_path, ["Classes.jpg"])


RESULTS = [
    {"image_id": 0, "category_id": 2, "bbox": [10, 5, 50.5, 25], "score": 0.75},
    {"image_id": 0, "category_id": 1, "bbox": [0, 40, 20, 10], "score": 0.5},
]


@pytest.mark.parametrize(
    ("image", "image_id"),
    [("x/000139.jpg", 139), ("x/shot-1.jpg", "shot-1.jpg"), ("٣.jpg", "٣.jpg")],
)
def test_coco_ids_by_the_name(tmp_path, image, image_id):
    export("coco", tmp_path, [image])
    assert names_in(tmp_path) == ["detections.json"]
    found = json.loads((tmp_path / "detections.json").read_text())
    assert found == [{**row, "image_id": image_id} for row in RESULTS]


def write_coco(path, images, categories=(("dog", 18), ("cat", 17))):
    content = {
        "images": [{"id": number, "file_name": name} for number, name in images],
        "categories": [{"id": number, "name": name} for name, number in categories],
        "annotations": [],
    }
    path.write_text(json.dumps(content))
    return path


def test_coco_ids_of_a_file(tmp_path, capsys):
    file = write_coco(tmp_path / "val.json", [(7, "val/one.jpg"), (9, "two.png"), (3, "x.jpg")])
    export("coco", None, coco_annotations=file)
    captured = capsys.readouterr().out
    assert json.loads(captured) == [
        {**RESULTS[0], "image_id": 7, "category_id": 18},
        {**RESULTS[1], "image_id": 7, "category_id": 17},
    ]


def test_coco_folders_tell_images_of_one_name_apart(tmp_path, capsys):
    images = [(1, "left/a.jpg"), (2, "right/a.jpg")]
    file = write_coco(tmp_path / "val.json", images)
    export("coco", None, ["photos/right/a.jpg", "photos/left/a.jpg"], coco_annotations=file)
    assert {row["image_id"] for row in json.loads(capsys.readouterr().out)} == {2}
    with pytest.raises(ValueError, match=r"file_name of up/a\.jpg, got 2 of that name"):
        export("coco", None, ["up/a.jpg"], coco_annotations=file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no JSON", r"expected COCO annotations in JSON, got"),
        ("[]", r'expected COCO annotations with "images"'),
        ('{"images": [{"id": 1}]}', r'.*"file_name", got none \(KeyError: .file_name.\)'),
        ('{"images": []}', r'expected COCO annotations with "categories"'),
        ("[" * 200_000, "expected COCO annotations in JSON, got lists or objects nested too deep"),
        (
            '{"images": [{"id": [1], "file_name": "one.jpg"}]}',
            r'expected a whole number or text as "id" in "images", got \[1\] for one\.jpg; correct',
        ),
        ('{"images": [{"id": true, "file_name": "one.jpg"}]}', '.* in "images", got true for one'),
        ('{"images": [{"id": null, "file_name": "one.jpg"}]}', '.* in "images", got null for one'),
        ('{"images": [{"id": 1.5, "file_name": "one.jpg"}]}', r'.* in "images", got 1\.5 for one'),
        (
            '{"images": [], "categories": [{"id": {"a": 1}, "name": "cat"}]}',
            r'.* in "categories", got \{"a": 1\} for cat',
        ),
    ],
)
def test_files_that_are_no_coco_annotations(tmp_path, text, message):
    (tmp_path / "val.json").write_text(text)
    with pytest.raises(ValueError, match=rf"val\.json: {message}"):
        export("coco", None, coco_annotations=tmp_path / "val.json")


def test_coco_ids_may_be_text(tmp_path, capsys):
    file = write_coco(tmp_path / "val.json", [("a1", "one.jpg")], [("dog", "d"), ("cat", 3)])
    export("coco", None, ["one.jpg"], coco_annotations=file)
    rows = json.loads(capsys.readouterr().out)
    assert [(row["image_id"], row["category_id"]) for row in rows] == [("a1", "d"), ("a1", 3)]


def test_what_a_coco_file_lacks_is_named(tmp_path):
    file = write_coco(tmp_path / "val.json", [(7, "one.jpg")])
    with pytest.raises(ValueError, match=r"val\.json: .*file_name of shots/two\.png, got none"):
        export("coco", None, coco_annotations=file)
    write_coco(file, [(7, "one.jpg"), (8, "two.png")], [("dog", 18)])
    with pytest.raises(ValueError, match=r"val\.json: expected a category 'cat', .* got dog"):
        export("coco", None, coco_annotations=file)
    write_coco(file, [], [("dog", 18), ("dog", 19)])
    with pytest.raises(ValueError, match=r"val\.json: two categories have one name"):
        export("coco", None, coco_annotations=file)


TABLE = """\
filename,width,height,class,xmin,ymin,xmax,ymax,score
one.jpg,100,50,dog,10,5,60.5,30,0.7500
one.jpg,100,50,cat,0,40,20,50,0.5000
"""


def test_csv(tmp_path, capsys):
    export("csv", tmp_path)
    assert names_in(tmp_path) == ["detections.csv"]
    assert (tmp_path / "detections.csv").read_text() == TABLE
    export("csv", None)
    assert capsys.readouterr().out == TABLE


def test_csv_quotes_names(capsys):
    export("csv", None, ['a,"b".jpg'])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["filename"] for row in rows} == {'a,"b".jpg'}


def test_json_is_not_clipped(capsys):
    export("json", None, ["one.jpg"])
    line = json.loads(capsys.readouterr().out)
    assert [seen["box"] for seen in line["detections"]] == BOXES


@pytest.mark.parametrize(
    ("form", "images", "shared"),
    [
        ("voc", ["a/x.jpg", "b/x.png"], r"one \.xml file"),
        ("voc", ["a/x.jpg", "a/X.jpg"], r"one \.xml file"),
        ("voc", ["a/x.jpg", "a/x.jpg"], r"one \.xml file"),
        ("yolo", ["a/x.jpg", "b/x.png"], r"one \.txt file"),
        ("coco", ["a/x.jpg", "b/x.jpg"], "one image id"),
        ("coco", ["12.jpg", "012.jpg"], "one image id"),
        ("csv", ["a/x.jpg", "b/x.jpg"], "one file name"),
    ],
)
def test_pictures_that_the_output_could_not_tell_apart(tmp_path, form, images, shared):
    with pytest.raises(ValueError, match=f"{images[0]} and {images[1]} would share {shared}"):
        export(form, tmp_path / "out", images)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("form", "suffix"), [("voc", ".xml"), ("yolo", ".txt")])
def test_labels_that_may_be_corrected_are_not_overwritten(tmp_path, form, suffix):
    (tmp_path / f"two{suffix}").write_text("by hand")
    with pytest.raises(ValueError, match=rf"label files are there .*two{suffix}; move them"):
        export(form, tmp_path)
    assert names_in(tmp_path) == [f"two{suffix}"]
    assert (tmp_path / f"two{suffix}").read_text() == "by hand"
    with pytest.raises(ValueError, match=f"--format {form} writes a file a picture; name their"):
        export(form, None)


@pytest.mark.parametrize("form", ["voc", "yolo"])
def test_class_names_that_would_break_a_file(tmp_path, form):
    with pytest.raises(ValueError, match=r"without control characters expected, got 'a\\nb'"):
        find_writer(form)(Job(["x.jpg"], ("a\nb",), tmp_path))
    assert names_in(tmp_path) == []


def test_a_failed_write_leaves_no_half_file(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(ET.ElementTree, "write", fail)
    with pytest.raises(OSError, match="disk full"):
        export("voc", tmp_path)
    assert names_in(tmp_path) == []


def test_coco_annotations_that_are_no_file_or_too_large(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.json")  # to be read without an end, or never
    with pytest.raises(FileNotFoundError, match=r"no COCO annotations at .*pipe\.json"):
        export("coco", None, coco_annotations=tmp_path / "pipe.json")
    (tmp_path / "large.json").write_text("[]" * 10)
    monkeypatch.setattr("edge_runtime.exports.coco.MOST_BYTES", 19)
    with pytest.raises(ValueError, match="MiB at most expected"):
        export("coco", None, coco_annotations=tmp_path / "large.json")
