import json
import os

import pytest

from tests.train.data.split_items import make_items, numbered, photo, save
from train.data.splits import SplitItem, read_splits, settle_splits, splits_path, write_splits
from train.data.splits import settle as settle_module

SPLITS = {"train": ("b", "a"), "val": ("ü",), "test": ("c",)}


def add(items, folder, image_id, number):
    path = save(photo(number), folder / f"{image_id}.jpg", 60)
    return [*items, SplitItem(image_id, path, {"cat": 1})]


def forbid(monkeypatch, name):
    def refuse(*_):
        raise AssertionError(f"{name} was called")

    monkeypatch.setattr(settle_module, name, refuse)


def test_splits_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "splits.json"
    write_splits(path, SPLITS, 7)
    stored = read_splits(path)
    assert (stored.splits, stored.seed) == (SPLITS, 7)
    data = json.loads(path.read_text(encoding="utf-8"))
    assert data["version"] == 1 and data["made_by"] and data["splits"]["train"] == ["b", "a"]
    first = path.read_bytes()
    write_splits(path, SPLITS, 7)
    assert path.read_bytes() == first and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, r'expected "version": 1, got 2; delete the file'),
        ({"seed": "x"}, r'expected a whole number for "seed", got \'x\''),
        ({"seed": True}, r'expected a whole number for "seed", got True'),
        ({"splits": ["a"]}, r'expected an object for "splits"'),
        ({"splits": {"val": ["a"]}}, r"expected the splits train, val and test, got val"),
        ({"splits": {"train": ["a"], "valid": ["b"]}}, r"got train, valid; correct the names"),
        ({"splits": {"train": [], "val": ["b"]}}, r"expected image ids in 'train', got none"),
        ({"splits": {"train": ["a"], "val": []}}, r"expected image ids in 'val', got none"),
        ({"splits": {"train": "ab"}}, r"expected a list of image ids for 'train'"),
        ({"splits": {"train": ["a", 3]}}, r"expected a list of image ids for 'train'"),
        ({"splits": {"train": ["a", "b"], "val": ["b"]}}, r"got b \(train and val\) twice"),
        ({"splits": {"train": ["a", "a"]}}, r"got a \(train and train\) twice; take one"),
    ],
)
def test_bad_files_are_refused_by_name_with_what_to_do(tmp_path, change, message):
    path = tmp_path / "splits.json"
    data = {"version": 1, "made_by": "hand", "seed": 0, "splits": {"train": ["a"]}}
    path.write_text(json.dumps(data))
    assert read_splits(path).splits == {"train": ("a",)}
    path.write_text(json.dumps(data | change))
    with pytest.raises(ValueError, match=message) as caught:
        read_splits(path)
    assert str(caught.value).startswith(f"{path}: ") and "delete the file" in str(caught.value)


@pytest.mark.parametrize("content", [b"{", b"", b"[1]", b"\xff\xfe"])
def test_files_that_are_no_json_object_are_refused(tmp_path, content):
    path = tmp_path / "splits.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"splits\.json: .*; delete the file"):
        read_splits(path)


def test_what_cannot_be_read_again_is_not_written(tmp_path):
    path = tmp_path / "splits.json"
    with pytest.raises(ValueError, match=r"got a \(train and val\) twice"):
        write_splits(path, {"train": ["a"], "val": ["a"]}, 0)
    assert not path.exists()


def test_the_file_lies_in_the_data_folder_or_else_under_build(tmp_path, monkeypatch):
    root = tmp_path / "pets"
    root.mkdir()
    assert splits_path(root) == root / "splits.json"
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # for root all is writable
    path = splits_path(root)
    assert path.parent.as_posix() == "build/splits" and not path.is_absolute()
    name, digits = path.stem.rsplit("-", 1)
    assert name == "pets" and len(digits) == 8 and int(digits, 16) >= 0
    monkeypatch.chdir(tmp_path)
    assert splits_path("pets") == path
    assert splits_path(tmp_path) != path
    (root / "splits.json").write_text("{}")
    assert splits_path(root) == root / "splits.json"


def test_made_splits_are_kept_and_used_again(tmp_path, monkeypatch):
    items = make_items(tmp_path, numbered(20))
    made = settle_splits(tmp_path, items, {}, seed=2)
    path = tmp_path / "splits.json"
    assert made.notes[-1] == f"Kept in {path} for later runs."
    assert read_splits(path).splits == made.splits and read_splits(path).seed == 2
    written = path.read_bytes()
    forbid(monkeypatch, "make_splits")
    forbid(monkeypatch, "group_pictures")
    again = settle_splits(tmp_path, items[::-1], {}, seed=2)
    assert again.splits == made.splits
    assert again.notes == (f"Splits as in {path}.",)
    other = settle_splits(tmp_path, items, {}, seed=5)
    assert other.splits == made.splits
    assert other.notes[1] == "It was made with seed 2, not 5; delete it for new splits."
    assert path.read_bytes() == written


def test_a_read_only_data_folder_keeps_its_splits_under_build(tmp_path, monkeypatch):
    root = tmp_path / "data"
    items = make_items(root, numbered(10))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    made = settle_splits(root, items, {})
    assert not (root / "splits.json").exists()
    assert read_splits(splits_path(root)).splits == made.splits
    assert settle_splits(root, items, {}).splits == made.splits


