"""PASCAL VOC folders in the layouts that people have."""

import unicodedata

import numpy as np
import pytest
from PIL import Image

from tests.downloads import failed_inputs
from train.data.dataset import load_dataset, open_data, read_image
from train.data.formats.registry import read_folder
from train.data.formats.voc import write_annotation
from train.data.lint.checks import check_folder

BOX = (4, 2, 20, 10)
SIZE = (40, 20)


def add(root, xml, picture, names=("cat",), filename=None, form=None):
    """A picture of noise of its own and its annotation, each at a path below the root."""
    for path in (root / xml, root / picture):
        path.parent.mkdir(parents=True, exist_ok=True)
    seed = int.from_bytes(picture.encode()[-24:], "big")
    pixels = np.random.default_rng(seed).integers(0, 256, (*SIZE[::-1], 3), np.uint8)
    Image.fromarray(pixels).save(root / picture, format=form)
    boxes = np.array([BOX] * len(names))
    write_annotation(root / xml, filename or picture.rsplit("/", 1)[-1], *SIZE, boxes, names)
    return root / picture


LAYOUTS = [
    ("Annotations/{}.xml", "JPEGImages/{}.jpg", "{}"),
    ("annots/{}.xml", "images/{}.jpg", "{}"),
    ("labels/{}.xml", "images/{}.png", "{}"),
    ("{}.xml", "{}.jpg", "{}"),
    ("xmls/{}.xml", "{}.jpg", "{}"),
    ("Annotations/cam1/{}.xml", "JPEGImages/cam1/{}.jpg", "cam1/{}"),
    ("day 1/{}.xml", "day 1/{}.jpg", "day 1/{}"),
    ("VOC2012/Annotations/{}.xml", "VOC2012/JPEGImages/{}.jpg", "{}"),
]


@pytest.mark.parametrize(("xml", "picture", "image_id"), LAYOUTS)
def test_a_layout_is_recognized(tmp_path, xml, picture, image_id):
    for stem in ("a", "b.v2"):
        add(tmp_path, xml.format(stem), picture.format(stem))
    folder = read_folder(tmp_path)
    assert (folder.format, folder.splits, folder.unannotated) == ("PASCAL VOC", {}, ())
    assert {i: item.image_path for i, item in folder.items.items()} == {
        image_id.format(stem): tmp_path / picture.format(stem) for stem in ("a", "b.v2")
    }
    assert "2 pictures, 2 boxes; no splits" in folder.describe()


def test_folders_of_takes_are_no_splits(tmp_path):
    for number in range(4):
        add(tmp_path, f"Test {number}/a{number}.xml", f"Test {number}/a{number}.jpg")
    assert read_folder(tmp_path).splits == {}


@pytest.mark.parametrize(
    "names",
    [
        ("train", "valid", "test"),
        ("Train", "validation", "TEST"),
        ("Training Set", "images_val", "test images"),
    ],
)
@pytest.mark.parametrize("inside", ["", "images/"])
def test_folders_of_splits(tmp_path, names, inside):
    for name in names:
        add(tmp_path, f"{name}/{inside}{name}1.xml", f"{name}/{inside}{name}1.jpg")
        add(tmp_path, f"{name}/{inside}same.xml", f"{name}/{inside}same.jpg")
    data = open_data(tmp_path)
    assert not data.made and not (tmp_path / "splits.json").exists()
    train, val, test = names
    # one name in every split: the whole path tells them apart
    assert data.splits == {
        "train": (f"{train}/{inside}same", f"{train}1"),
        "val": (f"{val}/{inside}same", f"{val}1"),
        "test": (f"{test}/{inside}same", f"{test}1"),
    }
    assert data.load("valid").box_count == data.load("val").box_count == 2


