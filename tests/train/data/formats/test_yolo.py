import re

import numpy as np
import pytest

from tests.train.data.formats.pictures import (
    HEIGHT,
    WIDTH,
    add_picture,
    boxes_of,
    make_folder,
    read_with,
    splits_of,
)
from train.data.formats.files import FolderFiles
from train.data.formats.registry import read_folder
from train.data.formats.yolo import FORMAT
from train.data.lint.findings import KINDS
from train.data.systematic import find_systematic

BOX = "0.5 0.5 0.5 0.2"  # of 40 x 20: center 20, 10, width 20, height 4
BOX_PX = (10, 8, 30, 12)


def read(root):
    return read_with(FORMAT, root)


def ultralytics(root, config, **more):
    """images/train/a, images/val/b with labels, and a configuration."""
    texts = {
        "data.yaml": config,
        "labels/train/a.txt": f"0 {BOX}\n1 0.25 0.5 0.5 1\n",
        "labels/val/b.txt": f"1 {BOX}\n",
    }
    return make_folder(root, texts | more, ["images/train/a.jpg", "images/val/b.png"])


def flat(root, lines, size=None, **more):
    """One picture with a label file beside it, classes cat and dog."""
    make_folder(root, {"a.txt": lines, "classes.txt": "cat\ndog\n"} | more)
    add_picture(root / "a.jpg", size or (WIDTH, HEIGHT))
    return root


@pytest.mark.parametrize(
    "names", ["[cat, dog]", "\n  - cat\n  - dog", "{0: cat, 1: dog}", "\n  0: cat\n  1: 'dog'"]
)
def test_ultralytics_folder(tmp_path, names):
    config = f"path: .  # of the set\ntrain: images/train\nval: images/val\ntest:\nnames: {names}\n"
    folder = read(ultralytics(tmp_path, config))
    assert (folder.format, folder.background, folder.unannotated) == ("YOLO", True, ())
    assert folder.classes.names == ("cat", "dog")
    assert list(folder.items) == ["a", "b"]
    # 0.25 0.5 0.5 1: center 10, 10, width 20, height 20
    assert boxes_of(folder, "a") == [("cat", BOX_PX), ("dog", (0, 0, 20, 20))]
    assert boxes_of(folder, "b") == [("dog", BOX_PX)]
    assert splits_of(folder) == {"train": ["a"], "val": ["b"]}
    assert folder.splits["val"].path == tmp_path / "images/val"
    assert not folder.splits["val"].is_list
    annotation = folder.items["a"].annotation
    assert annotation.path == tmp_path / "labels/train/a.txt"
    assert annotation.size_wh == (40, 20)
    assert [one.box_line for one in annotation.objects] == [1, 2]
    assert folder.items["b"].image_path == tmp_path / "images/val/b.png"
    assert (folder.flaws, folder.notes) == ((), ())
    assert folder.layout == "data.yaml, label files in folders such as labels/train/"


def test_class_lines_and_names_as_written(tmp_path):
    config = "train: images/train\nval: images/val\nnames:\n  0: no\n  1: 007\n"
    folder = read(ultralytics(tmp_path, config))
    assert folder.classes.lines == ((4, "no"), (5, "007"))
    assert folder.classes.path == tmp_path / "data.yaml"
    assert boxes_of(folder, "b") == [("007", BOX_PX)]


def test_names_with_gaps_leave_numbers_without_a_class(tmp_path):
    config = "train: images/train\nval: images/val\nnames: {0: cat, 5: dog}\n"
    folder = read(ultralytics(tmp_path, config))
    assert folder.classes.names == ("cat", "dog")
    (flaw,) = folder.items["b"].flaws
    assert (flaw.kind, flaw.line, flaw.number) == ("unknown-class", 1, 1)
    assert "the class '1', but data.yaml names 2 others" in flaw.message


def test_only_a_number_of_classes(tmp_path):
    folder = read(ultralytics(tmp_path, "nc: 2\ntrain: images/train\nval: images/val\n"))
    assert folder.classes.names == ("0", "1")
    assert boxes_of(folder, "b") == [("1", BOX_PX)]
    assert "data.yaml, line 1: gives the number of classes and no names" in folder.notes[0]


