import json

import pytest
import yaml
from PIL import Image

from tests.train.data.damaged_voc import tree_digest
from tests.train.data.formats.coco_folder import add_picture
from tests.train.data.formats.writers.written import (
    ODD_NAMES,
    content,
    folder_of,
    item,
    labelled,
    losses,
    rows,
    write,
)
from train.data.annotation import Flaw, MalformedLabels
from train.data.formats.registry import read_folder
from train.data.formats.voc import read_annotation
from train.data.formats.writers import WRITERS
from train.data.labeled_folder import Item


@pytest.fixture
def folder(tmp_path):
    """Two pictures in train and val, one in both, one in neither."""
    root = tmp_path / "in"
    a, b, c, d = (add_picture(root / f"{name}.png", (n, 0, 0)) for n, name in enumerate("abcd"))
    items = [
        item(a, labelled("cat", (4, 2, 20, 10)), labelled("dog", (0, 0, 40, 20), 2, crowd=True)),
        item(b, labelled("cat", (1.5, 2, 3, 4.25), difficult=True)),
        item(c),
        item(d, labelled("dog", (1, 1, 2, 3))),
    ]
    return folder_of(root, items, {"train": ["a", "c"], "val": ["b", "c"]}, ["dog", "cat"])


def test_voc(folder):
    kept, out = write(folder, "voc")
    assert (kept.pictures, kept.boxes, kept.splits) == (4, 4, {"train": 2, "val": 2})
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*")) == [
        *(f"Annotations/{name}.xml" for name in "abcd"),
        "ImageSets/Main/train.txt",
        "ImageSets/Main/val.txt",
        *(f"JPEGImages/{name}.png" for name in "abcd"),
        "labels.txt",
        "not_kept.csv",
    ]
    assert (out / "ImageSets/Main/val.txt").read_text() == "b\nc\n"
    assert (out / "labels.txt").read_text() == "dog\ncat\n"
    annotation = read_annotation(out / "Annotations/a.xml")
    assert (annotation.filename, annotation.size_wh) == ("a.png", (40, 20))
    assert [found.difficult for found in annotation.objects] == [False, True]  # the crowd
    assert read_annotation(out / "Annotations/b.xml").objects[0].box_px == (1.5, 2, 3, 4.25)
    assert read_annotation(out / "Annotations/c.xml").objects == ()
    assert losses(out) == [("a.xml", "9", "crowd-flag")]


def test_coco(folder):
    kept, out = write(folder, "coco")
    assert (kept.pictures, kept.boxes, kept.not_kept) == (4, 4, ())
    files = {path.name: json.loads(path.read_text()) for path in (out / "annotations").iterdir()}
    assert {name: [row["file_name"] for row in file["images"]] for name, file in files.items()} == {
        "instances_train.json": ["a.png", "c.png"],
        "instances_val.json": ["b.png", "c.png"],
        "instances_default.json": ["d.png"],
    }
    train, val = files["instances_train.json"], files["instances_val.json"]
    assert train["categories"] == [
        {"id": 1, "name": "dog", "supercategory": ""},
        {"id": 2, "name": "cat", "supercategory": ""},
    ]
    assert train["images"][0] == {"id": 1, "file_name": "a.png", "width": 40, "height": 20}
    first, second = train["annotations"]
    assert first == {
        "id": 1,
        "image_id": 1,
        "category_id": 2,
        "bbox": [4, 2, 16, 8],
        "area": 128,
        "segmentation": [],
        "iscrowd": 0,
    }
    assert (second["iscrowd"], second["area"], second["category_id"]) == (1, 800, 1)
    (third,) = val["annotations"]
    assert third["bbox"] == [1.5, 2, 1.5, 2.25] and third["ignore"] == 1
    # an element a line, so that a message's line leads to it
    lines = (out / "annotations/instances_train.json").read_text().splitlines()
    assert sum('"bbox"' in line for line in lines) == 2