@pytest.mark.parametrize(
    "place", ["ImageSets/Main/{}.txt", "ImageSets/{}.txt", "{}.txt", "Annotations/{}.txt"]
)
@pytest.mark.parametrize("line", ["{}", "{}.jpg", "{}.xml", "./JPEGImages/{}.jpg", "{} 1", "{}\r"])
def test_lists_of_splits(tmp_path, place, line):
    for stem in "abc":
        add(tmp_path, f"Annotations/{stem}.xml", f"JPEGImages/{stem}.jpg")
    for name, stem in (("train", "a"), ("valid", "b"), ("test", "c")):
        path = tmp_path / place.format(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"\n{line.format(stem)}\n", newline="")
    assert open_data(tmp_path).splits == {"test": ("c",), "train": ("a",), "val": ("b",)}


@pytest.mark.parametrize("start", ["/home/me/VOC", "C:\\VOC", "../VOC", "set"])
def test_lists_of_another_machine(tmp_path, start):
    root = tmp_path / "set"
    for place in ("a", "cam1/b"):
        add(root, f"Annotations/{place}.xml", f"JPEGImages/{place}.jpg")
    (root / "ImageSets/Main").mkdir(parents=True)
    lines = ["a.jpg", "cam1/b.jpg", "cam1/a.jpg", "c.jpg"]
    text = "".join(f"{start}/JPEGImages/{line}\n" for line in lines)
    (root / "ImageSets/Main/test.txt").write_text(text)
    ids = list(read_folder(root).splits["test"].lines.values())
    if start == "../VOC":  # whose that is nobody knows
        assert not set(ids) & {"a", "cam1/b"}
    else:
        assert ids[:2] == ["a", "cam1/b"]
    assert not set(ids[2:]) & {"a", "cam1/b"}  # cam1/a is not a


def test_folders_of_lists_in_any_case_and_lists_of_all_pictures(tmp_path):
    for stem in "ab":
        add(tmp_path, f"annotations/{stem}.xml", f"images/{stem}.jpg")
    main = tmp_path / "imagesets/MAIN"
    main.mkdir(parents=True)
    for name, lines in (("default", "a\nb\n"), ("All", "a\nb\n"), ("everything", "a\n")):
        (main / f"{name}.txt").write_text(lines)
    assert read_folder(tmp_path).splits == {}
    (main / "trainval.txt").write_text("a\n")
    assert list(read_folder(tmp_path).splits) == ["trainval"]


def test_a_second_list_of_a_split_is_named(tmp_path):
    for stem in "ab":
        add(tmp_path, f"Annotations/{stem}.xml", f"JPEGImages/{stem}.jpg")
    main = tmp_path / "ImageSets/Main"
    main.mkdir(parents=True)
    (main / "val.txt").write_text("a\n")
    (main / "valid.txt").write_text("b\n")
    folder = read_folder(tmp_path)
    assert folder.splits["val"].lines == {1: "a"}
    assert folder.notes == (
        f"{main}/valid.txt: a second list of the split val; took {main}/val.txt",
    )


def test_splits_of_the_pictures_folders(tmp_path):
    for stem, split in (("a", "train"), ("b", "valid"), ("c", "test")):
        add(tmp_path, f"Annotations/{stem}.xml", f"images/{split}/{stem}.jpg")
    folder = read_folder(tmp_path)
    assert {name: list(split.lines.values()) for name, split in folder.splits.items()} == {
        "train": ["a"],
        "val": ["b"],
        "test": ["c"],
    }
    assert folder.splits["val"].path == tmp_path / "images/valid"


def test_classes_of_a_nested_set(tmp_path):
    add(tmp_path, "VOC2007/Annotations/a.xml", "VOC2007/JPEGImages/a.jpg", ["cat", "dog"])
    path = tmp_path / "VOC2007/labels.txt"
    path.write_text("dog\n\ncat\n")
    classes = read_folder(tmp_path).classes
    assert (classes.path, classes.lines, classes.binding) == (path, ((1, "dog"), (3, "cat")), True)
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    folder = read_folder(tmp_path)
    assert folder.classes.names == ("cat", "dog")
    assert folder.notes == (
        f"{path}: a second list of classes, left aside; took {tmp_path}/labels.txt",
    )