def test_a_number_of_classes_that_differs_from_the_names(tmp_path):
    config = "nc: 3\ntrain: images/train\nval: images/val\nnames: [cat, dog]\n"
    folder = read(ultralytics(tmp_path, config))
    assert folder.classes.names == ("cat", "dog")
    assert "line 1: nc is 3, but there are 2 names" in folder.notes[0]


def test_roboflow_folder_whose_paths_start_one_folder_too_high(tmp_path):
    texts = {
        "data.yaml": "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\n"
        "nc: 2\nnames: ['cat', 'dog']\n",
        "README.roboflow.txt": "exported",
        "train/labels/a_jpg.rf.01.txt": f"0 {BOX}",
        "valid/labels/b.txt": f"1 {BOX}",
    }
    pictures = ["train/images/a_jpg.rf.01.jpg", "valid/images/b.jpg"]
    folder = read(make_folder(tmp_path, texts, pictures))
    assert list(folder.items) == ["a_jpg.rf.01", "b"]
    assert boxes_of(folder, "a_jpg.rf.01") == [("cat", BOX_PX)]
    assert splits_of(folder) == {"train": ["a_jpg.rf.01"], "val": ["b"]}
    # the exporter writes test: whether there is one or not
    assert folder.notes == (
        f"{tmp_path}/data.yaml, line 3: ../test/images is not here; no split test",
    )


def test_paths_of_another_computer(tmp_path):
    config = (
        "path: C:\\Users\\me\\datasets\\pets\n"
        "train: /home/me/pets/images/train\n"
        "val: D:/pets/images/valid\n"
        "names: [cat, dog]\n"
    )
    folder = read(ultralytics(tmp_path, config))
    assert splits_of(folder) == {"train": ["a"], "val": ["b"]}
    assert folder.notes == (
        f"{tmp_path}/data.yaml, line 2: /home/me/pets/images/train is not here; took images/train",
        f"{tmp_path}/data.yaml, line 3: D:/pets/images/valid is not here; took images/val",
    )


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    config = "names: [cat, dog]\nval: images/val\ntrain: /data/train_2/images\n"
    # images/ exists, but is not that of train_2/
    with pytest.raises(ValueError, match=r"yaml, line 3: .* at /data/train_2/images, got nothing"):
        read(ultralytics(tmp_path, config))


def test_val_and_test_that_are_not_there_are_left_out(tmp_path):
    # as exporters write them, whether there are any or not
    config = (
        "names: [cat, dog]\ntrain: images/train\nval: ../valid/images\n"
        "test: [images/val, ../test/images]\n"
    )
    folder = read(ultralytics(tmp_path, config))
    assert splits_of(folder) == {"train": ["a"], "test": ["b"]}
    assert folder.notes == (
        f"{tmp_path}/data.yaml, line 3: ../valid/images is not here; no split val",
        f"{tmp_path}/data.yaml, line 4: ../test/images is not here; left out of test",
    )


def test_an_absolute_path_and_the_root_itself(tmp_path):
    config = f"path: {tmp_path}\ntrain: {tmp_path}/images/train\nval: .\nnames: [cat, dog]\n"
    folder = read(ultralytics(tmp_path, config))
    assert splits_of(folder) == {"train": ["a"], "val": ["a", "b"]}
    assert folder.notes == ()


def test_lists_of_pictures_and_several_sources(tmp_path):
    config = "train: train.txt\nval: [images/val, more.txt]\nnames: [cat, dog]\n"
    texts = {
        "train.txt": "./images/train/a.jpg\n\nC:\\pets\\images\\train\\a.jpg\nimages/train/x.jpg\n",
        "more.txt": "images/train/a.jpg\n",
    }
    folder = read(ultralytics(tmp_path, config, **texts))
    train = folder.splits["train"]
    assert (train.path, train.is_list) == (tmp_path / "train.txt", True)
    assert train.lines == {1: "a", 3: "a", 4: "x"}  # "x" is nowhere, others report it
    assert splits_of(folder)["val"] == ["b", "a"]
    assert folder.splits["val"].path == tmp_path / "data.yaml"
    assert list(folder.items) == ["a", "b"]