def test_yolo(folder):
    kept, out = write(folder, "yolo")
    assert (kept.pictures, kept.boxes) == (4, 3)
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*")) == [
        "data.yaml",
        *(f"images/{name}.png" for name in ("d", "train/a", "train/c", "val/b", "val/c")),
        *(f"labels/{name}.txt" for name in ("d", "train/a", "train/c", "val/b", "val/c")),
        "not_kept.csv",
    ]
    assert yaml.safe_load((out / "data.yaml").read_text()) == {
        "train": "images/train",
        "val": "images/val",
        "nc": 2,
        "names": {0: "dog", 1: "cat"},
    }
    # (4 + 20) / 2 / 40, (2 + 10) / 2 / 20, 16 / 40, 8 / 20
    text = (out / "labels/train/a.txt").read_text()
    assert text == "1 0.30000000 0.30000000 0.40000000 0.40000000\n"
    assert (out / "labels/train/c.txt").read_text() == ""
    assert losses(out) == [
        ("a.xml", "9", "crowd"),
        ("b.xml", "9", "difficult-flag"),
        ("val.txt", "", "two-splits"),
    ]


@pytest.mark.parametrize("to", ["voc", "coco", "yolo"])
def test_pictures_are_copied_byte_for_byte_and_the_folder_is_left_alone(folder, to):
    before = tree_digest(folder.root)
    _, out = write(folder, to)
    copy = next(out.rglob("a.png"))
    assert copy.read_bytes() == (folder.root / "a.png").read_bytes()
    assert not copy.samefile(folder.root / "a.png") and copy.stat().st_nlink == 1
    assert tree_digest(folder.root) == before
    assert sorted(path.name for path in out.parent.iterdir()) == sorted(["in", to])


@pytest.mark.parametrize(
    ("to", "changes"),
    [("voc", {"crowd": False}), ("coco", {}), ("yolo", {"difficult": False})],
)
def test_what_was_written_reads_back(folder, to, changes):
    _, out = write(folder, to)
    back = read_folder(out)
    items, splits, classes = content(folder, **changes)
    if to == "voc":
        items["a"][1] = ("dog", (0, 0, 40, 20), True, False)
    if to == "yolo":
        items["a"].pop()  # the crowd
        copies = {"train/c", "val/c"} & set(back.items)
        assert len(back.items) == 5 and {"a", "b", "d"} < set(back.items) and not copies
        found = content(back, **changes)
        assert {name: found[0][name] for name in "abd"} == {name: items[name] for name in "abd"}
        assert {name: len(ids) for name, ids in found[1].items()} == {"train": 2, "val": 2}
        assert found[2] == ("dog", "cat")
        return
    assert content(back) == (items, splits, classes) and not back.flaws


@pytest.mark.parametrize("to", ["voc", "coco", "yolo"])
def test_odd_class_names_sub_folders_and_suffixes_survive(tmp_path, to):
    root = tmp_path / "in"
    objects = [labelled(name, (n, 2, n + 3, 10), n) for n, name in enumerate(ODD_NAMES, 1)]
    deep = add_picture(root / "x/cam 1/ü #1.JPG")
    one = item(deep, *objects)
    items = [Item("cam 1/ü #1", one.path, one.annotation, deep), item(add_picture(root / "b.webp"))]
    folder = folder_of(root, items, {"train": ["cam 1/ü #1"], "val": ["b"]}, ODD_NAMES)
    kept, out = write(folder, to)
    assert kept.not_kept == () and len(list(out.rglob("cam 1/ü #1.JPG"))) == 1
    back = read_folder(out)
    assert content(back) == content(folder)
    assert back.items["b"].image_path.suffix == ".webp"