def test_two_annotations_of_one_picture_are_both_refused(tmp_path):
    for place in ("a/0", "b/0", "a/1"):
        add(tmp_path, f"annots/{place}.xml", f"images/{place[2:]}.jpg")
    items = read_folder(tmp_path).items
    assert items["a/1"].malformed is None
    for one, other in (("a/0", "b/0"), ("b/0", "a/0")):
        assert items[one].annotation is None
        assert (
            f"annots/{one}.xml, line 1: two annotations name one picture, images/0.jpg: this one "
            f"and annots/{other}.xml" in str(items[one].malformed)
        )


def test_a_file_name_that_is_another_pictures_is_noted(tmp_path):
    for stem, filename in (("a", "b.jpg"), ("b", "gone.jpg"), ("c", "C.JPG"), ("d", "d")):
        add(tmp_path, f"Annotations/{stem}.xml", f"JPEGImages/{stem}.jpg", filename=filename)
    folder = read_folder(tmp_path)
    assert folder.items["a"].image_path == tmp_path / "JPEGImages/a.jpg"
    assert folder.notes == (
        f"{tmp_path}: 1 XML files have the name of one picture and <filename> gives another, such "
        "as Annotations/a.xml, which says b.jpg; the picture of the file's own name counts, "
        "JPEGImages/a.jpg",
    )


def test_lists_name_sub_folders(tmp_path):
    add(tmp_path, "Annotations/cam1/a.xml", "JPEGImages/cam1/a.jpg")
    add(tmp_path, "Annotations/cam2/a.xml", "JPEGImages/cam2/a.jpg")
    (tmp_path / "ImageSets/Main").mkdir(parents=True)
    (tmp_path / "ImageSets/Main/test.txt").write_text("cam2/a\ncam1/a\n")
    examples = load_dataset(tmp_path, "test").examples
    assert [e.image_path.parent.name for e in examples] == ["cam2", "cam1"]
    assert [f.kind for f in check_folder(tmp_path)] == []


def test_of_two_pictures_of_one_stem_the_named_one_counts(tmp_path):
    named = add(tmp_path, "Annotations/a.xml", "JPEGImages/a.png")
    other = add(tmp_path, "Annotations/b.xml", "JPEGImages/b.jpg")
    other.rename(other.with_name("a.jpg"))
    (tmp_path / "Annotations/b.xml").unlink()
    folder = read_folder(tmp_path)
    assert folder.items["a"].image_path == named
    assert folder.unannotated == (other.with_name("a.jpg"),)
    write_annotation(tmp_path / "Annotations/a.xml", "c.jpg", *SIZE, np.array([BOX]), ["cat"])
    item = read_folder(tmp_path).items["a"]
    assert item.image_path is None
    assert "JPEGImages/a.jpg and JPEGImages/a.png fit both" in item.image_problem
    with pytest.raises(ValueError, match=r"a\.xml, line 1: .*fit both; rename one of them"):
        load_listed(tmp_path, "a")


@pytest.mark.parametrize(
    ("xml", "picture"),
    [
        ("{}/{}.xml", "{}/{}.jpg"),
        ("Annotations/{}/{}.xml", "JPEGImages/{}/{}.jpg"),
        ("{}/annots/{}.xml", "{}/images/{}.jpg"),
    ],
)
@pytest.mark.parametrize("places", [("train", "valid"), ("cam1", "cam2")])
@pytest.mark.parametrize("missing", ["0", "01"])
def test_a_missing_picture_is_not_that_of_another_folder(tmp_path, xml, picture, places, missing):
    for place in places:
        for stem in "01":
            add(tmp_path, xml.format(place, stem), picture.format(place, stem))
    for stem in missing:
        (tmp_path / picture.format(places[0], stem)).unlink()
    folder = read_folder(tmp_path)
    images = {item.path: item for item in folder.items.values()}
    lost = images[tmp_path / xml.format(places[0], "0")]
    assert lost.image_path is None
    other = picture.format(places[1], "0")
    assert lost.image_problem.endswith(
        f"({other} belongs to another folder or split); add the picture"
    )
    there = images[tmp_path / xml.format(places[1], "0")]
    assert there.image_path == tmp_path / other