def test_folders_of_splits_without_a_configuration(tmp_path):
    texts = {
        "classes.txt": "cat\n",
        "images/train/a.txt": f"0 {BOX}",
        "images/valid/b.txt": f"0 {BOX}",
        "test2/c.txt": f"0 {BOX}",
    }
    pictures = ["images/train/a.jpg", "images/valid/b.jpg", "test2/c.jpg", "d.jpg"]
    folder = read(make_folder(tmp_path, texts, pictures))
    assert splits_of(folder) == {"train": ["a"], "val": ["b"], "test": ["c"]}
    assert folder.splits["train"].path == tmp_path / "images/train"
    assert list(folder.items) == ["a", "b", "c", "d"]


def test_roboflow_darknet_folder(tmp_path):
    texts = {f"{split}/_darknet.labels": "cat\ndog\n" for split in ("train", "valid")}
    texts |= {"train/a.txt": f"1 {BOX}", "valid/a.txt": f"0 {BOX}", "README.roboflow.txt": "1 2"}
    folder = read(make_folder(tmp_path, texts, ["train/a.jpg", "valid/a.jpg"]))
    assert list(folder.items) == ["train/a", "valid/a"]  # "a" would be both
    assert boxes_of(folder, "train/a") == [("dog", BOX_PX)]
    assert boxes_of(folder, "valid/a") == [("cat", BOX_PX)]
    assert splits_of(folder) == {"train": ["train/a"], "val": ["valid/a"]}


def test_darknet_folder(tmp_path):
    texts = {
        "obj.data": "classes = 2\ntrain = data/train.txt\nvalid  = data/valid.txt\n"
        "names = data/obj.names\nbackup = backup/\n",
        "obj.names": "cat\ndog\n\n",
        "train.txt": "data/obj/a.jpg\n",
        "valid.txt": "data/obj/b.jpg\n",
        "obj/a.txt": f"1 {BOX}",
        "obj/b.txt": "",
    }
    folder = read(make_folder(tmp_path, texts, ["obj/a.jpg", "obj/b.jpg"]))
    assert boxes_of(folder, "obj/a") == [("dog", BOX_PX)]
    assert boxes_of(folder, "obj/b") == []
    assert splits_of(folder) == {"train": ["obj/a"], "val": ["obj/b"]}
    assert folder.classes.path == tmp_path / "obj.names"


def test_cvat_folder(tmp_path):
    texts = {
        "obj.data": "classes = 1\ntrain = data/train.txt\nnames = data/obj.names\n",
        "obj.names": "cat\n",
        "train.txt": "data/obj_train_data/cam1/p.jpg\ndata/obj_train_data/cam2/p.jpg\n",
        "obj_train_data/cam1/p.txt": f"0 {BOX}",
        "obj_train_data/cam2/p.txt": "0 0.5 0.5 1 1",
    }
    pictures = ["obj_train_data/cam1/p.png", "obj_train_data/cam2/p.jpg"]
    folder = read(make_folder(tmp_path, texts, pictures))
    assert boxes_of(folder, "cam2/p") == [("cat", (0, 0, 40, 20))]
    assert list(folder.items) == ["cam1/p", "cam2/p"]
    # the list says p.jpg, the folder has p.png: the id is the same
    assert folder.splits["train"].lines == {1: "cam1/p", 2: "cam2/p"}


def test_lists_without_a_configuration(tmp_path):
    texts = {
        "obj.names": "cat",
        "autosplit_train.txt": "./images/a.jpg\n",
        "val.txt": "./images/b.jpg\n",
        "test_small.txt": "./images/b.jpg\n",
        "labels/a.txt": f"0 {BOX}",
    }
    folder = read(make_folder(tmp_path, texts, ["images/a.jpg", "images/b.jpg"]))
    assert splits_of(folder) == {"train": ["a"], "val": ["b"], "test_small": ["b"]}
    assert folder.splits["train"].is_list


