import json
import re

import pytest

from tests.train.data.formats.coco_folder import (
    BOX,
    CAT_AND_DOG,
    CORNERS,
    HEIGHT,
    WIDTH,
    add_picture,
    box,
    coco_text,
    image,
    write_coco,
)
from train.data.__main__ import main
from train.data.annotation import MalformedLabels
from train.data.formats.coco import FORMAT
from train.data.formats.files import FolderFiles


def read(root):
    recognized = FORMAT.recognize(FolderFiles(root))
    assert recognized is not None
    return recognized.read()


def is_coco(root):
    return FORMAT.recognize(FolderFiles(root)) is not None


def one_picture(root, annotations, images=None, categories=CAT_AND_DOG):
    """A folder with a.png in which the annotations start on line 5 (with one image)."""
    add_picture(root / "a.png")
    write_coco(root / "annotations.json", images or [image(7, "a.png")], annotations, categories)
    return read(root)


def flaws_of(folder, image_id="a"):
    return [(flaw.kind, flaw.line) for flaw in folder.items[image_id].flaws]


def folder_flaws(folder):
    return [(flaw.kind, flaw.line) for _, flaw in folder.flaws]


# layouts


@pytest.mark.parametrize("pictures", ["{}2017", "images/{}2017"])
def test_coco_2017(tmp_path, pictures):
    for split in ("val", "train"):
        folder = tmp_path / pictures.format(split)
        add_picture(folder / "0001.jpg")  # one name in both, as other sets have it
        write_coco(
            tmp_path / f"annotations/instances_{split}2017.json",
            [image(1, "0001.jpg")],
            [box(1, 1, 1 if split == "train" else 2)],
        )
    folder = read(tmp_path)
    assert list(folder.splits) == ["train", "val"]
    for split, name in (("train", "cat"), ("val", "dog")):
        (image_id,) = folder.splits[split].lines.values()
        item = folder.items[image_id]
        assert item.image_path == tmp_path / pictures.format(split) / "0001.jpg"
        assert item.path == tmp_path / f"annotations/instances_{split}2017.json"
        assert folder.splits[split].path == item.path
        assert [found.name for found in item.annotation.objects] == [name]
    assert len(folder.items) == 2 and folder.background and not folder.flaws
    assert folder.classes.names == ("cat", "dog")
    assert folder.layout == (
        "annotations/instances_train2017.json, annotations/instances_val2017.json, pictures in "
        f"{pictures.format('train')}, {pictures.format('val')}/"
    )