def test_xml_files_and_pictures_in_folders_of_any_names(tmp_path):
    picture = add(tmp_path, "out/a.xml", "in/a.jpg")
    (tmp_path / "in/Thumbs.db").touch()
    assert [item.image_path for item in read_folder(tmp_path).items.values()] == [picture]


def load_listed(root, *ids):
    """The pictures of a split that a list file gives."""
    main = root / "ImageSets/Main"
    main.mkdir(parents=True)
    (main / "test.txt").write_text("".join(f"{each}\n" for each in ids))
    return load_dataset(root, "test")


def test_a_mask_nearer_to_the_annotation_is_not_its_picture(tmp_path):
    """As in the Oxford pets."""
    picture = add(tmp_path, "annotations/xmls/a.xml", "images/a.jpg")
    (tmp_path / "annotations/trimaps").mkdir()
    Image.new("L", SIZE).save(tmp_path / "annotations/trimaps/a.png")
    assert read_folder(tmp_path).items["a"].image_path == picture


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.Jpg", "JPEG"),
        ("a.WEBP", "WEBP"),
        ("a.jfif", "JPEG"),
        ("a.tif", "TIFF"),
        ("a.BMP", "BMP"),
    ],
)
def test_suffixes_of_pictures(tmp_path, name, form):
    picture = add(tmp_path, "Annotations/a.xml", f"JPEGImages/{name}", form=form)
    (example,) = load_listed(tmp_path, "a")
    assert example.image_path == picture
    assert read_image(picture).shape == (20, 40, 3)


def test_class_names_and_files_in_either_form_of_unicode_are_one(tmp_path):
    composed = unicodedata.normalize("NFC", "größe")
    decomposed = unicodedata.normalize("NFD", composed)
    add(tmp_path, "Annotations/a.xml", "JPEGImages/a.jpg", [composed, decomposed])
    add(tmp_path, f"Annotations/{decomposed}.xml", f"JPEGImages/{composed}.jpg", [composed])
    dataset = load_listed(tmp_path, "a", composed)
    assert dataset.class_names == (composed,)
    assert dataset.box_count == 3


def test_macos_attribute_files_are_no_files_of_the_set(tmp_path):
    add(tmp_path, "Annotations/a.xml", "JPEGImages/a.jpg")
    load_listed(tmp_path, "a")
    for name in ("Annotations/._a.xml", "JPEGImages/._a.jpg", "ImageSets/Main/._test.txt"):
        (tmp_path / name).write_bytes(b"\x00\x05\x16\x07Mac OS X")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX/b.xml").write_text("<annotation/>")
    assert check_folder(tmp_path) == []
    assert list(read_folder(tmp_path).splits) == ["test"]


def test_lists_in_other_encodings(tmp_path):
    add(tmp_path, "Annotations/ä.xml", "JPEGImages/ä.jpg")
    load_listed(tmp_path, "ä")
    path = tmp_path / "ImageSets/Main/test.txt"
    for encoding in ("utf-8-sig", "utf-16"):
        path.write_text("ä\n", encoding=encoding)
        assert [e.image_id for e in load_dataset(tmp_path, "test")] == ["ä"]
    path.write_text("\nä\n", encoding="latin-1")
    with pytest.raises(ValueError, match=r"test\.txt, line 2: .*UTF-8, got the byte 0xe4; save it"):
        load_dataset(tmp_path, "test")