@pytest.mark.parametrize("start", ["images/", "/home/me/pets/", ""])
def test_a_list_of_pictures_of_another_folder_takes_none_of_this_one(tmp_path, start):
    texts = {
        "obj.names": "cat",
        "train.txt": f"{start}cam1/0.jpg\n{start}cam2/0.jpg\n",
        "labels/cam2/0.txt": f"0 {BOX}",
    }
    folder = read(make_folder(tmp_path, texts, ["images/cam2/0.jpg"]))
    first, second = splits_of(folder)["train"]
    assert second == "cam2/0"
    assert first not in folder.items  # the check reports it
    flat = {"obj.names": "cat", "train.txt": texts["train.txt"], "0.txt": f"0 {BOX}"}
    folder = read(make_folder(tmp_path / "flat", flat, ["0.jpg"]))
    assert not set(splits_of(folder)["train"]) & folder.items.keys()


def test_labelimg_folder_and_label_studio_folder(tmp_path):
    texts = {"out/classes.txt": "cat\n", "out/a.txt": f"0 {BOX}"}
    folder = read(make_folder(tmp_path / "one", texts, ["in/a.jpg"]))
    assert boxes_of(folder, "in/a") == [("cat", BOX_PX)]
    notes = '{"categories": [{"id": 1, "name": "dog"}, {"id": 0, "name": "cat"}], "info": {}}'
    texts = {"notes.json": notes, "labels/a.txt": f"1 {BOX}"}
    folder = read(make_folder(tmp_path / "two", texts, ["images/a.jpg"]))
    assert folder.classes.names == ("cat", "dog")
    assert boxes_of(folder, "a") == [("dog", BOX_PX)]


def test_other_folders_with_the_nearest_label_file(tmp_path):
    texts = {"yolo/p.txt": f"0 {BOX}", "yolo/q.txt": "", "labels.txt": "cat"}
    folder = read(make_folder(tmp_path, texts, ["shots/day/p.jpg", "shots/q.jpg"]))
    assert folder.items["shots/q"].path == tmp_path / "yolo/q.txt"
    assert folder.items["shots/day/p"].path == tmp_path / "shots/day/p.jpg"  # too far apart
    assert folder.items["yolo/p"].image_path is None


def test_background_pictures_take_no_label_of_another_folder(tmp_path):
    texts = {
        "train/labels/a.txt": f"0 {BOX}",
        "valid/labels/a.txt": f"0 {BOX}",
        "valid/labels/b.txt": f"0 {BOX}",
        "classes.txt": "cat",
    }
    pictures = ["train/images/a.jpg", "train/images/b.jpg", "valid/images/a.jpg"]
    folder = read(make_folder(tmp_path, texts, [*pictures, "test/b.jpg"]))
    background = folder.items["train/images/b"]
    assert (background.annotation.objects, background.flaws) == ((), ())
    assert background.annotation.path == background.path == tmp_path / "train/images/b.jpg"
    assert background.annotation.size_wh == (40, 20)
    assert folder.items["test/b"].annotation.objects == ()
    lost = folder.items["b"]  # of valid/, its picture is missing
    assert (lost.image_path, lost.annotation.objects) == (None, ())
    assert "1 pictures lie in folders without any label file" in folder.notes[0]


def test_a_label_file_without_a_picture(tmp_path):
    folder = read(flat(tmp_path, f"0 {BOX}", **{"b.txt": f"0 {BOX}\n7 {BOX}\n", "c.txt": "notes"}))
    assert list(folder.items) == ["a", "b"]
    item = folder.items["b"]
    assert item.image_path is None
    assert "has no picture b.jpg" in item.image_problem
    assert [flaw.line for flaw in item.flaws] == [2]


def test_a_picture_named_as_a_split_and_a_list_named_as_a_picture(tmp_path):
    texts = {
        "classes.txt": "cat",
        "train_1.txt": "0 wrong",
        "train.txt": "train.jpg\ntrain_1.jpg\n",
    }
    folder = read(make_folder(tmp_path, texts | {"b.txt": f"0 {BOX}"}, ["train_1.jpg", "b.jpg"]))
    assert list(folder.items) == ["b", "train_1"]
    assert folder.items["train_1"].flaws[0].kind == "bad-number"
    add_picture(tmp_path / "train.jpg")
    folder = read(tmp_path)
    assert splits_of(folder) == {"train": ["train", "train_1"]}
    assert folder.items["train"].path == tmp_path / "train.jpg"