def test_of_a_list_that_came_with_a_tool_only_classes_with_boxes_are_written(tmp_path):
    root = tmp_path / "in"
    items = [item(add_picture(root / "a.png"), labelled("cat", (4, 2, 20, 10)))]
    _, out = write(folder_of(root, items, classes=["dog", "cat"]), "voc")
    assert (out / "labels.txt").read_text() == "dog\ncat\n"
    folder = folder_of(root, items, classes=["dog", "cat"], binding=False)
    WRITERS["voc"](folder, tmp_path / "loose")
    assert (tmp_path / "loose/labels.txt").read_text() == "cat\n"


@pytest.mark.parametrize("to", ["voc", "coco", "yolo"])
def test_without_splits_none_are_written(tmp_path, to):
    root = tmp_path / "in"
    folder = folder_of(root, [item(add_picture(root / "a.png"), labelled("cat", (4, 2, 20, 10)))])
    kept, out = write(folder, to)
    assert kept.splits == {} and kept.describe() == "1 pictures, 1 boxes; no splits"
    back = read_folder(out)
    assert back.splits == {} and back.classes.names == ("cat",) and list(back.items) == ["a"]
    if to == "yolo":
        text = (out / "data.yaml").read_text()
        assert text.startswith("# No splits") and set(yaml.safe_load(text)) == {"names"}
        assert (out / "images/a.png").is_file() and (out / "labels/a.txt").is_file()


@pytest.mark.parametrize("to", ["voc", "coco", "yolo"])
def test_everything_that_cannot_be_kept_is_listed(tmp_path, to):
    root = tmp_path / "in"
    broken = root / "broken.png"
    add_picture(broken).write_bytes(b"no picture")
    good = add_picture(root / "good.png")
    boxes = [(4, 2, 4, 10), (20, 2, 4, 10), (50, 2, 60, 10), (-4, 2, 20, 10), (4, 2, 20, 10)]
    objects = [labelled("cat", corners, n) for n, corners in enumerate(boxes, 2)]
    malformed = MalformedLabels("m.xml, line 3", 3, "expected XML")
    lost = item(root / "lost.png")
    items = [
        item(good, *objects, flaws=(Flaw("bad-number", 5, "object 1 has none", 1),)),
        item(broken, labelled("cat", (4, 2, 20, 10))),
        item(add_picture(root / "other.png"), size=(50, 20)),
        Item("lost", lost.path, lost.annotation, None, image_problem="has no picture lost.jpg"),
        Item("m", root / "m.xml", None, add_picture(root / "m.png"), malformed=malformed),
        item(add_picture(root / "new.png"), labelled("dog", (4, 2, 20, 10))),
    ]
    folder = folder_of(
        root,
        items,
        {"train": ["good", "ghost"], "val": ["m", "lost"]},
        ["cat"],
        unannotated=(add_picture(root / "bare.png"),),
        flaws=((root / "table.csv", Flaw("unknown-image", 8, "no such picture", 0)),),
    )
    kept, out = write(folder, to)
    expected = [
        ("bare.png", "", "unannotated-picture"),
        ("broken.png", "", "undecodable-picture"),
        ("good.xml", "5", "bad-number"),
        ("good.xml", "9", "box-outside"),
        ("good.xml", "9", "inverted-box"),
        ("good.xml", "9", "no-area"),
        ("labels.txt", "", "unknown-class"),
        ("lost.xml", "1", "missing-picture"),
        ("m.xml", "3", "malformed-labels"),
        ("other.xml", "4", "size-mismatch"),
        ("table.csv", "8", "unknown-image"),
        ("train.txt", "2", "missing-annotation"),
        ("val.txt", "", "empty-split"),
    ]
    if to == "yolo":  # it alone has no room outside the picture
        expected.insert(3, ("good.xml", "9", "box-over-edge"))
        expected.sort()
    assert losses(out) == expected
    assert (kept.pictures, kept.boxes, kept.splits) == (2, 3, {"train": 1})
    assert all(row["what"] and row["why"] for row in rows(out))
    back = read_folder(out)
    assert list(back.items) == ["good", "new"] and back.classes.names == ("cat", "dog")
    left = back.items["good"].annotation.objects[0].box_px
    assert left == pytest.approx((0 if to == "yolo" else -4, 2, 20, 10))