def test_splits_that_judge_nothing_are_made_anew(tmp_path):
    for number in range(20):
        add(tmp_path, f"Annotations/p{number:02}.xml", f"JPEGImages/p{number:02}.jpg")
    lists = tmp_path / "ImageSets/Main"
    lists.mkdir(parents=True)
    names = "".join(f"p{number:02}\n" for number in range(20))
    (lists / "train.txt").write_text(names)
    (lists / "val.txt").write_text(names)  # as coco128 has it
    (lists / "test.txt").write_text("unlabelled1\nunlabelled2\n")
    (lists / "cat_train.txt").write_text("p00 1\np01 -1\n")
    data = open_data(tmp_path)
    assert [len(data.splits[name]) for name in ("train", "val", "test")] == [12, 4, 4]
    assert not set(data.splits["train"]) & {*data.splits["val"], *data.splits["test"]}
    assert data.splits["cat_train"] == ("p00", "p01")
    said = " ".join(data.notes)
    assert "val has no picture that train has not" in said
    assert "None of the 2 pictures of test is labelled" in said


def test_a_broken_annotation_of_a_given_train_is_still_named(tmp_path):
    for number in range(20):
        add(tmp_path, f"Annotations/p{number:02}.xml", f"JPEGImages/p{number:02}.jpg")
    (tmp_path / "ImageSets/Main").mkdir(parents=True)
    names = "".join(f"p{number:02}\n" for number in range(20))
    (tmp_path / "ImageSets/Main/train.txt").write_text(names)
    (tmp_path / "Annotations/p03.xml").write_text("no XML")
    data = open_data(tmp_path)
    assert len(data.splits["val"]) == 3  # of 19
    with pytest.raises(ValueError, match=r"p03\.xml, line 1: expected well-formed XML"):
        data.load("train")


def test_another_xml_is_no_annotation(tmp_path):
    add(tmp_path, "Annotations/a.xml", "JPEGImages/a.jpg")
    (tmp_path / "pom.xml").write_text("<project/>")
    assert list(read_folder(tmp_path).items) == ["a"]


def test_a_folder_of_something_else_is_said_to_be_so(tmp_path):
    Image.new("RGB", SIZE).save(tmp_path / "a.png")
    (tmp_path / "a.json").write_text('{"objects": [], "size": {"width": 1, "height": 1}}')
    with pytest.raises(
        ValueError, match=r"got 1 pictures, 1 \.json files; .*look like Supervisely's own"
    ):
        read_folder(tmp_path)
    with pytest.raises(ValueError, match="expected a folder of labelled pictures, got a file"):
        read_folder(tmp_path / "a.png")
    (tmp_path / "t.csv").write_text("picture;left\na.png;3\n")
    (tmp_path / "a.json").rename(tmp_path / "a.txt")
    with pytest.raises(ValueError, match=r"t\.csv begins with 'picture;left', columns such as"):
        read_folder(tmp_path)
    (tmp_path / "a.txt").rename(tmp_path / "a.json")
    (tmp_path / "t.csv").unlink()
    (tmp_path / "set.zip").touch()
    with pytest.raises(ValueError, match="got a file; unpack it"):
        read_folder(tmp_path / "set.zip")


def test_inputs_that_failed():
    """The right values are in each folder's expected.txt."""
    cases = failed_inputs("data")
    for name in ("apple_double_split", "cvat_subfolder", "suffix_mixed", "utf16_split"):
        assert check_folder(cases / name) == [], name
        dataset = load_dataset(cases / name, "train")
        assert (len(dataset), dataset.class_names) == (4, ("green", "red")), name
    by_id = {e.image_id: e for e in load_dataset(cases / "dup_stem", "train")}
    assert by_id["p003"].image_path.name == "p003.png"
    for name, kind in (("normalised", "normalized-boxes"), ("xywh", "corner-size-boxes")):
        assert [(f.kind, f.severity) for f in check_folder(cases / name)] == [(kind, "error")]
    first = next(e for e in load_dataset(cases / "resized_up", "train") if e.image_id == "p000")
    expected = [32 / 200, 30 / 150, 83 / 200, 81 / 150]
    assert any(np.allclose(box, expected, atol=1e-6) for box in first.boxes)