def test_polygons_turned_boxes_confidences_and_poses(tmp_path):
    lines = (
        "0 0.1 0.2 0.5 0.1 0.3 0.7\n"  # a triangle
        "1 0.5 0 1 0.5 0.5 1 0 0.5\n"  # four corners
        f"0 {BOX} 0.87\n"
    )
    folder = read(flat(tmp_path / "plain", lines))
    assert boxes_of(folder, "a") == [
        ("cat", (4, 2, 20, 14)),
        ("dog", (0, 0, 40, 20)),
        ("cat", BOX_PX),
    ]
    assert folder.notes == (
        f"2 polygons were taken as the boxes around them (first: {tmp_path}/plain/a.txt, line 1)",
        "1 lines have a sixth number, taken as a confidence and left aside (first: "
        f"{tmp_path}/plain/a.txt, line 3)",
    )
    config = "train: .\nkpt_shape: [2, 3]\nnames: [cat]\n"
    pose = {"data.yaml": config, "a.txt": f"0 {BOX} 0.5 0.5 2 0.1 0.1 1\n0 {BOX}\n"}
    folder = read(make_folder(tmp_path / "pose", pose, ["a.jpg"]))
    assert boxes_of(folder, "a") == [("cat", BOX_PX)] * 2
    assert folder.notes[0].startswith("1 lines have key points")


def test_boxes_of_a_picture_that_is_stored_on_its_side(tmp_path):
    flat(tmp_path, f"0 {BOX}")
    add_picture(tmp_path / "a.jpg", orientation=6)
    folder = read(tmp_path)
    assert folder.items["a"].annotation.size_wh == (20, 40)
    assert boxes_of(folder, "a") == [("cat", (5, 16, 15, 24))]  # of 20 x 40
    add_picture(tmp_path / "a.jpg", orientation=3)
    assert boxes_of(read(tmp_path), "a") == [("cat", BOX_PX)]


def test_boxes_without_area_and_a_little_over_the_edge_stay(tmp_path):
    lines = "0 0.5 0.5 0 0\n0 0.99 0.5 0.1 1\n0 1.0000001 0.5 0.1 1\n"
    folder = read(flat(tmp_path, lines))
    assert folder.items["a"].flaws == ()
    boxes = [box for _, box in boxes_of(folder, "a")]
    # 0.99 * 40 = 39.6 and 40.000004, half a width of 0.1 is 2
    expected = [(20, 10, 20, 10), (37.6, 0, 41.6, 20), (38.000004, 0, 42.000004, 20)]
    np.testing.assert_allclose(boxes, expected)


@pytest.mark.parametrize(
    ("line", "kind", "message"),
    [
        ("0 0.5 0.5 0.2", "bad-number", r"object 2 expected .* 4 numbers .* got 3 after"),
        ("0", "bad-number", "got 0 after"),
        (f"0 {BOX} 0.1 0.1 0.1", "bad-number", "got 7 after"),
        ("0 0.5 0.5 wide 0.2", "bad-number", "object 2 expected a finite number, got 'wide'"),
        ("0 0.5 nan 0.1 0.2", "bad-number", "got 'nan'"),
        ("0 0.5 0.5 inf 0.2", "bad-number", "got 'inf'"),
        ("0 0.5 0.5 1e999 0.2", "bad-number", "got '1e999'"),
        ("0 0,5 0,5 0,1 0,2", "bad-number", "got '0,5'"),
        ("0 0.5 0.5 -0.1 0.2", "bad-number", "negative width or height, -0.1, 0.2"),
        (f"cat {BOX}", "bad-number", "expected a whole class number first, got 'cat'"),
        (f"0.5 {BOX}", "bad-number", "whole class number first, got '0.5'"),
        (f"2 {BOX}", "unknown-class", r"the class '2', but classes\.txt names 0 to 1"),
        (f"-1 {BOX}", "unknown-class", "the class '-1'"),
        ("0 20 10 8 4", "not-normalized", "expected fractions of the picture, 0 to 1, got '20'"),
        ("0 0.5 0.5 1.2 0.1", "not-normalized", r"got '1\.2'"),
        ("0 0.1 0.1 0.9 0.1 0.5 99", "not-normalized", "got '99'"),
        (f"{'9' * 5000} {BOX}", "bad-number", "got '9{40}…'"),
    ],
)
def test_flaws_of_lines(tmp_path, line, kind, message):
    folder = read(flat(tmp_path, f"1.0 {BOX}\n\n{line}\n"))
    assert boxes_of(folder, "a") == [("dog", BOX_PX)]
    (flaw,) = folder.items["a"].flaws
    assert (flaw.kind, flaw.line, flaw.number) == (kind, 3, 2)
    assert flaw.kind in KINDS
    assert re.search(message, flaw.message), flaw.message


