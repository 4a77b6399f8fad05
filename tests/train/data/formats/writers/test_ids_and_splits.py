import pytest
import yaml

from tests.train.data.formats.coco_folder import add_picture
from tests.train.data.formats.writers.written import folder_of, item, labelled, losses, write
from train.data.formats.registry import read_folder
from train.data.labeled_folder import Item


def same_names(root, ids_by_split):
    """Pictures of one name in several folders, each with a box of its own."""
    items = []
    for n, image_id in enumerate(one for ids in ids_by_split.values() for one in ids):
        path = add_picture(root / f"{image_id}.png", (n, 0, 0))
        one = item(path, labelled("cat", (4 + n, 2, 20, 10)))
        items.append(Item(image_id, one.path, one.annotation, path))
    return folder_of(root, items, ids_by_split)


def assert_boxes_stayed(back, folder, written_ids):
    for n, (image_id, one) in enumerate(folder.items.items()):
        found = back.items[written_ids.get(image_id, image_id)]
        assert found.annotation.objects[0].box_px[0] == pytest.approx(4 + n)
        assert found.image_path.read_bytes() == one.image_path.read_bytes()


@pytest.mark.parametrize("to", ["coco", "yolo"])
@pytest.mark.parametrize(
    ("train", "val", "files"),
    [
        (["train/0", "train/1", "2"], ["valid/0", "valid/1"], ["train/0", "images/{}2", "valid/1"]),
        (["train/images/0"], ["valid/images/0"], ["train/images/0", "valid/images/0"]),
        (["images/train/0"], ["images/val/0", "7"], ["images/train/0", "images/val/0"]),
    ],
)
def test_pictures_of_one_name_keep_their_ids(tmp_path, to, train, val, files):
    folder = same_names(tmp_path / "in", {"train": train, "val": val})
    kept, out = write(folder, to)
    assert kept.not_kept == ()
    for file in files:
        assert (out / f"{file.format('train/' if to == 'yolo' else '')}.png").is_file()
    back = read_folder(out)
    assert {name: sorted(split.lines.values()) for name, split in back.splits.items()} == {
        "train": sorted(train),
        "val": sorted(val),
    }
    assert len(back.items) == len(folder.items) and not back.flaws
    assert_boxes_stayed(back, folder, {})
    if to == "yolo" and train[0] == "train/0":
        config = yaml.safe_load((out / "data.yaml").read_text())
        assert (config["train"], config["val"]) == (["images/train", "train"], "valid")
        assert (out / "train/0.txt").is_file()  # beside its picture, where Ultralytics looks
    if to == "yolo" and train[0] == "train/images/0":
        assert (out / "train/labels/0.txt").is_file()


@pytest.mark.parametrize(
    ("to", "train", "val", "renamed"),
    [
        ("voc", ["train/a"], ["valid/a"], ["train/a", "valid/a"]),
        # reading gives a lone train/a as a, and train/a beside a as the one or the other
        ("coco", ["train/a"], ["b"], ["train/a"]),
        ("yolo", ["train/a"], ["b"], ["train/a"]),
        ("coco", ["train/a", "a"], ["valid/a"], ["train/a", "valid/a"]),
        ("yolo", ["train/a", "a"], ["valid/a"], ["train/a", "valid/a"]),
        # the folder of another split would make them pictures of that
        ("coco", ["valid/a"], ["train/a"], ["train/a", "valid/a"]),
        ("yolo", ["valid/a"], ["train/a"], ["train/a", "valid/a"]),
        # train/a.png is the end of cam/train/a.png, so COCO could mean both
        ("coco", ["cam/train/a", "train/a"], ["valid/a"], ["train/a", "valid/a"]),
    ],
)
def test_ids_that_reading_would_change_become_names(tmp_path, to, train, val, renamed):
    folder = same_names(tmp_path / "in", {"train": train, "val": val})
    kept, out = write(folder, to)
    rows = [row.what for row in kept.not_kept if row.kind == "renamed"]
    assert set(renamed) <= set(rows) and len(rows) == len(kept.not_kept)
    new = {image_id: image_id.replace("/", "_") for image_id in rows}
    back = read_folder(out)
    found = {name: set(split.lines.values()) for name, split in back.splits.items()}
    expected = {"train": train, "val": val}
    assert found == {name: {new.get(i, i) for i in ids} for name, ids in expected.items()}
    assert_boxes_stayed(back, folder, new)


@pytest.mark.parametrize("to", ["coco", "yolo"])
def test_splits_of_other_names_become_no_split(tmp_path, to):
    root = tmp_path / "in"
    items = [item(add_picture(root / f"{name}.png"), labelled("c", (0, 0, 9, 9))) for name in "abc"]
    splits = {"train": ["a"], "trainval": ["a", "b"], "val": ["b"], "fold1": ["a", "c"]}
    kept, out = write(folder_of(root, items, splits), to)
    assert list(kept.splits) == ["train", "val"]
    assert losses(out) == [("fold1.txt", "", "other-split"), ("trainval.txt", "", "other-split")]
    assert len(list(out.rglob("*.png"))) == 3
    back = read_folder(out)
    assert list(back.items) == ["a", "b", "c"] and not back.flaws
    assert {name: list(split.lines.values()) for name, split in back.splits.items()} == {
        "train": ["a"],
        "val": ["b"],
    }


@pytest.mark.parametrize("to", ["coco", "yolo"])
def test_a_set_whose_only_split_has_another_name_reads_back(tmp_path, to):
    root = tmp_path / "in"
    items = [item(add_picture(root / f"{name}.png"), labelled("c", (0, 0, 9, 9))) for name in "ab"]
    kept, out = write(folder_of(root, items, {"default": ["a", "b"]}), to)
    assert [(row.kind, row.what) for row in kept.not_kept] == [("other-split", "default")]
    back = read_folder(out)
    assert list(back.items) == ["a", "b"] and back.splits == {} and back.classes.names == ("c",)


def test_an_id_twice_in_a_list_is_noted(tmp_path):
    root = tmp_path / "in"
    items = [item(add_picture(root / "a.png"), labelled("c", (0, 0, 9, 9)))]
    kept, out = write(folder_of(root, items, {"train": ["a", "a"]}), "voc")
    assert losses(out) == [("train.txt", "2", "duplicate-id")] and kept.splits == {"train": 1}