def test_roboflow_with_a_super_category_and_numbers_from_zero(tmp_path):
    categories = [{"id": 0, "name": "animals"}, {"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    for number, split in enumerate(("train", "valid", "test")):
        add_picture(tmp_path / split / f"p{number}_jpg.rf.0f.jpg")
        write_coco(
            tmp_path / split / "_annotations.coco.json",
            [image(0, f"p{number}_jpg.rf.0f.jpg")],
            [box(0, 0, 2), box(1, 0, 1)],
            categories,
        )
    folder = read(tmp_path)
    assert {name: list(split.lines.values()) for name, split in folder.splits.items()} == {
        "train": ["p0_jpg.rf.0f"],
        "val": ["p1_jpg.rf.0f"],
        "test": ["p2_jpg.rf.0f"],
    }
    assert folder.classes.path == tmp_path / "train/_annotations.coco.json"
    assert folder.classes.lines == ((11, "cat"), (12, "dog"))
    assert folder.notes == ("categories without a box, no classes then: animals",)


@pytest.mark.parametrize("pictures", ["images", "images/default"])
def test_cvat_with_sub_folders(tmp_path, pictures):
    for name in ("cam1/0.png", "cam2/0.png", "0.png"):
        add_picture(tmp_path / pictures / name)
    write_coco(
        tmp_path / "annotations/instances_default.json",
        [image(1, "cam1/0.png"), image(2, "cam2/0.png"), image(3, "0.png")],
        [box(1, 2)],
    )
    folder = read(tmp_path)
    assert folder.splits == {} and folder.unannotated == ()
    prefix = "" if pictures == "images" else "default/"
    for name in ("cam1/0", "cam2/0", "0"):
        item = folder.items[prefix + name]
        assert item.image_path == tmp_path / pictures / f"{name}.png"
        assert len(item.annotation.objects) == (name == "cam2/0")


def test_model_maker_has_a_background_category(tmp_path):
    add_picture(tmp_path / "images/a.jpg")
    categories = [{"id": 0, "name": "background"}, {"id": 1, "name": "cat"}]
    write_coco(tmp_path / "labels.json", [image(1, "a.jpg")], [box(1, 1)], categories)
    folder = read(tmp_path)
    assert folder.classes.names == ("cat",) and folder.splits == {}
    assert folder.items["a"].image_path == tmp_path / "images/a.jpg"


@pytest.mark.parametrize(
    "file_name",
    [
        "images/3f-my pic.jpg",
        "images\\1\\3f-my pic.jpg",
        "../../label-studio/media/upload/1/3f-my%20pic.jpg",
        "C:\\Users\\me\\3f-my pic.jpg",
        "/data/upload/3F-MY PIC.JPG",
    ],
)
def test_label_studio_with_paths_of_another_machine(tmp_path, file_name):
    picture = add_picture(tmp_path / "images/3f-my pic.jpg")
    write_coco(tmp_path / "result.json", [image(0, file_name)], [box(0, 0)])
    item = read(tmp_path).items["3f-my pic"]
    assert item.image_path == picture and item.annotation.objects[0].box_px == CORNERS


def test_splits_by_file_name_and_by_the_pictures_folders(tmp_path):
    for name in ("train", "val_annotations", "test-labels", "trainval"):
        add_picture(tmp_path / f"one/pictures/{name}.png")
        write_coco(tmp_path / f"one/{name}.json", [image(1, f"{name}.png")], [])
    folder = read(tmp_path / "one")
    assert {name: list(split.lines.values()) for name, split in folder.splits.items()} == {
        "train": ["train"],
        "val": ["val_annotations"],
        "test": ["test-labels"],
    }
    for name in ("train/a.png", "val/b.png", "c.png"):
        add_picture(tmp_path / "two" / name)
    rows = [image(1, "train/a.png"), image(2, "val/b.png"), image(3, "c.png")]
    write_coco(tmp_path / "two/all.json", rows, [])
    splits = read(tmp_path / "two").splits
    assert splits["train"].lines == {1: "a"} and splits["val"].lines == {1: "b"}
    assert splits["train"].path == tmp_path / "two/train" and not splits["train"].is_list


def test_a_file_of_all_pictures_beside_those_of_splits(tmp_path):
    add_picture(tmp_path / "a.png")
    add_picture(tmp_path / "b.png")
    write_coco(tmp_path / "annotations.json", [image(1, "a.png"), image(2, "b.png")], [box(1, 1)])
    write_coco(tmp_path / "train.json", [image(5, "a.png")], [box(9, 5)])
    folder = read(tmp_path)
    assert folder.splits["train"].lines == {1: "a"} and list(folder.splits) == ["train"]
    assert len(folder.items["a"].annotation.objects) == 1 and not folder.flaws
    write_coco(tmp_path / "train.json", [image(5, "a.png")], [box(9, 5, 2)])
    folder = read(tmp_path)
    assert [found.name for found in folder.items["a"].annotation.objects] == ["dog"]
    ((path, flaw),) = folder.flaws
    assert (path, flaw.kind, flaw.line) == (tmp_path / "annotations.json", "duplicate-image", 3)
    assert "train.json, line 3," in flaw.message


# recognition


def test_other_json_is_left_aside(tmp_path):
    others = {
        "package": {"name": "x", "images": {"a": 1}},
        "captions_train2017": {"images": [], "annotations": [{"image_id": 1, "caption": "a"}]},
        "labelme": {"shapes": [], "imagePath": "a.jpg"},
        "nested": {"coco": {"images": [], "annotations": [], "categories": []}},
        "list": [{"images": [], "annotations": [], "categories": []}],
        "image_info_test2017": {"images": [], "categories": []},
    }
    for name, content in others.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    (tmp_path / "empty.json").write_text("")
    (tmp_path / "binary.json").write_bytes(bytes(range(256)))
    assert not is_coco(tmp_path)
    add_picture(tmp_path / "a.png")
    write_coco(tmp_path / "mine.json", [image(1, "a.png")], [box(1, 1)])
    folder = read(tmp_path)
    assert FORMAT.recognize(FolderFiles(tmp_path)).labels == 1
    assert list(folder.items) == ["a"] and folder.layout.startswith("mine.json, ")
    assert folder.notes[-1].startswith("no COCO file with boxes, left aside: binary.json, ")


def test_keypoints_beside_instances_are_left_aside(tmp_path):
    add_picture(tmp_path / "val2017/a.jpg")
    for kind, category in (("instances", 1), ("person_keypoints", 2)):
        path = tmp_path / f"annotations/{kind}_val2017.json"
        write_coco(path, [image(1, "a.jpg")], [box(1, 1, category)])
    folder = read(tmp_path)
    assert [found.name for found in folder.items["a"].annotation.objects] == ["cat"]
    assert not folder.flaws
    assert "person_keypoints_val2017.json" in folder.notes[-1]
    (tmp_path / "annotations/instances_val2017.json").unlink()
    assert [found.name for found in read(tmp_path).items["a"].annotation.objects] == ["dog"]


def test_panoptic_segments_alone_are_refused(tmp_path):
    write_coco(tmp_path / "p.json", [image(1, "a.jpg")], [{"image_id": 1, "segments_info": []}])
    with pytest.raises(ValueError, match=r"p\.json: expected a COCO file with boxes"):
        read(tmp_path)


def test_keys_may_come_in_any_order_behind_long_ones_in_one_line_and_in_utf_16(tmp_path):
    add_picture(tmp_path / "a.png")
    content = json.loads(coco_text([image(1, "a.png")], [box(1, 1)], [{"id": 1, "name": "größe"}]))
    content = {"info": {"images": "}]"}, "categories": content.pop("categories"), **content}
    content["images"] += [image(n, f"{n}.png") for n in range(2, 2000)]  # beyond the first look
    text = json.dumps(content, ensure_ascii=False)
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "a.json").write_text(text, encoding=encoding)
        folder = read(tmp_path)
        assert folder.classes.lines == ((1, "größe"),) and len(folder.items) == 1999
        assert folder.items["a"].annotation.line == 1


# broken JSON


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('"id": 7', '"id" 7', r"line 3, column 7: expected JSON, got: Expecting ':'"),
        ("}\n],", "},\n],", r"line 4, column 1: expected JSON, got: Expecting value"),
        ('],\n"annotations"', ']\n"annotations"', r"line 5, column 1: expected ',' or '}'"),
        (
            "{\n",
            "{\ninfo: 1,\n",
            r"line 2, column 1: expected a key in double quotes, got 'info: 1,'",
        ),
        ("\n]\n}", '\n],\n"images": []}', r"line 13, .*'images' again \(line 2 has it\)"),
        ("\n]\n}\n", "\n]\n}\nx", r"line 14, column 1: expected nothing behind the last '}'"),
        ('"file_name": "a.png"', f'"x": {"[" * 100_000}', r"line 3, .*nested less deep"),
        ('"id": 7', f'"id": {"7" * 5000}', r"line 3, .*expected usual numbers"),
        ('"a.png"', '"a\npng"', r"line 3, .*Invalid control character"),
    ],
)
def test_broken_json_is_named_with_line_and_column(tmp_path, old, new, where):
    text = coco_text([image(7, "a.png")], [box(1, 7), box(2, 7)])
    assert old in text
    (tmp_path / "a.json").write_text(text.replace(old, new, 1))
    with pytest.raises(MalformedLabels, match=rf"a\.json, {where}") as raised:
        read(tmp_path)
    assert raised.value.line == int(where.split()[1].strip(","))
    assert not raised.value.reason.startswith(str(tmp_path))