def test_encodings(tmp_path):
    flat(tmp_path, f"0 {BOX}\r\n1 {BOX}".encode("utf-16"))
    make_folder(tmp_path, {"classes.txt": b"\xef\xbb\xbfcafe\xcc\x81\ndog\n"})
    folder = read(tmp_path)
    assert folder.classes.names == ("caf\u00e9", "dog")  # composed
    assert len(boxes_of(folder, "a")) == 2
    make_folder(tmp_path, {"a.txt": b"0 0.5 0.5 0.5 0.5\n0 \xb5\n", "b.txt": f"0 {BOX}"})
    add_picture(tmp_path / "b.jpg")
    item = read(tmp_path).items["a"]
    assert item.annotation is None
    assert item.malformed.line == 2
    assert "expected text in UTF-8, got the byte 0xb5" in item.malformed.reason
    make_folder(tmp_path, {"classes.txt": "caf\u00e9\n".encode("latin-1")})
    with pytest.raises(ValueError, match=r"classes\.txt, line 1: expected text in UTF-8"):
        read(tmp_path)


def test_a_picture_that_cannot_be_opened_keeps_its_place(tmp_path):
    flat(tmp_path, f"0 {BOX}\n0 wrong\n")
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    item = read(tmp_path).items["a"]
    assert item.image_path == tmp_path / "a.jpg"
    assert (item.annotation.size_wh, item.annotation.objects) == (None, ())
    assert [flaw.line for flaw in item.flaws] == [2]


def test_two_label_files_that_fit_alike(tmp_path):
    texts = {"x/a.txt": f"0 {BOX}", "y/a.txt": f"1 {BOX}", "classes.txt": "cat\ndog"}
    item = read(make_folder(tmp_path, texts, ["p/a.jpg"])).items["p/a"]
    assert item.annotation is None
    assert item.malformed.reason == "x/a.txt and y/a.txt fit both; remove the wrong one"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("train: a\nnames: [cat, dog\n", r"data\.yaml, line 3: expected YAML, got .*','"),
        ("train: a\nnames: cat\n", r"line 2: expected a file of class names, got cat"),
        ("train: a\nnames: {cat: 0}\n", "line 2: expected a class number .*got 'cat'"),
        ("train: a\nnames: {0: a, 0: b}\n", "line 2: class 0 has a name already, 'a'"),
        ("train: a\nnames:\n- a\n- [b]\n", "line 4: expected a name for class 1"),
        ("train: a\nnames: []\n", "line 2: expected class names, got none"),
        ("train: a\nnc: many\n", "line 2: expected the number of classes as nc, got 'many'"),
        ("train: {a: b}\nnames: [a]\n", "line 1: expected a folder, a list file or several"),
        ("train: a\nnames: [a]\npath: [b]\n", "line 3: expected a folder as path"),
        ("train: a\nnames: " + "[" * 9999, "nested too deep"),
        ('train: a\nnames: ["\\UFFFFFFFF"]', r"data\.yaml: expected YAML, got "),
        ("train: a\nnames: [a]\nx: \x07", r"line 3: expected text, got the character"),
        ("train: a\nnames: &x [*x]\n", "line 2: expected a name for class 0"),
        ("train: a\nnames: [a]\n? [b]\n: c\nval: gone\n", "line 1: expected a folder or list at a"),
    ],
)
def test_malformed_configurations(tmp_path, config, message):
    with pytest.raises(ValueError, match=message):
        read(ultralytics(tmp_path, config))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({}, r"expected the names of the classes, .* add classes\.txt, a class name a line"),
        ({"classes.txt": "\n"}, r"classes\.txt: expected a class name a line, got an empty file"),
        ({"classes.txt": "cat\n\ndog"}, r"classes\.txt, line 2: .* a blank line before 'dog'"),
        ({"x/_darknet.labels": "cat", "y/_darknet.labels": "dog"}, "a number means two classes"),
        ({"notes.json": "{\n]"}, r"notes\.json, line 2: expected JSON"),
        ({"notes.json": '{"categories": [{"id": 0}]}'}, r"notes\.json: expected .*categories"),
        ({"notes.json": "[" * 99999}, r"notes\.json: expected .*categories"),
        ({"obj.data": "names = gone.names\ntrain = t.txt"}, r"obj\.data, line 1: .*gone\.names"),
    ],
)
def test_class_names_that_are_missing_or_malformed(tmp_path, texts, message):
    make_folder(tmp_path, {"a.txt": f"0 {BOX}"} | texts, ["a.jpg"])
    with pytest.raises(ValueError, match=message):
        read(tmp_path)


