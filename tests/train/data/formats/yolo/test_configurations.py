import pytest

from tests.train.data.formats.pictures import (
    boxes_of,
    make_folder,
    splits_of,
)
from tests.train.data.formats.yolo.reading import BOX, BOX_PX, read, ultralytics
from train.data.formats.registry import read_folder


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