def test_nothing_is_written_for_a_set_that_has_all_three(tmp_path):
    items = make_items(tmp_path, numbered(3))
    given = {"train": ["p00"], "val": ["p01"], "test": ["p02"]}
    assert settle_splits(tmp_path, items, given).notes == ()
    path = tmp_path / "splits.json"
    assert not path.exists()
    path.write_text("anything")
    made = settle_splits(tmp_path, items, given)
    assert made.notes == (f"{path} is not used: the data set has train, val and test.",)


def test_only_train_and_what_was_made_is_in_the_file(tmp_path):
    items = make_items(tmp_path, numbered(20))
    given = {"train": list(numbered(20))[:15], "val": ["p15"], "cat_val": ["p15"]}
    made = settle_splits(tmp_path, items, given)
    stored = read_splits(tmp_path / "splits.json").splits
    assert stored == {name: made.splits[name] for name in ("train", "test")}
    again = settle_splits(tmp_path, items, given)
    assert again.splits == made.splits and list(again.splits) == list(made.splits)
    assert again.notes[-1].endswith("(cat_val, train, val): 4 pictures.")


def test_pictures_that_are_gone_find_their_place_again(tmp_path):
    items = make_items(tmp_path, numbered(20))
    made = settle_splits(tmp_path, items, {})
    lost = {made.splits["train"][0], made.splits["test"][1]}
    left = settle_splits(tmp_path, [item for item in items if item.image_id not in lost], {})
    assert left.splits == {
        name: tuple(i for i in ids if i not in lost) for name, ids in made.splits.items()
    }
    assert left.notes[1] == "In it, but no longer in the data set: 2 pictures."
    assert settle_splits(tmp_path, items, {}).splits == made.splits


def test_a_split_without_any_picture_left_is_refused(tmp_path):
    items = make_items(tmp_path, numbered(20))
    lost = set(settle_splits(tmp_path, items, {}).splits["val"])
    with pytest.raises(ValueError, match=r"splits\.json: expected pictures of val .* delete the"):
        settle_splits(tmp_path, [item for item in items if item.image_id not in lost], {})


def test_new_pictures_go_to_train_and_twins_of_val_and_test_to_those(tmp_path):
    items = make_items(tmp_path, numbered(20))
    made = settle_splits(tmp_path, items, {})
    numbers = {item.image_id: number for number, item in enumerate(items)}
    grown = add(items, tmp_path, "new", 99)
    grown = add(grown, tmp_path, "twin_of_train", numbers[made.splits["train"][0]])
    grown = add(grown, tmp_path, "twin_of_val", numbers[made.splits["val"][0]])
    grown = add(grown, tmp_path, "twin_of_test", numbers[made.splits["test"][0]])
    after = settle_splits(tmp_path, grown, {})
    assert after.splits == {
        "train": (*made.splits["train"], "new", "twin_of_train"),
        "val": (*made.splits["val"], "twin_of_val"),
        "test": (*made.splits["test"], "twin_of_test"),
    }
    assert "New since it was written: train 2, val 1, test 1." in after.notes
    assert read_splits(tmp_path / "splits.json").splits == after.splits
    again = settle_splits(tmp_path, grown, {})
    assert again.splits == after.splits and len(again.notes) == 1


def test_new_twins_of_a_given_test_are_left_out(tmp_path):
    items = make_items(tmp_path, numbered(20))
    given = {"test": ["p00"]}
    made = settle_splits(tmp_path, items, given)
    after = settle_splits(tmp_path, add(items, tmp_path, "twin", 0), given)
    assert after.splits == made.splits
    assert "Left out, for looking like one of the given val or test: 1 picture." in after.notes


def test_a_file_that_cannot_be_written_again_is_said_and_gives_the_same_each_time(
    tmp_path, monkeypatch
):
    items = make_items(tmp_path, numbered(10))
    made = settle_splits(tmp_path, items, {})

    def refuse(*_):
        raise PermissionError(13, "read-only")

    monkeypatch.setattr(settle_module, "write_splits", refuse)
    grown = add(items, tmp_path, "new", 99)
    after = settle_splits(tmp_path, grown, {})
    assert after.splits["train"] == (*made.splits["train"], "new")
    assert after.notes[-1] == f"{tmp_path / 'splits.json'} stays without the new ones: read-only."
    assert settle_splits(tmp_path, grown, {}) == after


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"test": ["p00"]}, r"expected train, val, since the data set's own splits are test"),
        ({"train": ["p00"], "val": ["p01"]}, r"expected test, train, since .* are train, val"),
    ],
)
def test_splits_that_the_data_set_got_since_contradict_the_file(tmp_path, given, message):
    items = make_items(tmp_path, numbered(10))
    settle_splits(tmp_path, items, {})
    with pytest.raises(ValueError, match=message):
        settle_splits(tmp_path, items, given)


def test_a_given_test_that_took_a_picture_of_the_made_val_contradicts_the_file(tmp_path):
    items = make_items(tmp_path, numbered(20))
    made = settle_splits(tmp_path, items, {"test": ["p00"]})
    taken = made.splits["val"][0]
    with pytest.raises(ValueError, match=f"got {taken} in val, but the data set's own test has"):
        settle_splits(tmp_path, items, {"test": ["p00", taken]})