def test_which_class_names_count(tmp_path):
    texts = {"a.txt": f"0 {BOX}", "notes.json": '{"categories": [{"id": 0, "name": "json"}]}'}
    make_folder(tmp_path, texts, ["a.jpg"])
    for name, content, expected in [
        (None, "", "json"),
        ("labels/classes.txt", "classes", "classes"),
        ("_darknet.labels", "darknet", "darknet"),
        ("obj.names", "names", "names"),
        ("some.yaml", "names: [yaml]", "yaml"),
        ("data.yaml", "train: .\nnames: [data]", "data"),
    ]:
        make_folder(tmp_path, {name: content} if name else {})
        assert read(tmp_path).classes.names == (expected,)


def test_a_second_configuration_is_left_aside(tmp_path):
    config = "train: images/train\nval: images/val\nnames: [cat, dog]\n"
    folder = read(ultralytics(tmp_path, config, **{"old/coco.yaml": config, "args.yaml": "nc: 4"}))
    assert folder.notes == (
        f"{tmp_path}/old/coco.yaml: another configuration, left aside; took {tmp_path}/data.yaml",
    )


def test_the_named_configuration_counts(tmp_path):
    config = "train: images/train\nval: images/val\nnames: [cat, dog]\n"
    other = "train: images/val\nval: images/train\nnames: [bird, fish]\n"
    ultralytics(tmp_path, config, **{"other.yaml": other, "old/coco.yml": other})
    for name, classes, train in [
        ("data.yaml", ("cat", "dog"), "a"),
        ("other.yaml", ("bird", "fish"), "b"),
    ]:
        folder = read_folder(tmp_path / name)
        assert (folder.root, folder.classes.names) == (tmp_path, classes)
        assert splits_of(folder)["train"] == [train]
        assert len(folder.notes) == 2  # on the two others
        assert not [note for note in folder.notes if f"{tmp_path}/{name}: another" in note]
    (tmp_path / "names.yaml").write_text("names: [x, y]\n")  # no configuration of splits
    assert read_folder(tmp_path / "names.yaml").classes.names == ("cat", "dog")
    (tmp_path / "other.yaml").write_text("names: [a\ntrain: images/train\n")
    with pytest.raises(ValueError, match=r"other\.yaml, line 2: expected YAML"):
        read_folder(tmp_path / "other.yaml")


@pytest.mark.parametrize("base", ["{}/set", "../set", "{}/set/images"])
def test_a_configuration_outside_of_its_set(tmp_path, base):
    base = base.format(tmp_path)
    inside = "" if base.endswith("images") else "images/"
    config = f"path: {base}\ntrain: {inside}train\nval: {inside}val\nnames: [cat, dog]\n"
    make_folder(tmp_path, {"conf/mine.yaml": config, "conf/data.yaml": "names: [x]"})
    ultralytics(tmp_path / "set", "train: images/val\nnames: [bird, fish]\n")
    folder = read_folder(tmp_path / "conf/mine.yaml")
    assert folder.root.resolve() == tmp_path / "set"
    assert folder.classes.names == ("cat", "dog")
    assert splits_of(folder) == {"train": ["a"], "val": ["b"]}
    assert folder.layout == "mine.yaml, label files in folders such as labels/train/"


