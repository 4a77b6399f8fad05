import json

import pytest

from tests.train.data.formats.coco.reading import is_coco, read
from tests.train.data.formats.coco_folder import (
    CORNERS,
    add_picture,
    box,
    coco_text,
    image,
    write_coco,
)
from train.data.formats.coco import FORMAT
from train.data.formats.files import FolderFiles


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