def turned(path, orientation=6):
    """A picture stored 40x20 that is 20x40 upright."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (40, 20)).save(path, exif=exif)
    return path


@pytest.mark.parametrize("to", ["voc", "coco", "yolo"])
@pytest.mark.parametrize(
    ("size", "corners", "upright"),
    [
        # stored (x, y) comes to lie at (1 - y, x) in fractions
        ((40, 20), (4, 2, 20, 10), (0.5, 0.1, 0.9, 0.5)),
        ((20, 40), (4, 2, 20, 10), (0.2, 0.05, 1.0, 0.25)),
        (None, (4, 2, 20, 10), (0.2, 0.05, 1.0, 0.25)),
    ],
)
def test_boxes_of_turned_pictures_stay_where_they_are(tmp_path, to, size, corners, upright):
    root = tmp_path / "in"
    picture = turned(root / "a.jpg")
    kept, out = write(folder_of(root, [item(picture, labelled("cat", corners), size=size)]), to)
    assert kept.not_kept == ()
    if to == "yolo":
        _, *parts = (out / "labels/a.txt").read_text().split()
        x, y, width, height = map(float, parts)
        found = x - width / 2, y - height / 2, x + width / 2, y + height / 2
        assert found == pytest.approx(upright, abs=1e-6)
    else:
        annotation = read_folder(out).items["a"].annotation
        assert annotation.objects[0].box_px == corners
        assert annotation.size_wh == (size or (20, 40))


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_yolo_configuration_has_the_keys_that_ultralytics_demands(tmp_path, split):
    root = tmp_path / "in"
    items = [item(add_picture(root / "a.png"), labelled("c", (0, 0, 9, 9)))]
    _, out = write(folder_of(root, items, {split: ["a"]}), "yolo")
    text = (out / "data.yaml").read_text()
    expected = {"train": None, "val": None, split: f"images/{split}", "nc": 1, "names": {0: "c"}}
    assert yaml.safe_load(text) == expected and text.startswith("# Ultralytics")
    back = read_folder(out)
    assert list(back.splits) == [split] and list(back.items) == ["a"] and not back.notes


@pytest.mark.parametrize("to", ["voc", "coco", "yolo"])
def test_what_cannot_be_written_leaves_no_trace(tmp_path, to):
    root = tmp_path / "in"
    bad_name = item(add_picture(root / "a.png"), labelled("two\nlines", (4, 2, 20, 10)))
    with pytest.raises(ValueError, match=r"class names of one line .*'two\\nlines'"):
        write(folder_of(root, [bad_name]), to)
    lost = item(root / "lost.png")
    nothing = folder_of(root, [Item("lost", lost.path, lost.annotation, None)])
    with pytest.raises(ValueError, match="expected a picture that can be written, got none of 1"):
        write(nothing, to)
    good = folder_of(root, [item(root / "a.png")])
    (tmp_path / to).mkdir()
    (tmp_path / to / "mine.txt").write_text("x")
    with pytest.raises(ValueError, match="holds something"):
        write(good, to)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["in", to])
    assert [path.name for path in (tmp_path / to).iterdir()] == ["mine.txt"]
    with pytest.raises(ValueError, match="expected a place outside"):
        WRITERS[to](good, root / "out")


def test_a_name_with_a_line_break_is_left_out(tmp_path):
    root = tmp_path / "in"
    folder = folder_of(
        root, [item(add_picture(root / "a\nb.png")), item(add_picture(root / "c.png"))]
    )
    kept, _ = write(folder, "voc")
    assert [(row.kind, row.what) for row in kept.not_kept] == [("bad-name", "'a\\nb'")]