def test_a_path_below_the_configuration_leaves_the_labels_in_reach(tmp_path):
    ultralytics(tmp_path, "path: images\ntrain: train\nval: val\nnames: [cat, dog]\n")
    folder = read_folder(tmp_path / "data.yaml")
    assert folder.root == tmp_path and boxes_of(folder, "b") == [("dog", BOX_PX)]


def test_key_points_without_a_configuration_of_them(tmp_path):
    points = "0.4 0.45 0.6 0.55 0.5 0.5 0.4 0.45"  # all in 0.25 to 0.75, 0.4 to 0.6
    folder = read(flat(tmp_path / "two", f"0 {BOX} {points}\n1 {BOX}\n"))
    assert boxes_of(folder, "a") == [("cat", BOX_PX), ("dog", BOX_PX)]
    (note,) = folder.notes
    assert note.startswith("1 lines have key points after the box, left aside")
    triples = "0.4 0.45 2 0.6 0.55 1 0 0 0"
    folder = read(flat(tmp_path / "three", f"0 {BOX} {triples}\n"))
    assert boxes_of(folder, "a") == [("cat", BOX_PX)]
    assert folder.items["a"].flaws == ()
    # one line that is no box around its points, and one of another length
    for name, line in (("far", "0 0.5 0.5 0.1 0.1 " + points), ("short", f"0 {BOX} 0.5 0.5")):
        folder = read(flat(tmp_path / name, f"0 {BOX} {points}\n{line}\n"))
        assert folder.notes[0].startswith("2 polygons")


def test_small_polygons_are_no_key_points(tmp_path):
    # read as a box, center 0.5 0.5 and size 0.55 0.5 would hold the other corners
    folder = read(flat(tmp_path, "0 0.5 0.5 0.55 0.5 0.55 0.6 0.5 0.6\n"))
    assert boxes_of(folder, "a") == [("cat", (20, 10, 22, 12))]
    assert folder.notes[0].startswith("1 polygons")


def test_recognition(tmp_path):
    def labels(root):
        found = FORMAT.recognize(FolderFiles(root))
        return found and found.labels

    config = "train: images/train\nval: images/val\nnames: [cat, dog]\n"
    assert labels(ultralytics(tmp_path / "yaml", config)) == 2
    empty = {"labels/train/a.txt": "", "labels/val/b.txt": "\n"}
    assert labels(ultralytics(tmp_path / "empty", config, **empty)) == 2
    many = {f"labels/{number}.txt": f"0 {BOX}" for number in range(450)}
    assert labels(make_folder(tmp_path / "many", many)) == 450  # of 150 looked at
    others = {
        "ImageSets/Main/train.txt": "a\nb\n",
        "a.txt": "a photograph of a cat",
        "kitti/b.txt": "Car 0.00 0 1.5 10 20 30 40",
        "requirements.txt": "numpy",
        "mkdocs.yml": "nav: []",
        "data.csv": "a,b",
    }
    assert labels(make_folder(tmp_path / "others", others, ["a.jpg", "b.jpg"])) is None


def test_class_numbers_that_start_at_one_are_one_flaw_of_the_set(tmp_path):
    texts = {"classes.txt": "ant\nbee\n"}
    for number in range(4):
        texts[f"p{number}.txt"] = f"1 {BOX}\n2 {BOX}"
    folder = read_with(FORMAT, make_folder(tmp_path, texts, [f"p{n}.jpg" for n in range(4)]))
    flaw = find_systematic(folder)
    assert flaw is not None
    assert "no box has the first class, 'ant', and 4 boxes have a number beyond" in flaw.message
    (tmp_path / "p0.txt").write_text(f"0 {BOX}\n2 {BOX}")  # then it is a mistake in three files
    assert find_systematic(read_with(FORMAT, tmp_path)) is None


def test_a_label_file_of_two_pictures_is_said(tmp_path):
    texts = {"classes.txt": "ant\n", "labels/a.txt": f"0 {BOX}", "labels/b.txt": f"0 {BOX}"}
    pictures = ["images/a.jpg", "images/b.jpg", "images/b.png"]
    folder = read_with(FORMAT, make_folder(tmp_path, texts, pictures))
    (note,) = folder.notes
    assert note.startswith("1 label files belong to more than one picture, such as ")
    assert "labels/b.txt to " in note and "images/b.jpg and " in note