def test_a_file_cut_off_or_in_another_encoding(tmp_path):
    text = coco_text([image(7, "a.png")], [box(1, 7)])
    for end, where in ((50, "line 3, "), (text.index('"bbox"'), "line 6, "), (-3, "line 11, ")):
        (tmp_path / "a.json").write_text(text[:end])
        with pytest.raises(MalformedLabels, match=rf"a\.json, {where}.*export or copy it again"):
            read(tmp_path)
    (tmp_path / "a.json").write_bytes(text.replace('"cat"', '"größe"').encode("latin-1"))
    with pytest.raises(ValueError, match=r"a\.json, line 9: expected text in UTF-8"):
        read(tmp_path)


# boxes


def test_boxes_flags_and_sizes(tmp_path):
    annotations = [
        box(1, 7, 1, [4, 2, 16, 8], iscrowd=1),
        box(2, 7, 2, [0.5, 0, 1.25, 2.5], ignore=1, iscrowd=0),
        box(3, 7, 2, None, segmentation=[[4, 2, 9, 3, 20, 10], [5, 6, 30, 7, 6, 9]]),
        box(4, 7, 2, [], segmentation=[4, 2, 20, 2, 20, 10]),
    ]
    folder = one_picture(tmp_path, annotations)
    annotation = folder.items["a"].annotation
    assert [found.box_px for found in annotation.objects] == [
        (4, 2, 20, 10),
        (0.5, 0, 1.75, 2.5),
        (4, 2, 30, 10),
        (4, 2, 20, 10),
    ]
    assert [found.crowd for found in annotation.objects] == [True, False, False, False]
    assert [found.difficult for found in annotation.objects] == [False, True, False, False]
    assert [found.number for found in annotation.objects] == [1, 2, 3, 4]
    assert [found.box_line for found in annotation.objects] == [6, 7, 8, 9]
    assert annotation.size_wh == (WIDTH, HEIGHT) and annotation.filename == "a.png"
    assert annotation.line == annotation.size_line == 3


