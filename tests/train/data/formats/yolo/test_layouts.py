import pytest

from tests.train.data.formats.pictures import (
    add_picture,
    boxes_of,
    make_folder,
    splits_of,
)
from tests.train.data.formats.yolo.reading import BOX, BOX_PX, flat, read, ultralytics
from train.data.formats.files import FolderFiles
from train.data.formats.yolo import FORMAT


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