@pytest.mark.parametrize("size", [{"width": 0}, {"height": "20"}, {"width": None}, {"height": -1}])
def test_an_unusable_size_is_no_reason_to_stop(tmp_path, size):
    folder = one_picture(tmp_path, [box(1, 7)], [image(7, "a.png", **size)])
    assert folder.items["a"].annotation.size_wh is None and not folder.flaws


def test_finite_but_impossible_boxes_are_left_to_the_checks(tmp_path):
    boxes = [[4, 2, -3, 8], [1e9, 2, 3, 4], [4, 2, 0, 8]]
    folder = one_picture(tmp_path, [box(n, 7, 1, part) for n, part in enumerate(boxes)])
    assert [found.box_px for found in folder.items["a"].annotation.objects] == [
        (4, 2, 1, 10),  # swapped corners
        (1e9, 2, 1e9 + 3, 6),
        (4, 2, 4, 10),
    ]


@pytest.mark.parametrize(
    ("row", "kind", "message"),
    [
        (box(1, 7, 1, [4, 2, 16]), "bad-number", r"four numbers, .* got \[4, 2, 16\]"),
        (box(1, 7, 1, [4, 2, 16, "8"]), "bad-number", "four numbers"),
        (box(1, 7, 1, [4, 2, 16, True]), "bad-number", "four numbers"),
        (box(1, 7, 1, [4, 2, 16, float("nan")]), "bad-number", "four numbers"),
        (box(1, 7, 1, [float("-inf"), 2, 16, 8]), "bad-number", "four numbers"),
        (box(1, 7, 1, [1e308, 2, 1e308, 8]), "bad-number", "four numbers"),
        (box(1, 7, 1, [10**400, 2, 3, 8]), "bad-number", "four numbers"),
        (box(1, 7, 1, {"x": 1}), "bad-number", "four numbers"),
        (box(1, 7, 1, None), "missing-tag", 'no "bbox", nor a polygon'),
        (box(1, 7, 1, None, segmentation={"counts": "x"}), "missing-tag", 'no "bbox"'),
        (box(1, 7, 1, None, segmentation=[[4, 2, 9]]), "bad-number", "expected polygons"),
        (box(1, 7, 1, None, segmentation=[[4, 2, 9, 3, 5, "x"]]), "bad-number", "polygons"),
        (box(1, 7, 3), "unknown-class", 'among "categories", got 3'),
        (box(1, 7, [1]), "unknown-class", 'among "categories"'),
        (box(1, 7, None), "missing-tag", 'no "category_id"'),
    ],
)
def test_a_bad_annotation_is_a_flaw_of_its_picture(tmp_path, row, kind, message):
    folder = one_picture(tmp_path, [box(0, 7), row, box(2, 7)])
    (flaw,) = folder.items["a"].flaws
    assert (flaw.kind, flaw.line, flaw.number) == (kind, 7, 2)
    assert re.search(message, flaw.message)
    assert [found.number for found in folder.items["a"].annotation.objects] == [1, 3]
    assert not folder.flaws


# entries that belong to no picture


@pytest.mark.parametrize(
    ("row", "kind", "message"),
    [
        (box(1, 8), "unknown-image", 'among "images", got 8'),
        (box(1, True), "unknown-image", "got True"),
        ({"id": 1, "bbox": BOX}, "unknown-image", 'an "image_id"'),
        ("text", "unknown-image", "an \"image_id\", got 'text'"),
    ],
)
def test_an_annotation_of_no_image(tmp_path, row, kind, message):
    folder = one_picture(tmp_path, [box(0, 7), row])
    ((path, flaw),) = folder.flaws
    assert (path.name, flaw.kind, flaw.line) == ("annotations.json", kind, 7)
    assert message in flaw.message
    assert len(folder.items["a"].annotation.objects) == 1


def test_the_check_knows_every_kind_of_flaw(tmp_path, capsys):
    annotations = [box(0, 7), box(1, 9), box(2, 7, 9), box(3, 7, 1, [1]), {"image_id": 7}]
    categories = [*CAT_AND_DOG, {"id": 2, "name": "x"}]
    one_picture(tmp_path, annotations, [image(7, "a.png"), image(7, "a.png"), {}], categories)
    assert main(["check", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    for line, kind in (
        (4, "duplicate-image"),
        (5, "unknown-image"),
        (9, "unknown-image"),
        (10, "unknown-class"),
        (11, "bad-number"),
        (12, "missing-tag"),
        (17, "bad-labels"),
    ):
        assert re.search(rf"annotations\.json:{line}: .*\[{kind};", printed), (line, kind)


@pytest.mark.parametrize(
    "row",
    [
        {"id": 8},
        {"file_name": "b.png"},
        {"id": None, "file_name": "b.png"},
        {"id": 8, "file_name": ""},
        {"id": 8, "file_name": "../"},
        {"id": 8, "file_name": 5},
        {"id": 8, "file_name": "b\0.png"},
        {"id": 8, "file_name": "b\udc80.png"},
        ["b.png"],
    ],
)
def test_an_image_without_id_or_name(tmp_path, row):
    folder = one_picture(tmp_path, [box(0, 7)], [image(7, "a.png"), row])
    assert folder_flaws(folder) == [("unknown-image", 4)] and list(folder.items) == ["a"]


def test_ids_may_be_texts_and_numbers_alike(tmp_path):
    folder = one_picture(
        tmp_path,
        [box(0, 7.0), box(1, "7", "1"), box(2, "x1", "k")],
        [image(7, "a.png"), image("x1", "b.png")],
        [*CAT_AND_DOG, {"id": "k", "name": "kea"}],
    )
    assert len(folder.items["a"].annotation.objects) == 2 and not folder.flaws
    assert [found.name for found in folder.items["b"].annotation.objects] == ["kea"]
    assert folder.classes.names == ("cat", "kea")  # nothing is a dog


def test_one_id_for_two_pictures_makes_both_unusable(tmp_path):
    add_picture(tmp_path / "b.png")
    folder = one_picture(tmp_path, [box(0, 7)], [image(7, "a.png"), image(7, "b.png")])
    for image_id, line, other in (("a", 3, "line 4, b.png"), ("b", 4, "line 3, a.png")):
        item = folder.items[image_id]
        assert item.annotation is None and item.malformed.line == line
        assert other in item.malformed.reason and item.image_path.stem == image_id
    assert folder.classes.names == ("cat", "dog") and not folder.flaws


def test_a_picture_that_stands_twice(tmp_path):
    folder = one_picture(tmp_path, [box(0, 7)], [image(7, "a.png"), image(7, "a.png")])
    assert folder_flaws(folder) == [("duplicate-image", 4)]
    assert len(folder.items["a"].annotation.objects) == 1
    rows = [image(7, "a.png"), image(8, "./a.png")]
    folder = one_picture(tmp_path, [box(0, 7), box(1, 8), box(2, 8, 5)], rows)
    assert folder_flaws(folder) == [("duplicate-image", 4)]
    assert [found.number for found in folder.items["a"].annotation.objects] == [1, 2]
    assert flaws_of(folder) == [("unknown-class", 9)] and folder.items["a"].flaws[0].number == 3


# classes


def test_classes_are_in_the_order_of_their_ids_gaps_or_not(tmp_path):
    names = {17: "cat", 2: "dog", 90: "ant", 5: "bee"}
    categories = [{"id": number, "name": name} for number, name in names.items()]
    folder = one_picture(tmp_path, [box(0, 7, 17), box(1, 7, 90), box(2, 7, 2)], None, categories)
    assert folder.classes.lines == ((12, "dog"), (11, "cat"), (13, "ant"))
    assert folder.notes == ("categories without a box, no classes then: bee",)


def test_files_that_number_classes_differently_agree_by_name(tmp_path):
    for split, names in (("train", ("dog", "cat")), ("val", ("ant", "cat", "dog"))):
        add_picture(tmp_path / split / f"{split}.png")
        categories = [{"id": number, "name": name} for number, name in enumerate(names)]
        rows = [box(number, 1, number) for number in range(len(names))]
        path = tmp_path / split / "_annotations.coco.json"
        write_coco(path, [image(1, f"{split}.png")], rows, categories)
    folder = read(tmp_path)
    assert folder.classes.names == ("dog", "cat", "ant")
    objects = folder.items["val"].annotation.objects
    assert [found.name for found in objects] == ["ant", "cat", "dog"] and not folder.flaws


def test_without_any_box_all_categories_are_classes(tmp_path):
    assert one_picture(tmp_path, []).classes.names == ("cat", "dog")
    assert one_picture(tmp_path, [], None, []).classes is None


@pytest.mark.parametrize(
    "row",
    [
        {"id": 3},
        {"name": "x"},
        {"id": 3, "name": ""},
        {"id": 3, "name": 5},
        {"id": 3, "name": "a\nb"},
        {"id": 3, "name": "a\ud800"},
        "x",
    ],
)
def test_a_category_without_id_or_name(tmp_path, row):
    folder = one_picture(tmp_path, [box(0, 7)], None, [*CAT_AND_DOG, row])
    assert folder_flaws(folder) == [("bad-labels", 11)]


def test_categories_that_stand_twice(tmp_path):
    same_name = [*CAT_AND_DOG, {"id": 3, "name": " cat"}]
    folder = one_picture(tmp_path, [box(0, 7), box(1, 7, 3)], None, same_name)
    assert folder_flaws(folder) == [("bad-labels", 12)]
    assert [found.name for found in folder.items["a"].annotation.objects] == ["cat", "cat"]
    assert folder.classes.names == ("cat",)
    same_id = [*CAT_AND_DOG, {"id": 1, "name": "cow"}]
    folder = one_picture(tmp_path, [box(0, 7), box(1, 7, 2)], None, same_id)
    assert folder_flaws(folder) == [("bad-labels", 12)]
    assert flaws_of(folder) == [("unknown-class", 6)]  # cat or cow?
    assert "'cat' on line 10 already, here 'cow'" in folder.items["a"].flaws[0].message
    assert [found.name for found in folder.items["a"].annotation.objects] == ["dog"]


# pictures


def test_missing_background_and_unnamed_pictures(tmp_path):
    for name in ("a.png", "b.png", "other.png"):
        add_picture(tmp_path / name)
    rows = [image(1, "a.png"), image(2, "b.png"), image(3, "cam/lost.png")]
    write_coco(tmp_path / "a.json", rows, [box(1, 1), box(2, 3)])
    folder = read(tmp_path)
    assert list(folder.items) == ["a", "b", "cam/lost"]
    assert folder.items["b"].annotation.objects == ()
    lost = folder.items["cam/lost"]
    assert lost.image_path is None and lost.image_problem.startswith("has no picture cam/lost.png")
    assert len(lost.annotation.objects) == 1 and lost.annotation.line == 5
    assert folder.unannotated == (tmp_path / "other.png",)


def test_a_picture_of_the_same_name_is_not_taken_for_a_missing_one(tmp_path):
    add_picture(tmp_path / "cam1/0.png")
    write_coco(tmp_path / "a.json", [image(1, "cam1/0.png"), image(2, "cam2/0.png")], [box(1, 2)])
    folder = read(tmp_path)
    assert folder.items["cam1/0"].annotation.objects == ()
    assert folder.items["cam2/0"].image_path is None
    add_picture(tmp_path / "0.png")
    (tmp_path / "cam1/0.png").unlink()
    folder = read(tmp_path)  # one picture cannot be both
    problems = [folder.items[f"cam{n}/0"].image_problem for n in (1, 2)]
    assert "0.png could be that of cam2/0.png, too" in problems[0]
    assert "0.png could be that of cam1/0.png, too" in problems[1]
    assert folder.unannotated == (tmp_path / "0.png",)


def test_a_missing_picture_is_not_that_of_another_split_or_folder(tmp_path):
    for place in ("train/0.png", "valid/0.png", "valid/1.png"):
        add_picture(tmp_path / place)
    names = [image(0, "0.png"), image(1, "1.png")]
    write_coco(tmp_path / "train/_annotations.coco.json", names, [box(1, 1)])
    write_coco(tmp_path / "valid/_annotations.coco.json", names[:1], [])
    folder = read(tmp_path)
    (lost,) = [each for each in folder.items.values() if each.annotation.objects]
    assert lost.image_path is None and "has no picture 1.png" in lost.image_problem
    assert folder.unannotated == (tmp_path / "valid/1.png",)
    other = tmp_path / "cameras"
    for place in ("cam1/0.png", "cam2/0.png", "cam2/1.png"):
        add_picture(other / place)
    write_coco(other / "a.json", [image(0, "cam1/0.png"), image(1, "cam1/1.png")], [])
    assert read(other).items["cam1/1"].image_path is None


def test_our_own_splits_are_no_other_json(tmp_path):
    add_picture(tmp_path / "a.png")
    write_coco(tmp_path / "a.json", [image(1, "a.png")], [box(1, 1)])
    (tmp_path / "splits.json").write_text('{"version": 1, "seed": 0, "splits": {"train": ["a"]}}')
    assert not [note for note in read(tmp_path).notes if "left aside" in note]


def test_pictures_that_fit_alike_are_named(tmp_path):
    add_picture(tmp_path / "red/0.png")
    add_picture(tmp_path / "blue/0.png")
    write_coco(tmp_path / "a.json", [image(1, "0.png")], [])
    (item,) = read(tmp_path).items.values()
    assert item.image_path is None
    assert item.image_problem.startswith("blue/0.png and red/0.png fit both")
    add_picture(tmp_path / "0.png")
    (item,) = read(tmp_path).items.values()
    assert item.image_path == tmp_path / "0.png"  # beside the labels


def test_a_picture_of_another_split_is_none_of_this_one(tmp_path):
    add_picture(tmp_path / "val/a.png")
    write_coco(tmp_path / "train.json", [image(1, "a.png")], [])
    write_coco(tmp_path / "val.json", [image(1, "a.png")], [box(1, 1)])
    folder = read(tmp_path)
    assert folder.splits["train"].lines != folder.splits["val"].lines
    (lost,) = folder.splits["train"].lines.values()
    assert folder.items[lost].image_path is None
